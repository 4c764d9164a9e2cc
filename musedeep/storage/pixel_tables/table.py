"""Pixel tables, whatever their format: the common view of one exposure's rows (manual A.3.2)."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.errors import MusedeepError
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.fits.units import same_unit
from musedeep.storage.stores.location import Location

COLUMN_TYPES = {
    "xpos": np.dtype("f4"),
    "ypos": np.dtype("f4"),
    "lambda": np.dtype("f4"),
    "data": np.dtype("f4"),
    "dq": np.dtype("i4"),
    "stat": np.dtype("f4"),
    "origin": np.dtype("i4"),
    "weight": np.dtype("f4"),
    "orig": np.dtype("f4"),
}
"""Columns and their types in memory; `weight` and `orig`, the data before a subtraction, are optional."""

REQUIRED = ("xpos", "ypos", "lambda", "data", "dq", "stat", "origin")

REDUCED_UNITS = {
    "xpos": "rad",
    "ypos": "rad",
    "lambda": "Angstrom",
    "data": instrument.FLUX_UNIT,
    "stat": instrument.VARIANCE_UNIT,
}

ROWS_AT_ONCE = 1 << 19
"""Rows of a source that are read at a time, at most, where all are read in order."""

ROWS_PER_SEGMENT = 256
"""Rows of a segment: about three and a half wavelengths of one slice."""

SEGMENT = np.dtype(
    [
        ("start", "i8"), ("stop", "i8"), ("lambda_min", "f4"), ("lambda_max", "f4"),
        ("x_min", "f4"), ("x_max", "f4"), ("y_min", "f4"), ("y_max", "f4"),
    ]
)  # fmt: skip
"""Rows [start, stop), their range of wavelengths [Angstrom], and their box in the tangent plane: xi (east) and
eta (north) about the exposure's pointing [rad]. For positions that are not native spherical coordinates (unit
other than rad) the box is that of xpos and ypos themselves."""

Rows = dict[str, NDArray[Any]]

_PIXTABLE = "ESO DRS MUSE PIXTABLE "
_REDUCE = "reduce the exposure with muse_scipost --save=individual and give its PIXTABLE_REDUCED"


class RowSource(Protocol):
    """Rows that are read by their numbers. Several threads may read one source at the same time.

    Attributes
    ----------
    names : tuple of str, columns, in the order of the file
    units : dict, unit of each column that has one
    """

    n_rows: int
    names: tuple[str, ...]
    units: dict[str, str]

    @property
    def path(self) -> Location:
        """Where it is, for messages; of several files the first."""
        ...

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """The rows of `ranges` (int64 (n, 2)), concatenated in order, in the types of COLUMN_TYPES.

        The arrays are new: the caller may change them.
        """
        ...


@runtime_checkable
class RowsByOrigin(Protocol):
    """A source whose rows follow from their wavelength and origin."""

    def complete(self, known: Rows) -> Rows:
        """All columns of rows, in any order, of which `lambda` and `origin` are known."""
        ...


class PixelTable(RowSource, Protocol):
    """The rows of one exposure, best read `rows_per_read` at a time if they are many."""

    rows_per_read: int

    @property
    def light(self) -> bool:
        """Whether it takes a few thousand bytes of memory once `close` has been called."""
        ...

    @property
    def identity(self) -> str:
        """A text that changes when the contents do: checksum of a store, size and time of change of a file."""
        ...

    @property
    def facts(self) -> fits.Header:
        """Primary header without the offsets of slices: quick to get."""
        ...

    @property
    def header(self) -> fits.Header:
        """Primary header, card for card. Not kept in memory by the table."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        ...

    def index(self) -> NDArray[Any]:
        """SEGMENT array: where contiguous runs of rows lie; together they hold every row once, in order.

        Raises
        ------
        MusedeepError
            A position or wavelength is NaN or infinite.
        """
        ...

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The ranges (int64 (n, 2)) in successive parts of about `rows_per_read` rows, as they are best read."""
        ...

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """What `read` gives, into given arrays that have exactly the length of all ranges."""
        ...

    def close(self) -> None:
        """Let go of files, and of what is read again when it is needed; the table stays of use."""
        ...


def read_together(source: RowSource) -> tuple[tuple[str, ...], ...]:
    """Groups of columns of a source that are best read at once, because they come of the same work; others alone."""
    found: tuple[tuple[str, ...], ...] = getattr(source, "together", ())
    return found


def row_blocks(n_rows: int, most: int | None = None) -> list[NDArray[np.int64]]:
    """Ranges, int64 (1, 2) each, of at most ROWS_AT_ONCE rows (or fewer: `most`), that cover so many rows in order."""
    size = max(min(ROWS_AT_ONCE, most or ROWS_AT_ONCE), 1)
    return [np.array([[first, min(first + size, n_rows)]], np.int64) for first in range(0, n_rows, size)]


def row_count(ranges: NDArray[np.int64]) -> int:
    """Rows in all ranges together."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def clean_ranges(ranges: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Ranges as contiguous int64 (n, 2), without empty ones, adjacent ones merged; rows and order stay.

    Raises
    ------
    IndexError
        A range reaches beyond the table, or ends before it begins.
    """
    ranges = np.ascontiguousarray(ranges, np.int64).reshape(-1, 2)
    if ranges.shape[0] == 0:
        return np.empty((0, 2), np.int64)
    if ranges.min() < 0 or ranges[:, 1].max() > n_rows or (ranges[:, 0] > ranges[:, 1]).any():
        raise IndexError(f"ranges outside a table of {n_rows} rows")
    ranges = ranges[ranges[:, 0] < ranges[:, 1]]
    if ranges.shape[0] < 2:
        return ranges
    first = np.r_[True, ranges[1:, 0] != ranges[:-1, 1]]
    last = np.r_[first[1:], True]
    return np.stack([ranges[first, 0], ranges[last, 1]], axis=1)


def split_ranges(ranges: NDArray[np.int64], rows: int) -> list[NDArray[np.int64]]:
    """Successive groups of ranges of at most `rows` rows each; long ranges are cut."""
    groups: list[NDArray[np.int64]] = []
    ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
    total = int(ends[-1]) if ends.size else 0
    begins = ends - (ranges[:, 1] - ranges[:, 0])
    for a in range(0, total, rows):
        b = min(a + rows, total)
        i, j = np.searchsorted(ends, a, side="right"), np.searchsorted(ends, b, side="left")
        part = ranges[i : j + 1].copy()
        part[0, 0] += a - begins[i]
        part[-1, 1] -= ends[j] - b
        groups.append(part)
    return groups


def cut_ranges(ranges: NDArray[np.int64], seams: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut ranges where they reach across seams.

    Parameters
    ----------
    ranges : int64 (n, 2), none of them empty
    seams : int64 (pieces + 1,), piece k holds rows seams[k] to seams[k + 1] - 1; together the pieces hold all ranges

    Returns
    -------
    int64 (parts,), int64 (parts, 2)
        Piece that each part lies in, and the part; in order. Parts in pieces without rows are empty.
    """
    first = np.searchsorted(seams, ranges[:, 0], side="right") - 1
    number = np.searchsorted(seams, ranges[:, 1], side="left") - first
    source = np.repeat(np.arange(ranges.shape[0]), number)
    which = first[source] + np.arange(source.size) - np.repeat(np.cumsum(number) - number, number)
    start, stop = np.maximum(ranges[source, 0], seams[which]), np.minimum(ranges[source, 1], seams[which + 1])
    return which, np.stack([start, stop], axis=1)


