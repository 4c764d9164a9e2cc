"""Compiled kernels that several processes share: one process compiles a kernel, the others wait and load it.

The lock is the operating system's (flock), on a file beside the compiled kernel; it ends with its process. It also
keeps two processes from writing numba's index of a kernel at the same time, when one would get the code of the other.
Where no file can be written or locked, every process compiles for itself.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Any

from numba.core import dispatcher
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

from musedeep.compiled import announce, note_compiled

PATIENCE = 120.0
"""Longest wait for another process that compiles a kernel, which takes much less [s]."""


class SharedCache(FunctionCache):
    """The cache of a kernel, which numba asks before it compiles the kernel."""

    _lock: int | None = None
    _began = 0.0

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel, or None: then this process must compile it, and holds its lock meanwhile."""
        found = self._kept(sig, target_context)
        if found is None:
            announce()
            self._began = time.time()
            if self._lock is None:
                self._lock = _take(Path(self.cache_path) / f"{self._kernel}.lock")
            found = super().load_overload(sig, target_context)
            if found is not None:
                self._release()
        return found

    def _kept(self, sig: Any, target_context: Any) -> Any:
        """The kernel as it was kept, or None.

        numba would first load what it needs to compile kernels: 70 modules, and the types of a thousand functions, for
        0.1 s of processor time. A compiled kernel needs numba's runtime alone.
        """
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel, and release its lock."""
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
    """Lock a file once it is free; None if it cannot be locked, or not in time."""
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
    """Make numba use this cache for the kernels of this package."""

    def cache(function: Any) -> Any:
        return (SharedCache if function.__module__.startswith("musedeep.") else FunctionCache)(function)

    vars(dispatcher)["FunctionCache"] = cache
