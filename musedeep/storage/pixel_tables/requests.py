"""What reading rows asks of the file system: files opened, reads, bytes. Counted without reading anything.

A layout says how the rows of a pixel table lie in its files. Each counts as the `read_into` of its table reads; the
tests hold them against what the operating system counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musedeep.storage.pixel_tables.table import (
    clean_ranges,
    cut_between_chunks,
    cut_ranges,
    row_count,
    split_ranges,
)
from musedeep.storage.stores.checked_store import ENTRY


@dataclass(frozen=True)
class Requests:
    """Files opened, reads (ranges of a file, or chunks that lie together), and bytes read."""

    opens: int = 0
    reads: int = 0
    nbytes: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(self.opens + other.opens, self.reads + other.reads, self.nbytes + other.nbytes)


class Pieces(Protocol):
    """Rows that are read in pieces."""

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `table.PixelTable.pieces`."""
        ...


class Layout(Pieces, Protocol):
    """How rows lie in files, and in which pieces they are read."""

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        ...

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """Of one `read_into`, of ranges (int64 (n, 2)) as `table.clean_ranges` leaves them."""
        ...


def layout_of(table: object) -> Layout | None:
    """How the rows of a pixel table lie in its files; None where that is not known (stores of corrections, URLs)."""
    found: Layout | None = getattr(table, "layout", None)
    return found


def requests_of(layout: Layout, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
    """Of reading all rows of `ranges`, int64 (n, 2), as `table.read_blocks` does."""
    return sum((layout.requests(part, names) for part in layout.pieces(ranges)), Requests())


def joined_pieces(
    ranges: NDArray[np.int64], seams: NDArray[np.int64], rows: int, parts: Sequence[Pieces]
) -> list[NDArray[np.int64]]:
    """Pieces of tables that are read as one: those of each, several small ones together.

    Parameters
    ----------
    ranges : int64 (n, 2)
    seams : int64 (tables + 1,), the first row of each table among all, and the number of all
    rows : of small pieces together, at most
    parts : the tables, or how their rows lie
    """
    which, cut = cut_ranges(clean_ranges(ranges, int(seams[-1])), seams)
    found: list[list[NDArray[np.int64]]] = []
    held = 0
    for a, b in pairwise(np.flatnonzero(np.r_[True, which[1:] != which[:-1], True]) if which.size else ()):
        for piece in parts[which[a]].pieces(cut[a:b] - seams[which[a]]):
            n = row_count(piece)
            if found and held + n <= rows:
                found[-1].append(piece + seams[which[a]])
                held += n
            else:
                found.append([piece + seams[which[a]]])
                held = n
    return [np.concatenate(pieces) for pieces in found]


@dataclass(frozen=True)
class OfFits:
    """A FITS file, whose rows are read so many at a time."""

    n_rows: int
    rows_per_read: int

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `table.PixelTable.pieces`."""
        return split_ranges(clean_ranges(ranges, self.n_rows), self.rows_per_read)


@dataclass(frozen=True)
class Columns(OfFits):
    """A FITS file with one image extension a column: reads of at most `at_once` rows, over gaps of at most `gap`."""

    gap: int
    at_once: int

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        reads, words = _reads(ranges, self.gap, self.at_once)
        return Requests(1, reads * len(names), 4 * words * len(names))


def _reads(ranges: NDArray[np.int64], gap: int, at_once: int) -> tuple[int, int]:
    """Reads of a column, and words in them: the same steps as `fits.read_words`."""
    pairs: list[list[int]] = ranges.tolist()
    reads = words = k = 0
    begin = pairs[0][0] if pairs else 0
    while k < len(pairs):
        end, last = min(pairs[k][1], begin + at_once), k + 1
        while last < len(pairs) and 0 <= pairs[last][0] - end <= gap and pairs[last][1] - begin <= at_once:
            end = pairs[last][1]
            last += 1
        reads += 1
        words += end - begin
        if end < pairs[last - 1][1]:
            begin = end
        else:
            k = last
            begin = pairs[k][0] if k < len(pairs) else 0
    return reads, words


@dataclass(frozen=True)
class Records(OfFits):
    """A FITS binary table, whose records have so many bytes: whole records are read, each range by itself."""

    record_bytes: int

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        return Requests(1, ranges.shape[0], self.record_bytes * row_count(ranges))


@dataclass(frozen=True)
class Chunks:
    """A store: the chunks of a column with wanted rows are read, those that follow each other at once; and, for each
    file of chunks, their checksums and sizes.

    Attributes
    ----------
    chunk_rows : rows of a chunk
    room : bytes read at a time, at most
    per_file : chunks of a column that share a file
    sizes : of each column, bytes of each chunk as stored, integers (chunks,)
    """

    n_rows: int
    rows_per_read: int
    chunk_rows: int
    room: int
    per_file: int
    sizes: Mapping[str, NDArray[Any]]

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `table.PixelTable.pieces`."""
        return cut_between_chunks(clean_ranges(ranges, self.n_rows), self.rows_per_read, self.chunk_rows)

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        first, last = ranges[:, 0] // self.chunk_rows, (ranges[:, 1] - 1) // self.chunk_rows
        wanted = np.unique(np.concatenate([np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]))
        files = np.unique(wanted // self.per_file)
        table = sum(min(self.per_file, -(-self.n_rows // self.chunk_rows) - k * self.per_file) for k in files.tolist())
        total = Requests()
        for name in names:
            sizes = self.sizes[name][wanted]
            reads, held, before = 0, 0, -2
            for chunk, size in zip(wanted.tolist(), sizes.tolist(), strict=True):
                if chunk != before + 1 or chunk % self.per_file == 0 or held + size > self.room:
                    reads, held = reads + 1, 0
                held, before = held + size, chunk
            nbytes = int(sizes.sum(dtype=np.int64)) + ENTRY * table
            total += Requests(2 * files.size, reads + files.size, nbytes)
        return total


@dataclass(frozen=True)
class Joined:
    """Several tables of one exposure, one after the other."""

    parts: tuple[Layout, ...]
    rows_per_read: int

    @property
    def n_rows(self) -> int:
        """Rows of all."""
        return sum(part.n_rows for part in self.parts)

    @property
    def seams(self) -> NDArray[np.int64]:
        """First row of each table among all, and the number of all, int64 (tables + 1,)."""
        return np.cumsum([0, *(part.n_rows for part in self.parts)], dtype=np.int64)

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `table.PixelTable.pieces`."""
        return joined_pieces(ranges, self.seams, self.rows_per_read, self.parts)

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        seams = self.seams
        which, pieces = cut_ranges(ranges, seams)
        total = Requests()
        for a, b in pairwise(np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])):
            part = self.parts[which[a]]
            local = clean_ranges(pieces[a:b] - seams[which[a]], part.n_rows)
            if local.size:
                total += part.requests(local, names)
        return total
