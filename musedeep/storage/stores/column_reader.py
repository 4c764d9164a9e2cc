"""Reading arrays of a store, by any number of threads: the counterpart of `column_writer`.

The position of a chunk follows from the sizes of all chunks, which the checksums of the store list. Successive chunks
therefore take one read or request, and not the index of their shard, which zarr would read first. Every chunk that is
used is checked.

From a disk, exactly the chunks that hold wanted rows are read. From object storage, where a request takes as long as
megabytes, whole groups of chunks are, and several groups that follow each other with one request. Such groups are what
is kept on a scratch disk, if there is one.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import local
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from musedeep.storage.stores import chunk_kernels, scratch
from musedeep.storage.stores.array_metadata import ArrayMetadata
from musedeep.storage.stores.checked_store import NO_CHUNKS, CheckedStore, checksum, chunk_key

GROUP_ROWS = 1 << 17
"""Rows of a group of chunks, at most, if that is not less than a chunk."""

GROUPS_AT_ONCE = 8
"""Groups of a column that are requested together, at most."""

RUN_BYTES = 1 << 18
"""Bytes of successive chunks that are read from a file at a time: they stay in the processor's cache until decoded."""

_PROBLEMS = {
    chunk_kernels.MISSING: "is damaged (the file ends before)",
    chunk_kernels.UNREADABLE: "cannot be read",
    chunk_kernels.WRONG: "is damaged (its checksum is wrong)",
    chunk_kernels.DAMAGED: "is damaged (it cannot be decoded)",
}

_buffers = local()


def _buffer(name: str, n: int, dtype: Any) -> NDArray[Any]:
    """Memory that a thread uses again and again."""
    found: NDArray[Any] | None = getattr(_buffers, name, None)
    if found is None or found.size < n:
        found = np.empty(n, dtype)
        setattr(_buffers, name, found)
    return found


@dataclass(frozen=True)
class Part:
    """Ranges of rows in the chunks [first, last), of one file: where they start, their lengths, and their places among
    all rows that are read, int64 (n,)."""

    first: int
    last: int
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]


