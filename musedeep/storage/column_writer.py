"""Columns of a store in the making: rows appended, whole chunks encoded and written.

The bytes are those that zarr would write. Its own way through an event loop, which hands every chunk from thread to
thread several times, takes a third longer.
"""

from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle

from musedeep.storage.checked_store import RecordedStore

_SHUFFLES = {
    BloscShuffle.noshuffle: blosc.NOSHUFFLE,
    BloscShuffle.shuffle: blosc.SHUFFLE,
    BloscShuffle.bitshuffle: blosc.BITSHUFFLE,
}


class ColumnWriter:
    """Appends to an array along its first axis, in whole chunks.

    Parameters
    ----------
    array : zarr.Array
        New, chunked along its first axis alone, of little-endian numbers, compressed by one Blosc codec.
    target : RecordedStore
        Where the array is.
    """

    def __init__(self, array: Any, target: RecordedStore) -> None:
        self.target = target
        self.shape, self.dtype = tuple(array.chunks), array.dtype
        self.key = f"{array.path}/c/{{}}" + "/0" * (len(self.shape) - 1)
        (codec,) = array.compressors
        assert isinstance(codec, BloscCodec)
        self.codec = codec
        self.written = 0
        self.filled = 0
        self.pending = np.zeros(self.shape, self.dtype)

    def append(self, values: NDArray[Any]) -> None:
        """Write all chunks that are whole, keep the rest."""
        size, done = self.shape[0], 0
        while done < values.shape[0]:
            n = min(size - self.filled, values.shape[0] - done)
            if n == size:
                self._write(values[done : done + n])
            else:
                self.pending[self.filled : self.filled + n] = values[done : done + n]
                self.filled += n
                if self.filled == size:
                    self._write(self.pending)
                    self.filled = 0
            done += n

    def finish(self) -> None:
        """Write the rest; what is beyond it in its chunk is zero."""
        if self.filled:
            self.pending[self.filled :] = 0
            self._write(self.pending)
            self.filled = 0

    def _write(self, chunk: NDArray[Any]) -> None:
        chunk = np.ascontiguousarray(chunk, self.dtype)
        # the size of items, which Blosc needs to shuffle, is that of the array
        content = blosc.compress(
            chunk, self.codec.cname.value.encode(), self.codec.clevel, _SHUFFLES[self.codec.shuffle],
            self.codec.blocksize,
        )  # fmt: skip
        self.target.put(self.key.format(self.written), content)
        self.written += 1
