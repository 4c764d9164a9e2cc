"""Memory that arrays leave is kept for the next ones, and not given back to the system each time."""

import ctypes
import sys
from functools import cache
from typing import Final

_TRIM, _MMAP, _ARENAS = -1, -3, -8
"""Parameters of mallopt(3)."""

LARGEST: Final = 1 << 25
"""Arrays up to this are made from memory that is kept, bytes: the largest that the C library allows."""


@cache
def keep_freed_memory() -> None:
    """Let this process keep memory that arrays of up to `LARGEST` bytes leave; what is larger goes back at once.

    The system fills pages with zeros when they are touched first, which costs more than most kernels: with this,
    muse_scibasic touches half as many (benchmarks/RESULTS.md). One arena, as threads would each keep their own. Does
    nothing where the C library is not that of GNU.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_MMAP, LARGEST), (_TRIM, 1 << 30), (_ARENAS, 1)):
            mallopt(parameter, value)
