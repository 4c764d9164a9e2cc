"""Writing arrays of a new store: rows are appended, and whole chunks encoded and written.

Successive chunks share a file or object, a shard of zarr's `sharding_indexed` codec: a store has a few dozen files per
IFU instead of a thousand, which shared file systems limit in number and are slow to make and remove.

The bytes are those that zarr would write. Its event loop, which hands each chunk from thread to thread several times,
takes a third longer and needs a whole shard in memory.
"""

from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from musedeep.storage.stores.checked_store import RecordedStore, checksum, chunk_key

_SHUFFLES = {"noshuffle": blosc.NOSHUFFLE, "shuffle": blosc.SHUFFLE, "bitshuffle": blosc.BITSHUFFLE}
_TOGETHER = 1 << 18
"""Bytes of chunks that are written to a file at once, at least: opening it takes longer than encoding a chunk."""

_NO_CHUNK = np.uint64(2**64 - 1)


class ColumnWriter:
    """Appends to an array along its first axis, in whole chunks.

    Parameters
    ----------
    array : zarr.Array
        New, chunked along its first axis alone, in shards, of little-endian numbers, with the codecs blosc
        and crc32c.
    target : RecordedStore, where the array is
    """

    def __init__(self, array: Any, target: RecordedStore) -> None:
        self.target, self.name = target, array.path
        self.shape, self.dtype = tuple(array.chunks), array.dtype
        self.chunks_per_shard = array.shards[0] // array.chunks[0]
        codec = array.compressors[0]
        self._codec = (codec.cname.value.encode(), codec.clevel, _SHUFFLES[codec.shuffle.value], codec.blocksize)
        self.sizes: list[int] = []
        self.encoded: list[bytes] = []
        self.encoded_bytes = 0
        self.shards = 0
        self.filled = 0
        self.pending = np.zeros(self.shape, self.dtype)

    def append(self, values: NDArray[Any]) -> None:
        """Write each chunk once it is whole, and keep the rest."""
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
        """Write the rest, filled up with zeros to a whole chunk."""
        if self.filled:
            self.pending[self.filled :] = 0
            self._write(self.pending)
            self.filled = 0
        if self.sizes:
            self._end_shard()

    def _write(self, chunk: NDArray[Any]) -> None:
        chunk = np.ascontiguousarray(chunk, self.dtype)
        # the size of items, which Blosc needs to shuffle, is that of the array
        content = blosc.compress(chunk, *self._codec)
        self.encoded += content, checksum(content).to_bytes(4, "little")
        self.encoded_bytes += len(content) + 4
        self.sizes.append(len(content) + 4)
        if len(self.sizes) == self.chunks_per_shard:
            self._end_shard()
        elif self.encoded_bytes >= _TOGETHER:
            self._append()

    def _append(self) -> None:
        """Write the chunks that are encoded."""
        contents, sums = self.encoded[::2], self.encoded[1::2]
        self.target.append_chunks(
            self.name, self._key(), b"".join(self.encoded), [len(content) + 4 for content in contents],
            [int.from_bytes(one, "little") for one in sums],
        )  # fmt: skip
        self.encoded, self.encoded_bytes = [], 0

    def _key(self) -> str:
        return chunk_key(self.name, self.shards, len(self.shape))

    def _end_shard(self) -> None:
        """End the shard with the positions of its chunks, the index that the codec needs."""
        self._append()
        places = np.full((self.chunks_per_shard, 2), _NO_CHUNK, "<u8")
        places[: len(self.sizes), 1] = self.sizes
        places[: len(self.sizes), 0] = np.cumsum([0, *self.sizes[:-1]])
        index = places.tobytes()
        self.target.end_chunks(self._key(), index + checksum(index).to_bytes(4, "little"))
        self.sizes = []
        self.shards += 1
