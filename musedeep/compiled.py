"""Loading numba, the directory of compiled kernels, and messages while kernels are compiled.

The directory belongs to exactly these sources. numba alone would keep compiled kernels beside each source file and take
them for valid while that file is unchanged, although another file whose kernels it calls may have changed: after an
upgrade, old code would run. Where the package cannot be written (a container, somebody else's installation), numba
fails or uses a directory named after the path of the package, which all containers share.
"""

import fcntl
import importlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from musedeep.light_fits import load_without
from musedeep.progress import LOG

PACKAGE = Path(__file__).resolve().parent
PREFIX = "musedeep-kernels-"

SOURCES = ("kernels", "instrument.py", "storage/pixel_tables/fits.py", "storage/stores/chunk_kernels.py")
"""Directories and files of the package that hold kernels, and the constants that are compiled into them."""

JOURNAL = "musedeep-compiled"
"""File among the compiled kernels that lists when each was compiled, and the commands that have announced it."""

COMMAND = "MUSEDEEP_COMMAND"
"""Environment variable with the name of the command, for all its processes."""

QUIET = "quiet"
"""Name of a command that does not announce compilation."""

LEAST = 0.05
"""Shortest time of compilation that is reported [s]."""

COMPILING = "compiling kernels (once after an installation) ..."

_said: set[str] = set()
_reported = [0.0]


def keep_compiled(package: Path = PACKAGE) -> None:
    """Set the directory where numba keeps compiled kernels, before numba is imported.

    It is beside the package, else in the user's cache, else one for this process alone. NUMBA_CACHE_DIR takes
    precedence if the user has set it, but not if another installation has and this process inherited it.
    """
    given = os.environ.get("NUMBA_CACHE_DIR", "")
    if given and not Path(given).name.startswith(PREFIX):
        return
    name = PREFIX + kernel_state(package)
    os.environ["NUMBA_CACHE_DIR"] = (
        _beside(package / "__pycache__", name) or _of_user(name) or (given and _writable(Path(given))) or _own()
    )


def load_numba() -> None:
    """Load numba without scipy.linalg, which it imports only to see whether a BLAS is there.

    That takes 0.15 s of processor time and 15 MB, a quarter of the start of a small command. There is a BLAS, because
    scipy is required; numba loads it when a kernel uses it.
    """
    if not Path(".numba_config.yaml").exists():  # all that numba needs YAML for
        load_without("numba.core.config", "yaml")
    importlib.import_module("numba")
    importlib.import_module("musedeep.kernel_cache").install()
    linalg = vars(importlib.import_module("numba.np.linalg"))
    look = linalg.get("ensure_blas")
    linalg["ensure_blas"] = lambda: None
    importlib.import_module("numba.np.arraymath")  # asks once, when it is loaded
    linalg["ensure_blas"] = look


@contextmanager
def announced() -> Iterator[None]:
    """Run a command: its first process that compiles a kernel announces it, and the time is reported at the end."""
    if COMMAND in os.environ:  # of a command that has started this one, or quiet
        yield
        return
    since = time.time()
    os.environ[COMMAND] = f"{os.getpid()}-{since:.6f}"
    try:
        yield
    finally:
        report(since)
        del os.environ[COMMAND]


def report(since: float) -> None:
    """Report how long kernels were compiled since `since` (seconds since the epoch), if that is not reported yet."""
    if os.environ.get(COMMAND, QUIET) == QUIET:
        return
    since = max(since, _reported[0])
    seconds = compiling_seconds(since)
    if seconds >= LEAST:
        _reported[0] = time.time()
        _tell(f"compiled kernels in {seconds:.1f} s")


def announce() -> None:
    """Announce that kernels are compiled, unless a process of the same command has announced it."""
    command = os.environ.get(COMMAND, QUIET)
    if command == QUIET:
        return
    said = f"said {command}\n"
    if said in _said:
        return
    _said.add(said)
    try:
        with open(_journal(), "a+") as journal:
            fcntl.flock(journal, fcntl.LOCK_EX)
            journal.seek(0)
            if said in journal.readlines():
                return
            journal.write(said)
    except OSError:
        pass  # no file, or no locks: better announced twice than never
    _tell(COMPILING)


def note_compiled(began: float, kernel: str) -> None:
    """Note that a kernel was compiled, or waited for, from `began` (seconds since the epoch) until now."""
    try:
        with open(_journal(), "a") as journal:
            journal.write(f"{began:.3f} {time.time():.3f} {os.getpid()} {kernel}\n")
    except OSError:
        pass


def compiling_seconds(since: float) -> float:
    """Time since `since` (seconds since the epoch) in which any process has compiled kernels [s]."""
    try:
        lines = _journal().read_text().splitlines()
    except OSError:
        return 0.0
    spans = []
    for line in lines:
        try:
            began, ended = (float(word) for word in line.split()[:2])
        except ValueError:  # not of a kernel, or torn
            continue
        if ended > since:
            spans.append((max(began, since), ended))
    total, until = 0.0, since
    for began, ended in sorted(spans):
        total += max(ended - max(began, until), 0.0)
        until = max(until, ended)
    return total


def _journal() -> Path:
    return Path(os.environ.get("NUMBA_CACHE_DIR", "")) / JOURNAL


def _tell(text: str) -> None:
    if LOG.isEnabledFor(logging.INFO):
        LOG.info(text)
    else:  # a worker of a command, which has no handler
        print(text, file=sys.stderr, flush=True)


def kernel_state(package: Path = PACKAGE) -> str:
    """Time of the last change to sources of kernels, and a checksum of their names, sizes and times of change."""
    paths = []
    for source in SOURCES:
        if source.endswith(".py"):
            paths.append(package / source)
        for directory, _, names in os.walk(package / source):
            paths += [Path(directory, name) for name in names if name.endswith(".py")]
    files = []
    for path in sorted(paths):
        try:
            status = path.stat()
        except OSError:
            continue
        files.append((str(path.relative_to(package)), status.st_size, status.st_mtime_ns))
    return f"{max(changed for _, _, changed in files):x}-{crc32(repr(files).encode()):08x}"


def _beside(directory: Path, name: str) -> str:
    """A directory in the package, which replaces those of former sources; empty if it cannot be written."""
    new = not (directory / name).is_dir()
    made = _writable(directory / name)
    if made and new:
        import shutil

        for former in directory.glob(f"{PREFIX}*"):
            if former.name != name:
                shutil.rmtree(former, ignore_errors=True)
    return made


def _of_user(name: str) -> str:
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # there is no home directory
        return ""
    return _writable(cache / "musedeep" / name)


def _writable(directory: Path) -> str:
    """The directory, made if need be; empty if it cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(directory) if os.access(directory, os.W_OK) else ""


def _own() -> str:
    """A directory for this process and those it starts, removed at the end."""
    import atexit
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix=PREFIX)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
