"""Chunks of stores kept on a disk of the node, because neighbouring boxes and their margins need them again.

A directory belongs to one run on one node; the run's workers there share it without locks. A file is one chunk; it gets
its name when it is whole, and is checked like a chunk that is read from the store. Files that a killed worker or
another program leaves there therefore do no harm. The oldest files make room for new ones.
"""

import os
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, get_ident
from weakref import WeakValueDictionary

RECHECK = 32 << 20
"""Most bytes that a process writes before it measures the directory again."""

FREE = 0.05
"""Fraction of the disk that stays free."""


@dataclass(frozen=True)
class Scratch:
    """The scratch directory of a run, on every node.

    Attributes
    ----------
    directory : str
        An existing directory, in which one for the run is made. Variables ($TMPDIR) are those of the worker.
    name : str, name of the directory of the run
    limit : int or None, most bytes to keep; None: a twentieth of the disk stays free
    """

    directory: str
    name: str
    limit: int | None = None

    def path(self) -> Path:
        """The directory of the run on this node."""
        return Path(os.path.expandvars(os.path.expanduser(self.directory))) / self.name


@dataclass
class ChunkCache:
    """The chunks kept on this node; see `Scratch`. May be used by several threads."""

    scratch: Scratch
    stopped: bool = False
    notice: str | None = None
    _unseen: int = RECHECK
    _lock: Lock = field(default_factory=Lock)
    _turns: WeakValueDictionary[tuple[str, str], Lock] = field(default_factory=WeakValueDictionary)
    _turns_lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.path = self.scratch.path()
        limit = self.scratch.limit
        self._recheck = RECHECK if limit is None else min(RECHECK, limit // 32)

    def turn(self, store: str, name: str) -> Lock:
        """The lock of a chunk, shared by all threads of this process that want it now."""
        with self._turns_lock:
            return self._turns.setdefault((store, name), Lock())

    def get(self, store: str, name: str) -> bytes | None:
        """The bytes of a chunk, not checked; None if it is not there."""
        file = self._file(store, name)
        try:
            content = file.read_bytes()
            os.utime(file)  # the oldest are those not used for longest
        except OSError:
            return None
        return content

    def _file(self, store: str, name: str) -> Path:
        return self.path / store[:32] / name

    def put(self, store: str, name: str, content: memoryview) -> None:
        """Keep a chunk, if that is possible."""
        file = self._file(store, name)
        partial = file.with_name(f"{file.name}.{os.getpid()}-{get_ident()}.part")
        with self._lock:
            if self.stopped:
                return
            try:
                if not file.parent.is_dir():
                    self.path.mkdir(exist_ok=True)
                    file.parent.mkdir(exist_ok=True)
                self._unseen += content.nbytes
                if self._unseen >= self._recheck:
                    self._unseen = 0
                    self._make_room()
                partial.write_bytes(content)
                os.replace(partial, file)
            except OSError as error:
                self.stopped = True
                self.notice = (
                    f"scratch directory {self.path.parent} on {socket.gethostname()}: {error.strerror}; "
                    "going on without it"
                )
                try:
                    partial.unlink(missing_ok=True)
                except OSError:
                    pass

    def _make_room(self) -> None:
        disk = shutil.disk_usage(self.path)
        files = []
        for file in self.path.glob("*/*"):
            try:
                status = file.stat()
            except FileNotFoundError:
                continue  # of another worker, which renamed or removed it
            files.append((status.st_mtime_ns, status.st_size, file))
        kept = sum(size for _, size, _ in files)
        most = kept + disk.free - int(FREE * disk.total)
        if self.scratch.limit is not None:
            most = min(most, self.scratch.limit - self._recheck)
        for _, size, file in sorted(files):
            if kept <= most:
                break
            file.unlink(missing_ok=True)
            kept -= size

    def end(self) -> None:
        """Remove all chunks, and keep no more."""
        with self._lock:
            self.stopped = True
            shutil.rmtree(self.path, ignore_errors=True)


_current: ChunkCache | None = None
_current_lock = Lock()


def use(scratch: Scratch | None) -> None:
    """Keep chunks of this process there from now on; None: nowhere."""
    global _current
    with _current_lock:
        if scratch is None:
            _current = None
        elif _current is None or _current.scratch != scratch:
            _current = ChunkCache(scratch)


def active() -> ChunkCache | None:
    """The chunks that this process keeps."""
    return _current


def take_notice() -> str | None:
    """A message about the scratch directory for the user, given once."""
    cache = _current
    if cache is None:
        return None
    notice, cache.notice = cache.notice, None
    return notice


def remove(scratch: Scratch) -> None:
    """Remove all chunks that a run has kept on this node."""
    global _current
    with _current_lock:
        cache = _current if _current is not None and _current.scratch == scratch else ChunkCache(scratch)
        _current = None
    cache.end()
