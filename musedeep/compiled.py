"""Where compiled kernels are kept.

numba keeps them beside the package. Where that cannot be written (a container, the installation of somebody else) it
takes a directory of the user's cache by the path of the package, which all containers have in common, and takes what it
finds there for valid as long as the one file is the same, though another file that the kernel calls may differ; and
without such a directory it fails. So there it gets one that belongs to these very sources, or one of this process.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SOURCES = ("kernels", "storage")
"""Directories of the package with compiled functions."""


def keep_compiled(package: Path = PACKAGE) -> None:
    """Before numba is imported: say where it is to keep what it compiles, if not beside the package."""
    if "NUMBA_CACHE_DIR" in os.environ or all(os.access(package / name, os.W_OK) for name in SOURCES):
        return
    os.environ["NUMBA_CACHE_DIR"] = _of_user(package) or _of_process()


def _of_user(package: Path) -> str:
    """A directory for these sources in the user's cache; empty if it cannot be written."""
    import hashlib

    sources = hashlib.sha256()
    for name in SOURCES:
        for path in sorted((package / name).glob("*.py")):
            sources.update(path.read_bytes())
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        directory = cache / "musedeep" / f"kernels-{sources.hexdigest()[:16]}"
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows a home
        return ""
    return str(directory) if os.access(directory, os.W_OK) else ""


def _of_process() -> str:
    """A directory for this process and those it starts; it goes at the end."""
    import atexit
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix="musedeep-kernels-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
