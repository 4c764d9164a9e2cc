"""Bytes of one file copied into another by the kernel, at the speed of `cp`; where it cannot, through memory."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.storage.outputs import write_at

PIECE_BYTES: Final = 8 << 20
"""Copied at once."""

_CANNOT: Final = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY, errno.EISDIR)
"""What `copy_file_range` says between file systems, or on one, where there is no such copy."""


def shorter(path: Path) -> MusedeepError:
    """The error to raise where a file ends before it should."""
    return MusedeepError(f"{path}: has become shorter while it was read; start again")


def read_at(descriptor: int, views: Iterable[memoryview], begin: int, path: Path) -> None:
    """Fill one view after the other with the bytes of a file from `begin` on; MusedeepError if it ends before."""
    for view in views:
        left = view
        while left:
            n = os.preadv(descriptor, [left], begin)
            if not n:
                raise shorter(path)
            left, begin = left[n:], begin + n


def copy_bytes(source: int, begin: int, target: int, place: int, size: int, path: Path) -> None:
    """Copy `size` bytes at `begin` of one open file to `place` in another.

    Parameters
    ----------
    source, target : int, descriptors
    path : Path, of the source, for messages

    Raises
    ------
    MusedeepError
        The source ends before.
    OSError
        The target cannot be written.
    """
    while size:
        try:
            n = os.copy_file_range(source, target, min(size, PIECE_BYTES), begin, place)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            raw = os.pread(source, min(size, PIECE_BYTES), begin)
            write_at(target, place, raw)
            n = len(raw)
        if not n:
            raise shorter(path)
        begin, place, size = begin + n, place + n, size - n


def is_hole(descriptor: int, begin: int, size: int) -> bool:
    """Whether bytes of a file are a hole: zeros that take no space. False where the file system cannot tell."""
    status = os.fstat(descriptor)
    if status.st_size < begin + size or status.st_blocks * 512 >= status.st_size:
        return False
    try:
        return os.lseek(descriptor, begin, os.SEEK_DATA) >= begin + size
    except OSError as error:
        return error.errno == errno.ENXIO  # no data up to the end
