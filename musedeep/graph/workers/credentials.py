"""Temporary certificates for one run: who has the key may take part, nobody else.

One certificate that signs itself serves client, scheduler and workers, as `distributed.Security.temporary` makes it.
It goes to the workers as files that only their owner may read, in a directory that only the owner may enter; command
lines, job scripts and logs have the path alone.
"""

import os
import sys
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError

CERTIFICATE, KEY = "certificate.pem", "key.pem"


def make_credentials(directory: Path) -> Any:
    """Make a certificate and its key in a directory: a distributed.Security that requires encryption.

    It serves client, scheduler and workers. Raises MusedeepError if the package `cryptography` is missing.
    """
    from distributed.security import Security

    try:
        made = Security.temporary()
    except ImportError:
        raise MusedeepError("TLS needs cryptography; install it: pip install 'musedeep[cluster]'") from None
    paths = {}
    for name, text in ((CERTIFICATE, made.tls_ca_file), (KEY, made.tls_worker_key)):
        paths[name] = directory / name
        descriptor = os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as stream:
            stream.write(text)
    certificate, key = str(paths[CERTIFICATE]), str(paths[KEY])
    roles = ("client", "scheduler", "worker")
    files = {f"tls_{role}_{kind}": file for role in roles for kind, file in (("cert", certificate), ("key", key))}
    return Security(require_encryption=True, tls_ca_file=certificate, **files)


def environment(directory: Path) -> dict[str, str]:
    """Variables by which dask's commands, and ours, find the files: for scripts that start them."""
    prefix = "DASK_DISTRIBUTED__COMM__"
    certificate, key = str(directory / CERTIFICATE), str(directory / KEY)
    found = {f"{prefix}TLS__CA_FILE": certificate, f"{prefix}REQUIRE_ENCRYPTION": "True"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {f"{prefix}TLS__{role}__CERT": certificate, f"{prefix}TLS__{role}__KEY": key}
    return found


if __name__ == "__main__":
    # for batch scripts: make the files in a directory, and print the variables for the shell to take
    make_credentials(Path(sys.argv[1]))
    for _name, _value in environment(Path(sys.argv[1])).items():
        print(f"export {_name}='{_value}'")
