"""The profile of a cluster: what a job is to be like, and where workers find what they need (YAML)."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from musedeep.amounts import bytes_of
from musedeep.errors import MusedeepError
from musedeep.storage.models import validated
from musedeep.storage.yaml_file import read_mapping

WALLTIME = re.compile(r"\d+|\d+:\d\d|\d+:\d\d:\d\d|\d+-\d\d?(:\d\d(:\d\d)?)?")
"""Times as sbatch takes them: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""

WATCHER_BYTES = 200 * 2**20
"""Of the process in each job that watches the worker, and starts it again."""

USED = 0.9
"""Share of a worker's limit that plans may use; a worker at 0.95 is ended before the system does it."""

LEAST_MEMORY = 700 * 2**20
"""Of a job: the worker, the process that watches it, and a little data [bytes]."""


def _walltime(value: Any) -> Any:
    if not isinstance(value, str) or not WALLTIME.fullmatch(value.strip()):
        raise ValueError("a time as HH:MM:SS or D-HH:MM:SS")
    return value.strip()


def _memory(value: Any) -> Any:
    n = bytes_of(value) if isinstance(value, str) else 0
    if n < LEAST_MEMORY:
        raise ValueError(f"an amount of memory of at least {LEAST_MEMORY >> 20} MiB, as in 16GiB")
    return n


def _lines(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str) else value


def _directives(value: Any) -> Any:
    found = _lines(value)
    if not isinstance(found, list) or not all(isinstance(v, str) and v.startswith("-") for v in found):
        raise ValueError("a list of options of sbatch, as in --constraint=cascadelake")
    return found


def _one_line(value: Any) -> Any:
    if not isinstance(value, str) or "\n" in value or not value.strip():
        raise ValueError("one line of text")
    return value.strip()


def _count(value: Any) -> Any:
    if not isinstance(value, str) or not value.isdecimal() or int(value) < 1:
        raise ValueError("a whole number of at least 1")
    return int(value)


def _address(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[^\s:]*:\d+", value):
        raise ValueError("an address as in 127.0.0.1:0 or :8787")
    return value


Text = Annotated[str, BeforeValidator(_one_line)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines), Field(description="a list of lines of text")]
Count = Annotated[int, BeforeValidator(_count)]


class ClusterProfile(BaseModel):
    """The keys of a cluster profile.

    Attributes
    ----------
    cores, memory, walltime : of a job: boxes in work at once, bytes, time as sbatch takes it
    workers : jobs at most
    partition, account, qos : of SLURM
    interface : network interface of scheduler and workers, as in ib0
    local_scratch : directory of the node; the shell of the job replaces variables
    modules : modules to load
    prologue : lines of shell before the worker starts
    container : command to put before python, as in `apptainer exec /shared/musedeep.sif`
    python : of the worker; default: the one that runs this, or python3 of the container
    directives : more options of sbatch
    log_directory : where the output of jobs is kept; default: it is removed at the end
    dashboard : address of dask's dashboard
    path : the file
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cores: Count
    memory: Annotated[int, BeforeValidator(_memory)]
    walltime: Annotated[str, BeforeValidator(_walltime)]
    workers: Count = 8
    partition: Text | None = None
    account: Text | None = None
    qos: Text | None = None
    interface: Text | None = None
    local_scratch: Text = "${TMPDIR:-/tmp}"
    modules: Lines = ()
    prologue: Lines = ()
    container: Text | None = None
    python: Text | None = None
    directives: Annotated[tuple[str, ...], BeforeValidator(_directives)] = ()
    log_directory: Text | None = None
    dashboard: Annotated[str, BeforeValidator(_address)] = "127.0.0.1:0"
    path: Path = Field(default=Path(), exclude=True)

    @property
    def worker_limit(self) -> int:
        """Memory at which a worker is ended [bytes]."""
        return self.memory - WATCHER_BYTES

    @property
    def worker_bytes(self) -> int:
        """Memory of a worker that a plan may use [bytes]."""
        return int(self.worker_limit * USED)

    @staticmethod
    def job_bytes(worker_bytes: int) -> int:
        """Memory of a job whose worker may use so much [bytes]."""
        return int(worker_bytes / USED) + WATCHER_BYTES + 2**20


KEYS = [key for key in ClusterProfile.model_fields if key != "path"]


def user_profile() -> Path:
    """Where the user's own profile is."""
    return Path(os.path.expanduser(os.environ.get("XDG_CONFIG_HOME") or "~/.config")) / "musedeep" / "cluster.yaml"


def load_profile(path: Path | None) -> ClusterProfile:
    """Read a cluster profile; that of the user if no path is given.

    Raises MusedeepError for no such file, no YAML, an unknown or missing key, a value that is not right.
    """
    if path is None:
        path = user_profile()
        if not path.is_file():
            raise MusedeepError(
                f"{path}: no such cluster profile; write one (cluster/slurm.yaml shows how) or give --cluster-profile"
            )
    content = read_mapping(path, "cluster profile", KEYS, as_text=True)
    given = {key: value for key, value in content.items() if value not in ("", "~", "null")}
    if "path" in given:
        raise MusedeepError(f"{path}: unknown key 'path'; known are {', '.join(KEYS)}")
    return validated(ClusterProfile, given | {"path": path}, path)