class ColumnReader:
    """Reads an array in chunks along its first axis.

    Parameters
    ----------
    array : ArrayMetadata
    store : CheckedStore, whole, with checksums
    keep : bool, whether chunks are kept on a scratch disk

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    chunk_rows : int
    chunks_per_shard : int
    room : int, bytes of successive chunks that are read from a file at a time, at most

    Raises
    ------
    MusedeepError
        The array has other chunks than its checksums say.
    """

    def __init__(self, array: ArrayMetadata, store: CheckedStore, keep: bool = False) -> None:
        assert store.checksums is not None
        self._store, self._name, self._keep = store, array.name, keep
        self.shape, self.dtype, self.chunk_rows = array.shape, array.dtype, array.chunk_rows
        self.chunks_per_shard = array.chunks_per_shard
        self._per_group = min(max(GROUP_ROWS // self.chunk_rows, 1), self.chunks_per_shard)
        self._chunks = store.checksums.chunks.get(self._name, NO_CHUNKS)
        if self._chunks.number != -(-self.shape[0] // self.chunk_rows):
            raise store.array_problem(self._name)
        self.room = max(RUN_BYTES, self._chunks.largest)

    def values(self, first: int, last: int) -> NDArray[Any]:
        """Values of the chunks [first, last), cut at the end of the array.

        Raises
        ------
        MusedeepError
            A chunk is damaged, missing, or cannot be read.
        """
        size = self.chunk_rows
        values = np.empty(((last - first) * size, *self.shape[1:]), self.dtype)
        for k, content in enumerate(self._contents(first, last)):
            try:
                blosc.decompress(content, values[k * size : (k + 1) * size])
            except (ValueError, RuntimeError) as error:
                raise self._problem(first + k, _PROBLEMS[chunk_kernels.DAMAGED]) from error
        return values[: self.shape[0] - first * size]

    def chunk_bytes(self) -> NDArray[np.uint32]:
        """Bytes of each chunk as it is stored, uint32 (chunks,)."""
        return self._chunks.read(0, self._chunks.number)[:, 1]

    def seams(self) -> NDArray[np.int64]:
        """First chunks of what is read together, files or groups of chunks; and the number of chunks. int64 (n,)"""
        together = self._per_group if self._in_groups() else self.chunks_per_shard
        first = np.arange(self._chunks.number)
        return np.append(first[first % self.chunks_per_shard % together == 0], first.size)

    def reads(self, parts: Sequence[Part], out: NDArray[Any]) -> Iterator[Callable[[], None]]:
        """What to call, in any order and by any threads, to read rows of a column of 32-bit numbers.

        Raises
        ------
        MusedeepError
            (The calls.) A chunk is damaged, missing, or cannot be read.
        """
        words = out.view(np.uint32)
        if not self._in_groups():
            for part in parts:
                yield partial(self._read_file, part, words)
            return
        a = 0
        while a < len(parts):
            b = a + 1
            while b < len(parts) and b - a < GROUPS_AT_ONCE and parts[b].first == parts[b - 1].last:
                b += 1
            yield partial(self._read_groups, parts[a:b], words)
            a = b

    def _in_groups(self) -> bool:
        return not self._store.on_disk or self._cache() is not None

    def _cache(self) -> scratch.ChunkCache | None:
        cache = scratch.active() if self._keep else None
        return None if cache is None or cache.stopped else cache

    def _read_file(self, part: Part, out: NDArray[np.uint32]) -> None:
        shard = part.first // self.chunks_per_shard
        descriptor = self._store.open(self._key(shard))
        if descriptor is None:
            raise self._problem(int(part.starts[0]) // self.chunk_rows, "is missing")
        try:
            self._read_rows(descriptor, _buffer("raw", self.room, np.uint8), shard * self.chunks_per_shard, part, out)
        finally:
            os.close(descriptor)

    def _read_rows(
        self, descriptor: int, raw: NDArray[np.uint8], first: int, part: Part, out: NDArray[np.uint32]
    ) -> None:
        """Rows of a part from an open file, or from bytes, in which the chunk `first` is the first."""
        values = _buffer("values", self.chunk_rows, np.uint32)
        table = self._chunks.read(first, part.last)
        sums, sizes = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
        problem, number = chunk_kernels.read_rows(
            descriptor, raw, sizes, sums, self.chunk_rows,
            part.starts - first * self.chunk_rows, part.lengths, part.places, values, out,
        )  # fmt: skip
        if problem != chunk_kernels.READ:
            raise self._problem(first + number, _PROBLEMS[problem])

    def _read_groups(self, parts: Sequence[Part], out: NDArray[np.uint32]) -> None:
        """Rows of groups of chunks that follow each other."""
        contents = self._groups([part.first for part in parts], [part.last for part in parts])
        for part, content in zip(parts, contents, strict=True):
            self._read_rows(-1, content.copy(), part.first, part, out)

    def _groups(self, firsts: list[int], lasts: list[int]) -> list[NDArray[np.uint8]]:
        """The bytes of groups of chunks that follow each other, checked."""
        cache = self._cache()
        if cache is None:
            return self._fetch(firsts, lasts)
        assert self._store.checksums is not None
        store, names = self._store.checksums.identity, [f"{self._name}-{k}" for k in firsts]
        found: list[NDArray[np.uint8] | None] = []
        with ExitStack() as turns:
            for name in names:  # boxes side by side want the same chunks at the same time
                turns.enter_context(cache.turn(store, name))
            for k, name in enumerate(names):
                kept = cache.get(store, name)
                content = None if kept is None else np.frombuffer(kept, np.uint8)
                good = content is not None and self._first_problem(content, firsts[k], lasts[k]) is None
                found.append(content if good else None)
            k = 0
            while k < len(found):
                end = k + 1
                if found[k] is None:
                    while end < len(found) and found[end] is None:
                        end += 1
                    fetched = self._fetch(firsts[k:end], lasts[k:end])
                    found[k:end] = fetched
                    for name, content in zip(names[k:end], fetched, strict=True):
                        cache.put(store, name, content.data)
                k = end
        return [content for content in found if content is not None]

    def _fetch(self, firsts: list[int], lasts: list[int]) -> list[NDArray[np.uint8]]:
        """Groups of chunks from the store itself; successive ones of a shard with one request."""
        found = []
        a = 0
        while a < len(firsts):
            shard, b = firsts[a] // self.chunks_per_shard, a + 1
            while b < len(firsts) and firsts[b] // self.chunks_per_shard == shard:
                b += 1
            rest = self._read(shard, firsts[a], lasts[b - 1])
            for first, last in zip(firsts[a:b], lasts[a:b], strict=True):
                content, rest = np.split(rest, [self._bytes(first, last)])
                damaged = self._first_problem(content, first, last)
                if damaged is not None:
                    raise self._problem(damaged, _PROBLEMS[chunk_kernels.WRONG])
                found.append(content)
            a = b
        return found

    def _contents(self, first: int, last: int) -> list[NDArray[np.uint8]]:
        """The chunks [first, last), checked, without their checksums."""
        found = []
        while first < last:
            shard = first // self.chunks_per_shard
            end = min((shard + 1) * self.chunks_per_shard, last)
            content = self._read(shard, first, end)
            damaged = self._first_problem(content, first, end)
            if damaged is not None:
                raise self._problem(damaged, _PROBLEMS[chunk_kernels.WRONG])
            found += [chunk[:-4] for chunk in self._cut(content, first, end)]
            first = end
        return found

    def _read(self, shard: int, first: int, last: int) -> NDArray[np.uint8]:
        """The bytes of the chunks [first, last) of a shard, or fewer."""
        begin = self._bytes(shard * self.chunks_per_shard, first)
        raw = self._store.read(self._key(shard), begin, self._bytes(first, last))
        if raw is None:
            raise self._problem(first, "is missing")
        return np.frombuffer(raw, np.uint8)

    def _first_problem(self, content: NDArray[np.uint8], first: int, last: int) -> int | None:
        """The first of the chunks [first, last), whose bytes these are, that is not as it was written."""
        sums = self._chunks.read(first, last)[:, 0]
        for number, chunk in enumerate(self._cut(content, first, last), first):
            expected = sums[number - first]
            if checksum(chunk[:-4]) != expected or chunk[-4:].tobytes() != expected.tobytes():
                return number
        return None

    def _cut(self, content: NDArray[np.uint8], first: int, last: int) -> list[NDArray[np.uint8]]:
        """The chunks [first, last) of their bytes."""
        return np.split(content, np.cumsum(self._chunks.read(first, last - 1)[:, 1], dtype=np.int64))

    def _bytes(self, first: int, last: int) -> int:
        """Bytes of the chunks [first, last)."""
        return int(self._chunks.read(first, last)[:, 1].sum(dtype=np.int64))

    def _key(self, shard: int) -> str:
        return chunk_key(self._name, shard, len(self.shape))

    def _problem(self, number: int, what: str) -> Exception:
        return self._store.chunk_problem(self._name, number, what)
