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
from zarr.codecs import BloscCodec, BloscShuffle

from musedeep.storage.stores.checked_store import RecordedStore, checksum, chunk_key

_SHUFFLES = {
    BloscShuffle.noshuffle: blosc.NOSHUFFLE,
    BloscShuffle.shuffle: blosc.SHUFFLE,
    BloscShuffle.bitshuffle: blosc.BITSHUFFLE,
}
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
        assert isinstance(codec, BloscCodec)
        self.codec = codec
        self.sizes: list[int] = []
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
        content = blosc.compress(
            chunk, self.codec.cname.value.encode(), self.codec.clevel, _SHUFFLES[self.codec.shuffle],
            self.codec.blocksize,
        )  # fmt: skip
        content += checksum(content).to_bytes(4, "little")
        self.target.append_chunk(self.name, self._key(), content)
        self.sizes.append(len(content))
        if len(self.sizes) == self.chunks_per_shard:
            self._end_shard()

    def _key(self) -> str:
        return chunk_key(self.name, self.shards, len(self.shape))

    def _end_shard(self) -> None:
        """End the shard with the positions of its chunks, the index that the codec needs."""
        places = np.full((self.chunks_per_shard, 2), _NO_CHUNK, "<u8")
        places[: len(self.sizes), 1] = self.sizes
        places[: len(self.sizes), 0] = np.cumsum([0, *self.sizes[:-1]])
        index = places.tobytes()
        self.target.end_chunks(self._key(), index + checksum(index).to_bytes(4, "little"))
        self.sizes = []
        self.shards += 1
