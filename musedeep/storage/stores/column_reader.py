"""Reading arrays of a store in whole chunks, by any number of threads: the counterpart of `column_writer`.

The position of a chunk follows from the sizes of all chunks, which the checksums of the store list. Successive chunks
therefore take one read or request, and not the index of their shard, which zarr would read first. Chunks are checked,
and kept on a scratch disk if there is one.
"""

from contextlib import ExitStack
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from musedeep.storage.stores import scratch
from musedeep.storage.stores.checked_store import NO_CHUNKS, CheckedStore, checksum, chunk_key


class ColumnReader:
    """Reads an array chunk by chunk along its first axis.

    Parameters
    ----------
    array : zarr.Array, as a `ColumnWriter` writes it
    store : CheckedStore, whole, with checksums
    keep : bool, whether chunks are kept on a scratch disk

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    chunk_rows : int
    chunks_per_shard : int
    chunk_bytes : uint32 (chunks,), bytes of each chunk in the store

    Raises
    ------
    MusedeepError
        The array is not written as those of a store are, or has other chunks than its checksums say.
    """

    def __init__(self, array: Any, store: CheckedStore, keep: bool = False) -> None:
        assert store.checksums is not None
        self._store, self._name, self._keep = store, str(array.path), keep
        self.shape, self.dtype = tuple(array.shape), array.dtype
        self.chunk_rows = int(array.chunks[0])
        if array.shards is None or [type(codec) for codec in array.compressors] != [BloscCodec, Crc32cCodec]:
            raise store.array_problem(self._name)
        self.chunks_per_shard = int(array.shards[0]) // self.chunk_rows
        chunks = store.checksums.chunks.get(self._name, NO_CHUNKS)
        number = -(-self.shape[0] // self.chunk_rows)
        if chunks.sizes.size != number:
            raise store.array_problem(self._name)
        self._sums, self.chunk_bytes = chunks.sums, chunks.sizes
        begins = np.cumsum(chunks.sizes, dtype=np.int64) - chunks.sizes
        self._offsets = begins - begins[np.arange(number) // self.chunks_per_shard * self.chunks_per_shard]

    def values(self, first: int, last: int) -> NDArray[Any]:
        """Values of the chunks [first, last), cut at the end of the array.

        Raises
        ------
        MusedeepError
            A chunk is damaged, missing, or cannot be read.
        """
        size = self.chunk_rows
        values = np.empty(((last - first) * size, *self.shape[1:]), self.dtype)
        for k, content in enumerate(self.encoded(first, last)):
            self.decode(first + k, content, values[k * size : (k + 1) * size])
        return values[: self.shape[0] - first * size]

    def decode(self, number: int, content: Any, out: NDArray[Any]) -> None:
        """Decode a chunk, as `encoded` returns it, into an array of its length.

        Raises
        ------
        MusedeepError
            The chunk cannot be decoded.
        """
        try:
            blosc.decompress(content, out)
        except (ValueError, RuntimeError) as error:
            raise self._problem(number, f"is damaged ({str(error).split('. ')[0]})") from error

    def encoded(self, first: int, last: int) -> list[Any]:
        """The chunks [first, last) as they are in the store, checked, without their checksums; see `values`."""
        cache = scratch.active() if self._keep else None
        if cache is None or cache.stopped:
            return self._fetch(first, last)
        assert self._store.checksums is not None
        store, names = self._store.checksums.identity, [f"{self._name}-{k}" for k in range(first, last)]
        found: list[Any] = []
        with ExitStack() as turns:
            for name in names:  # boxes side by side want the same chunk at the same time
                turns.enter_context(cache.turn(store, name))
            for k, name in enumerate(names, first):
                kept = cache.get(store, name)
                found.append(kept if kept is not None and checksum(kept) == self._sums[k] else None)
            k = 0
            while k < len(found):
                if found[k] is None:
                    end = k + 1
                    while end < len(found) and found[end] is None:
                        end += 1
                    found[k:end] = self._fetch(first + k, first + end)
                    for name, content in zip(names[k:end], found[k:end], strict=True):
                        cache.put(store, name, content)
                    k = end
                k += 1
        return found

    def _fetch(self, first: int, last: int) -> list[Any]:
        """Chunks from the store itself; successive ones of a shard with one read."""
        found = []
        while first < last:
            shard = first // self.chunks_per_shard
            end = min((shard + 1) * self.chunks_per_shard, last)
            begin = int(self._offsets[first])
            size = int(self._offsets[end - 1]) + int(self.chunk_bytes[end - 1]) - begin
            raw = self._store.read(chunk_key(self._name, shard, len(self.shape)), begin, size)
            if raw is None:
                raise self._problem(first, "is missing")
            view = np.frombuffer(raw, np.uint8)
            for number in range(first, end):
                start = int(self._offsets[number]) - begin
                chunk = view[start : start + int(self.chunk_bytes[number])]
                content, given, expected = chunk[:-4], chunk[-4:], self._sums[number]
                if checksum(content) != expected or given.tobytes() != expected.tobytes():
                    raise self._problem(number, "is damaged (its checksum is wrong)")
                found.append(content)
            first = end
        return found

    def _problem(self, number: int, what: str) -> Exception:
        return self._store.chunk_problem(self._name, number, what)
