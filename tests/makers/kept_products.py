"""Products that take minutes to make, kept for the next run of the tests: keyed by what makes them, taken when whole.

1. The products of a key lie in a directory of their own below `place()`.
2. One of the processes that need them makes them; the others wait for its lock.
3. A list of the files, with sizes and checksums, is written when all are there. Without the list, or where a file
   differs from it, the products are made anew.
4. Products that no process uses are removed, those used longest ago first, until at most LIMIT bytes are left.
"""

import ast
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import google_crc32c

from musedeep.provenance_key import LIBRARIES
from tests.makers.places import ROOT

PLACE = "MUSEDEEP_TEST_PRODUCTS"
LIMIT = 20 * 2**30


def place() -> Path:
    """The directory of kept products: what MUSEDEEP_TEST_PRODUCTS names, else build/test-products."""
    return Path(os.environ.get(PLACE) or ROOT / "build" / "test-products").resolve()


def sources(module: str, leave_out: tuple[str, ...] = (), root: Path = ROOT) -> list[Path]:
    """The files of a module and of all modules of its package that it imports, directly or not, with their tables.

    Imports below `leave_out` (as "musedeep.cli") are not followed.
    """
    package = module.partition(".")[0]
    found: dict[str, Path] = {}
    wanted = [module]
    while wanted:
        name = wanted.pop()
        path = _file(root, name)
        out = any(name == one or name.startswith(f"{one}.") for one in leave_out)
        if name in found or path is None or (out and name != module):
            continue
        found[name] = path
        wanted += [one for one in _imported(path) if one.partition(".")[0] == package]
        wanted += [name.rpartition(".")[0]]
    tables = {table for path in found.values() if path.name == "__init__.py" for table in path.parent.rglob("*.ecsv")}
    return sorted({*found.values(), *tables})


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py")) if module else ()
    return next((one for one in candidates if one.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """Names that may be modules, of all imports of a file, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}:{node.lineno}: give the whole name"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def key_of(files: Iterable[Path], *words: str) -> str:
    """A key of the names and contents of files, of words, and of the versions of the libraries that compute."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode() + repr(words).encode())
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


@contextmanager
def kept(name: str, key: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """A directory with the products of a key: those of an earlier run if they are whole, else those of make(directory).

    They are there until the context ends.
    """
    directory = place() / f"{name}-{key}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(_beside(directory, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not is_whole(directory):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_whole(directory):
                _remove(directory)
                make(directory)
                _write_list(directory)
                remove_oldest(LIMIT, directory)
            # for a moment nobody holds the lock: hence the loop
            fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(_beside(directory, ".json"))
        yield directory


def is_whole(directory: Path) -> bool:
    """Whether the files of a directory are those of its list, all of them and no others, bit for bit."""
    try:
        listed = json.loads(_beside(directory, ".json").read_text())
        # sets of frames name files by their whole path: what was moved is of no use
        return bool(listed == _listed(directory, listed["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _listed(directory: Path, expected: dict[str, list[int]] | None = None) -> dict[str, object]:
    """Sizes and checksums of the files of a directory; sizes only, if they are not the expected ones."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    sizes = {str(path.relative_to(directory)): path.stat().st_size for path in paths}
    same = expected is None or sizes == {name: size for name, (size, _) in expected.items()}
    files = {name: [size, _checksum(directory / name) if same else None] for name, size in sizes.items()}
    return {"directory": str(directory), "files": files}


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while block := file.read(2**22):
            found = google_crc32c.extend(found, block)
    return found


def _write_list(directory: Path) -> None:
    new = _beside(directory, ".new")
    new.write_text(json.dumps(_listed(directory), indent=1))
    new.replace(_beside(directory, ".json"))


def _remove(directory: Path) -> None:
    _beside(directory, ".json").unlink(missing_ok=True)
    if directory.exists():
        shutil.rmtree(directory)


def _beside(directory: Path, suffix: str) -> Path:
    return directory.with_name(directory.name + suffix)


def remove_oldest(limit: int, keep: Path) -> None:
    """Remove products until at most `limit` bytes are left, halves first; those in use and `keep` stay."""
    found = [(*_last_use_and_size(path), path) for path in keep.parent.iterdir() if path.is_dir()]
    total = sum(size for _, size, _ in found)
    for used, size, path in sorted(found):
        if path == keep or (total <= limit and used):
            continue
        with open(_beside(path, ".lock"), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _remove(path)
            total -= size


def _last_use_and_size(directory: Path) -> tuple[float, int]:
    """Seconds since the epoch and bytes, by the list of files; 0 and 0 without one."""
    listed = _beside(directory, ".json")
    try:
        return listed.stat().st_mtime, sum(size for size, _ in json.loads(listed.read_text())["files"].values())
    except (OSError, ValueError):
        return 0.0, 0