def cut_between_chunks(ranges: NDArray[np.int64], rows: int, chunk_rows: int) -> list[NDArray[np.int64]]:
    """Successive groups of ascending ranges, of `rows` rows or up to a chunk more, cut where a chunk ends."""
    groups = []
    ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
    done = 0
    while ranges.shape[0]:
        # the range with the last row of the group, and the row after the chunk that this is in
        k = int(np.searchsorted(ends, done + rows))
        if k >= ends.size:
            groups.append(ranges)
            break
        row = ranges[k, 1] - (ends[k] - done - rows)
        edge = -(-row // chunk_rows) * chunk_rows
        last = int(np.searchsorted(ranges[:, 0], edge))
        part, rest = ranges[:last].copy(), ranges[last:]
        if part[-1, 1] > edge:
            rest = np.concatenate([[[edge, part[-1, 1]]], rest])
            ends = np.concatenate([ends[last - 1 :]])
            part[-1, 1] = edge
        else:
            ends = ends[last:]
        done += row_count(part)
        groups.append(part)
        ranges = rest
    return groups


def empty_rows(names: Sequence[str], n: int) -> Rows:
    """Uninitialised columns for n rows."""
    return {name: np.empty(n, COLUMN_TYPES[name]) for name in names}


def read_blocks(
    table: PixelTable, ranges: NDArray[np.int64], names: Sequence[str], array: Callable[[str, int, Any], NDArray[Any]]
) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
    """The rows of `ranges`, and the ranges they came from, some at a time, in arrays that are filled again and again.

    Parameters
    ----------
    ranges : int64 (n, 2)
    array : callable, gives the array of a name, length and type to read into
    """
    for part in table.pieces(ranges):
        n = row_count(part)
        rows = {name: array(name, n, COLUMN_TYPES[name]) for name in names}
        table.read_into(part, rows)
        yield rows, part


class RowReader:
    """What all pixel tables share: reading into new arrays, and in pieces."""

    n_rows: int
    rows_per_read: int

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `PixelTable.pieces`."""
        return split_ranges(clean_ranges(ranges, self.n_rows), self.rows_per_read)

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        ranges = clean_ranges(ranges, self.n_rows)
        rows = empty_rows(names, row_count(ranges))
        self.read_into(ranges, rows)
        return rows

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`."""
        raise NotImplementedError


def file_identity(path: Path) -> str:
    """Size and time of change of a file or directory; see `PixelTable.identity`."""
    status = os.stat(path)
    return f"{status.st_size} {status.st_mtime_ns}"


def check_columns(path: Location, names: Sequence[str]) -> None:
    """Refuse a table that lacks a required column."""
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise MusedeepError(
            f"{path}: no column {', '.join(missing)}; a pixel table has {', '.join(REQUIRED)} (manual A.3.2), "
            "make it again"
        )


def check_reduced(table: PixelTable) -> None:
    """Refuse a table that is not fully reduced, as muse_scipost leaves it.

    Raises
    ------
    MusedeepError
        Units of counts or pixels, a stage before the astrometric projection; a keyword that is missing or makes no
        sense.
    """
    check_columns(table.path, table.names)
    for name, expected in REDUCED_UNITS.items():
        unit = table.units.get(name, "")
        if not same_unit(unit, expected):
            if name in ("xpos", "ypos") and same_unit(unit, "deg"):
                raise MusedeepError(
                    f"{table.path}: column {name} has unit 'deg', expected 'rad': the table is already positioned; "
                    "give the PIXTABLE_REDUCED that it was made from"
                )
            raise MusedeepError(f"{table.path}: column {name} has unit '{unit}', expected '{expected}'; {_REDUCE}")
    header = table.facts
    stage = text_of(header, f"{_PIXTABLE}WCS", table.path, "")
    if not stage.startswith("projected"):
        raise MusedeepError(
            f"{table.path}: {_PIXTABLE}WCS is '{stage}', expected 'projected (intermediate)'; {_REDUCE}"
        )
    text_of(header, "DATE-OBS", table.path)
    for key, low, high in (("RA", -360.0, 360.0), ("DEC", -90.0, 90.0), ("EXPTIME", 0.0, math.inf)):
        number_of(header, key, table.path, low=low, high=high)
    if table.n_rows == 0:
        raise MusedeepError(f"{table.path}: has no rows; {_REDUCE}")


def set_boxes(index: NDArray[Any], boxes: NDArray[np.float32]) -> None:
    """Fill the box fields of a SEGMENT array from float32 (segments, 6)."""
    for k, name in enumerate(("lambda_min", "lambda_max", "x_min", "x_max", "y_min", "y_max")):
        index[name] = boxes[:, k]
