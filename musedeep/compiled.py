"""How numba is loaded, where compiled kernels are kept, and what is said while they are compiled.

They are kept in a directory that belongs to these very sources.

numba would keep them beside each source, and take them for valid as long as that one file is the same, though another
file whose kernels it calls may have changed: after an upgrade, old code would run. And where the package cannot be
written (a container, the installation of somebody else) it takes a directory by the path of the package, which all
containers have in common, or fails.
"""

import fcntl
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

PACKAGE = Path(__file__).resolve().parent
PREFIX = "musedeep-kernels-"

SOURCES = ("kernels", "storage/pixel_tables/fits.py", "storage/pixel_tables/zarr.py")
"""Directories and files of the package that hold kernels."""

JOURNAL = "musedeep-compiled"
"""In the directory of the compiled kernels: when each was compiled, and which commands have said so."""

COMMAND = "MUSEDEEP_COMMAND"
"""Variable with the name of the command, for all its processes."""

QUIET = "quiet"
"""Name of a command that says nothing of kernels."""

LEAST = 0.05
"""What is not worth a word [s]."""

COMPILING = "compiling kernels (once after an installation) ..."

_said: set[str] = set()
_say: list[Callable[[str], None]] = []
_reported = [0.0]


def keep_compiled(package: Path = PACKAGE) -> None:
    """Before numba is imported: say where it is to keep what it compiles.

    Beside the package, or else in the cache of the user, or else for this process alone. What the user says in
    NUMBA_CACHE_DIR comes first, but not what another installation has said, of which we inherited the environment.
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
    importlib.import_module("numba")
    importlib.import_module("musedeep.kernel_cache").install()
    linalg = vars(importlib.import_module("numba.np.linalg"))
    look = linalg.get("ensure_blas")
    linalg["ensure_blas"] = lambda: None
    importlib.import_module("numba.np.arraymath")  # asks once, when it is loaded
    linalg["ensure_blas"] = look


@contextmanager
def announced() -> Iterator[None]:
    """A command: the first of its processes that compiles a kernel says so; at the end it says how long that took."""
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
    """Say how long kernels were compiled since then (seconds since the epoch), unless they were not, or it was said."""
    if os.environ.get(COMMAND, QUIET) == QUIET:
        return
    since = max(since, _reported[0])
    seconds = compiling_seconds(since)
    if seconds >= LEAST:
        _reported[0] = time.time()
        _tell(f"compiled kernels in {seconds:.1f} s")


def announce_by(say: Callable[[str], None]) -> None:
    """Let this process say by other means than standard error that it compiles kernels."""
    _say[:] = [say]


def announce() -> None:
    """Say that kernels are compiled, unless a process of the same command has said so."""
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
        pass  # no file, or no locks: rather twice than not at all
    _tell(COMPILING)


def note_compiled(began: float, kernel: str) -> None:
    """Note that a kernel was compiled, or waited for, since a time (seconds since the epoch) until now."""
    try:
        with open(_journal(), "a") as journal:
            journal.write(f"{began:.3f} {time.time():.3f} {os.getpid()} {kernel}\n")
    except OSError:
        pass


def compiling_seconds(since: float) -> float:
    """Time since then (seconds since the epoch) in which any process has compiled kernels [s]."""
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
    if _say:
        _say[-1](text)
    else:
        print(text, file=sys.stderr, flush=True)


def kernel_state(package: Path = PACKAGE) -> str:
    """The last change of the sources of kernels, and a sum of their names, sizes and times of change."""
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
    """A directory in the package, in place of those for former sources; empty if it cannot be written."""
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
    except RuntimeError:  # nobody knows a home
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
    """A directory for this process and those it starts; it goes at the end."""
    import atexit
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix=PREFIX)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
