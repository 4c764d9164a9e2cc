"""How numba is loaded, and where compiled kernels are kept: in a directory that belongs to these very sources.

numba would keep them beside each source, and take them for valid as long as that one file is the same, though another
file whose kernels it calls may have changed: after an upgrade, old code would run. And where the package cannot be
written (a container, the installation of somebody else) it takes a directory by the path of the package, which all
containers have in common, or fails.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

PACKAGE = Path(__file__).resolve().parent
PREFIX = "musedeep-kernels-"


def keep_compiled(package: Path = PACKAGE) -> None:
    """Before numba is imported: say where it is to keep what it compiles.

    Beside the package, or else in the cache of the user, or else for this process alone. What the user says in
    NUMBA_CACHE_DIR comes first, but not what another installation has said, of which we inherited the environment.
    """
    given = os.environ.get("NUMBA_CACHE_DIR", "")
    if given and not Path(given).name.startswith(PREFIX):
        return
    name = PREFIX + _state(package / "kernels")
    os.environ["NUMBA_CACHE_DIR"] = (
        _beside(package / "__pycache__", name) or _of_user(name) or (given and _writable(Path(given))) or _own()
    )


def load_numba() -> None:
    """Load numba without scipy.linalg, which it imports only to see whether a BLAS is there.

    That takes 0.25 s, a quarter of the start of a small command. A BLAS is there: scipy is required; and numba loads it
    where a kernel uses one.
    """
    probed = "scipy.linalg.cython_blas"
    modules: dict[str, Any] = sys.modules
    if probed in modules or "numba.np.arraymath" in modules:
        return
    importlib.import_module("numba")  # whole, before a part of it
    modules[probed] = None  # an import of it fails at once
    try:
        vars(importlib.import_module("numba.np.arraymath"))["_HAVE_BLAS"] = True
    except ImportError:
        pass  # another numba, which may look as it likes
    finally:
        del modules[probed]


def _state(directory: Path) -> str:
    """The last change of the sources, and a sum of their names, sizes and times of change."""
    with os.scandir(directory) as entries:
        files = sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in entries if e.name.endswith(".py"))
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
