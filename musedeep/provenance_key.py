"""What computes, as a short key: work kept by an interrupted run goes on only with the same."""

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SUFFIXES = (".py", ".ecsv")
LIBRARIES = ("numpy", "numba", "scipy", "astropy")
"""Of which another version may compute other bits."""


@lru_cache(maxsize=1)
def code_state(package: Path = PACKAGE) -> str:
    """A key of the sources and tables of this package, and of the versions of the libraries that compute.

    It is the same wherever they are installed and whenever they were written. The version of this package alone does
    not do: it stays the same between the states of a checkout.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for library in LIBRARIES:
        digest.update(f"{library} {_version(library)}\n".encode())
    names = {path.relative_to(package).as_posix(): path for path in package.rglob("*") if path.suffix in SUFFIXES}
    for name in sorted(names):
        if not names[name].name.startswith("."):  # an editor's
            content = names[name].read_bytes()
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # copied without the description of its package
        return ""
