"""Compiled kernels that several processes share: each is compiled by one of them, the others wait and load it.

The lock is that of the operating system (flock) on a file beside the compiled kernel, which ends with its process,
however that ends. It also keeps two processes from writing numba's index of the same kernel at once, of which one
would get the code of the other. Where no file can be written or locked, every process compiles for itself.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Any

from numba.core import dispatcher
from numba.core.caching import FunctionCache

from musedeep.compiled import announce, note_compiled

PATIENCE = 120.0
"""For another process that compiles a kernel [s]: many times what any takes."""


class SharedCache(FunctionCache):
    """The cache of a kernel: numba asks it before it compiles, and gives it what it has compiled."""

    _lock: int | None = None
    _began = 0.0

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """A compiled kernel, or None: then this process has to compile it, and holds its lock meanwhile."""
        found = super().load_overload(sig, target_context)
        if found is None:
            announce()
            self._began = time.time()
            if self._lock is None:
                self._lock = _take(Path(self.cache_path) / f"{self._kernel}.lock")
            found = super().load_overload(sig, target_context)
            if found is not None:
                self._release()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, and let others have it."""
        try:
            super().save_overload(sig, data)
        finally:
            self._release()

    @property
    def _kernel(self) -> str:
        return f"{self._py_func.__module__}.{self._py_func.__qualname__}"

    def _release(self) -> None:
        note_compiled(self._began, self._kernel)
        if self._lock is not None:
            # a process forked meanwhile may hold the file open
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = None


def _take(path: Path) -> int | None:
    """Lock a file as soon as nobody else does; None if that is not possible, or takes too long."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return None
    end, pause = time.monotonic() + PATIENCE, 0.01
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except (BlockingIOError, PermissionError):
            time.sleep(pause)
            pause = min(1.5 * pause, 0.2)
        except OSError:
            break
    os.close(descriptor)
    return None


def install() -> None:
    """Have numba keep the kernels of this package in such caches."""

    def cache(function: Any) -> Any:
        return (SharedCache if function.__module__.startswith("musedeep.") else FunctionCache)(function)

    vars(dispatcher)["FunctionCache"] = cache
