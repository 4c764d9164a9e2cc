"""What the C library (that of GNU; others are left alone) does with memory that arrays leave."""

import ctypes
from functools import cache
from typing import Final

LARGE: Final = 4 << 20
"""`return_large_arrays`: arrays that are mapped by themselves [bytes]."""

KEPT: Final = 32 << 20
"""`keep_freed_memory`: arrays up to this are made from memory that is kept [bytes]; the most that mallopt takes."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3)."""


def _mallopt(*settings: tuple[int, int]) -> None:
    """Set parameters to values."""
    try:
        for parameter, value in settings:
            ctypes.CDLL(None).mallopt(parameter, value)
    except (AttributeError, OSError):
        pass  # another C library


@cache
def return_large_arrays() -> None:
    """Make this process give large arrays back to the system as soon as they are freed: for boxes of many sizes.

    The C library would learn from the first of them to keep up to 32 MiB each for later, in pieces that do not fit:
    with many exposures a process would grow to twice what its boxes need.
    """
    _mallopt((_MMAP_THRESHOLD, LARGE))


@cache
def keep_freed_memory() -> None:
    """Make this process keep the memory of all but the largest arrays for the next ones: for recipes on raw frames.

    They make arrays of the same sizes again and again, and pages that are touched first, which the system fills with
    zeros, cost more than most kernels: muse_scibasic touches half as many (benchmarks/RESULTS.md). One arena, as
    threads would keep memory each for itself.
    """
    _mallopt((_MMAP_THRESHOLD, KEPT), (_TRIM_THRESHOLD, 1 << 30), (_ARENA_MAX, 1))
