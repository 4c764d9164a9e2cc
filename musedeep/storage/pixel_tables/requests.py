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

from musedeep.storage.pixel_tables.table import clean_ranges, cut_ranges, row_count, split_ranges


@dataclass(frozen=True)
class Requests:
    """Files opened, reads (ranges of a file, or chunks that lie together), and bytes read."""

    opens: int = 0
    reads: int = 0
    nbytes: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(self.opens + other.opens, self.reads + other.reads, self.nbytes + other.nbytes)


class Layout(Protocol):
    """How rows lie in files. `rows_per_read` of the table: it is asked for so many at a time."""

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        ...

    @property
    def rows_per_read(self) -> int:
        """See `table.PixelTable`."""
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
    parts = split_ranges(clean_ranges(ranges, layout.n_rows), layout.rows_per_read)
    return sum((layout.requests(part, names) for part in parts), Requests())


@dataclass(frozen=True)
class Columns:
    """A FITS file with one image extension a column: reads of at most `at_once` rows, over gaps of at most `gap`."""

    n_rows: int
    rows_per_read: int
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
class Records:
    """A FITS binary table, whose records have so many bytes: whole records are read, each range by itself."""

    n_rows: int
    rows_per_read: int
    record_bytes: int

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        return Requests(1, ranges.shape[0], self.record_bytes * row_count(ranges))


@dataclass(frozen=True)
class Chunks:
    """A store: whole chunks of a column are read, those that follow each other at once.

    Attributes
    ----------
    chunk_rows : rows of a chunk
    at_once : chunks read at a time, at most
    per_file : chunks of a column that share a file
    sizes : of each column, bytes of each chunk as stored, integers (chunks,)
    """

    n_rows: int
    rows_per_read: int
    chunk_rows: int
    at_once: int
    per_file: int
    sizes: Mapping[str, NDArray[Any]]

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        first, last = ranges[:, 0] // self.chunk_rows, (ranges[:, 1] - 1) // self.chunk_rows
        wanted = np.unique(np.concatenate([np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]))
        run = np.cumsum(np.r_[0, np.diff(wanted) != 1])
        # within its run, each `at_once` chunks are read together; a read ends with its file
        place = np.arange(wanted.size) - np.searchsorted(run, run)
        together = np.stack([run, place // self.at_once, wanted // self.per_file])
        reads = 1 + int((np.diff(together, axis=1) != 0).any(axis=0).sum())
        nbytes = sum(int(self.sizes[name][wanted].sum(dtype=np.int64)) for name in names)
        return Requests(reads * len(names), reads * len(names), nbytes)


@dataclass(frozen=True)
class Joined:
    """Several tables of one exposure, one after the other."""

    parts: tuple[Layout, ...]

    @property
    def n_rows(self) -> int:
        """Rows of all."""
        return sum(part.n_rows for part in self.parts)

    @property
    def rows_per_read(self) -> int:
        """As of the table."""
        return max(part.rows_per_read for part in self.parts)

    def requests(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Requests:
        """See `Layout.requests`."""
        seams = np.cumsum([0, *(part.n_rows for part in self.parts)], dtype=np.int64)
        which, pieces = cut_ranges(ranges, seams)
        total = Requests()
        for a, b in pairwise(np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])):
            part = self.parts[which[a]]
            local = clean_ranges(pieces[a:b] - seams[which[a]], part.n_rows)
            if local.size:
                total += part.requests(local, names)
        return total
