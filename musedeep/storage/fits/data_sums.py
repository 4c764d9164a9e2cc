"""Checksums of arrays in memory, for files that are signed while they are written.

`header_cards.sign` reads a finished file once more, and its MD5 sum takes several times as long as writing the file.
Here the MD5 sum is taken of the arrays, by a thread of its own, as soon as their values are known: beside what is
still to be computed for the header, and beside the writing.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.storage.fits.header_cards import fold
from musedeep.storage.fits.parts import padded

PIECE: Final = 1 << 18
"""Values that are brought into the order of bytes of FITS at once; they stay in the processor's cache."""


def stored_pieces(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The values of an array (4 bytes each) as they stand in a file, in pieces, each valid until the next is taken."""
    flat = values.reshape(-1)
    buffer = np.empty(min(PIECE, flat.size), flat.dtype.newbyteorder(">"))
    for first in range(0, flat.size, PIECE):
        piece = flat[first : first + PIECE]
        buffer[: piece.size] = piece
        yield buffer[: piece.size]


def fill_bytes(values: NDArray[Any]) -> bytes:
    """The zeros that fill the last block of a data unit."""
    return b"\0" * (padded(values.nbytes) - values.nbytes)


def data_sum_of(values: NDArray[Any]) -> int:
    """The ones' complement sum (DATASUM) of values of 4 bytes as they stand in a file."""
    # of whole words: their order of bytes, and zeros after them, are no matter
    return fold(int(values.reshape(-1).view(np.uint32).sum(dtype=np.uint64)))


class RunningMd5:
    """The MD5 sum of data units, one after the other, taken by a thread as they are added (DATAMD5)."""

    def __init__(self) -> None:
        self._digest = hashlib.md5(usedforsecurity=False)
        self._pool = ThreadPoolExecutor(1)
        self._pending: list[Future[None]] = []

    def add(self, *arrays: NDArray[Any]) -> None:
        """Add data units, arrays of values of 4 bytes, which may not be changed any more."""
        self._pending += [self._pool.submit(self._take, values) for values in arrays]

    def _take(self, values: NDArray[Any]) -> None:
        for piece in stored_pieces(values):
            self._digest.update(piece.data)
        self._digest.update(fill_bytes(values))

    def hexdigest(self) -> str:
        """The sum of all that was added; nothing may be added after it."""
        for one in self._pending:
            one.result()
        self._pool.shutdown()
        return self._digest.hexdigest()
