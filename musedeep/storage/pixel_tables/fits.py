"""FITS pixel tables: one image extension a column, or one binary table (manual A.3.2).

Rows are read by pread, never mapped: the memory of a process is what it holds. Headers are read once, at opening,
where the file's size is checked too. Files are open only while rows are read, so that thousands of them (24 an
exposure) may take part in one combination.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from astropy.io import fits
from numba import types
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.rows.segments import not_finite, segment_boxes
from musedeep.storage.fits.headers import (
    HeaderUnit,
    SharedHeader,
    integer_of,
    parse_facts,
    primary_cards,
    scan_file,
    text_of,
)
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables.requests import Columns, Records
from musedeep.storage.pixel_tables.stored_column import StoredColumn, stored_column
from musedeep.storage.pixel_tables.table import (
    COLUMN_TYPES,
    ROWS_PER_SEGMENT,
    SEGMENT,
    RowReader,
    Rows,
    check_columns,
    clean_ranges,
    empty_rows,
    file_identity,
    row_count,
    set_boxes,
    split_ranges,
)
from musedeep.storage.stores.location import Location

ROWS_PER_READ = 1 << 16
"""Rows that stay in the processor's cache from reading to use; records of the binary-table format read at a time."""

GAP = 1024
"""Rows between two ranges that are read along, because that takes less time than to read again."""

SCRATCH = 1 << 15
"""Words of a column read at a time."""

# found by name in the C library, so that the compiled loops can be cached on disk
_pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.uintp, types.uintp, types.int64))
_pwrite: Any = types.ExternalFunction("pwrite", types.int64(types.int32, types.uintp, types.uintp, types.int64))


@nb.njit(inline="always")
def _read_whole(descriptor, place, left, position):  # type: ignore[no-untyped-def]
    """Read so many bytes of a file to an address; -1, or the byte that could not be read."""
    while left > 0:
        got = _pread(descriptor, place, np.uint64(left), position)
        if got <= 0:
            return position
        left -= got
        place += np.uint64(got)
        position += got
    return -1


@nb.njit(nogil=True, cache=True)
def read_ranges(descriptor, offset, item, ranges, out):  # type: ignore[no-untyped-def]
    """Read ranges of items of a file, one after the other.

    Parameters
    ----------
    descriptor : int, an open file
    offset, item : int, where item 0 begins, and the size of an item [bytes]
    ranges : int64 (n, 2)
    out : uint8 (bytes of all ranges,)

    Returns
    -------
    int, -1 if all went well; otherwise the byte of the file that could not be read
    """
    place = np.uint64(out.ctypes.data)
    for k in range(ranges.shape[0]):
        size = (ranges[k, 1] - ranges[k, 0]) * item
        failed = _read_whole(descriptor, place, size, offset + ranges[k, 0] * item)
        if failed >= 0:
            return failed
        place += np.uint64(size)
    return -1


@nb.njit(inline="always")
def _swapped(v):  # type: ignore[no-untyped-def]
    """A 32-bit word in the other byte order."""
    return np.uint32(
        (v >> np.uint32(24))
        | ((v >> np.uint32(8)) & np.uint32(0xFF00))
        | ((v << np.uint32(8)) & np.uint32(0xFF0000))
        | (v << np.uint32(24))
    )


@nb.njit(nogil=True, cache=True)
def read_words(descriptor, offset, ranges, gap, scratch, out):  # type: ignore[no-untyped-def]
    """Read ranges of big-endian 32-bit words of a file, one after the other.

    Parameters
    ----------
    descriptor : int, an open file
    offset : int, where word 0 begins [bytes]
    ranges : int64 (n, 2)
    gap : int, ranges with at most so many words between them are read at once, the gap too
    scratch : uint32, holds what is read at a time: best what stays in the processor's cache
    out : uint32 (words of all ranges,)

    Returns
    -------
    int, -1 if all went well; otherwise the byte of the file that could not be read
    """
    buffer = np.uint64(scratch.ctypes.data)
    place = 0
    k = 0
    begin = ranges[0, 0] if ranges.shape[0] > 0 else 0
    while k < ranges.shape[0]:
        # words [begin, end) hold what is left of range k, or some of it, and the ranges up to `last`
        end = min(ranges[k, 1], begin + scratch.size)
        last = k + 1
        while last < ranges.shape[0] and 0 <= ranges[last, 0] - end <= gap and ranges[last, 1] - begin <= scratch.size:
            end = ranges[last, 1]
            last += 1
        failed = _read_whole(descriptor, buffer, 4 * (end - begin), offset + 4 * begin)
        if failed >= 0:
            return failed
        for r in range(k, last):
            first, n = max(ranges[r, 0], begin), min(ranges[r, 1], end) - max(ranges[r, 0], begin)
            source, target = scratch[first - begin : first - begin + n], out[place : place + n]
            for i in range(n):
                target[i] = _swapped(source[i])
            place += n
        if end < ranges[last - 1, 1]:
            begin = end
        else:
            k = last
            begin = ranges[k, 0] if k < ranges.shape[0] else 0
    return -1


@nb.njit(nogil=True, cache=True)
def write_ranges(descriptor, offset, item, ranges, values):  # type: ignore[no-untyped-def]
    """Write items to ranges of a file; the counterpart of `read_ranges`."""
    place = np.uint64(values.ctypes.data)
    for k in range(ranges.shape[0]):
        position = offset + ranges[k, 0] * item
        left = (ranges[k, 1] - ranges[k, 0]) * item
        while left > 0:
            got = _pwrite(descriptor, place, np.uint64(left), position)
            if got <= 0:
                return position
            left -= got
            place += np.uint64(got)
            position += got
    return -1


@nb.njit(nogil=True, cache=True)
def swap_bytes(words):  # type: ignore[no-untyped-def]
    """Turn 32-bit words between big and little endian, in place."""
    for i in range(words.size):
        words[i] = _swapped(words[i])


class FitsPixelTable(RowReader):
    """What both FITS formats share; see `table.PixelTable`.

    Attributes
    ----------
    stored : dict of StoredColumn, of the columns whose numbers are not simply what stands in the file
    """

    format = "FITS"
    rows_per_read = ROWS_PER_READ
    light = True

    def __init__(self, path: Path, units: list[HeaderUnit], names: Sequence[str], n_rows: int) -> None:
        self.path = path
        self.n_rows = n_rows
        self.names = tuple(names)
        self.units: dict[str, str] = {}
        self.size = path.stat().st_size
        self._header = SharedHeader(lambda: primary_cards(path))
        self._facts: fits.Header | None = parse_facts(units[0].cards)

    @property
    def facts(self) -> fits.Header:
        """See `PixelTable.facts`."""
        facts = self._facts
        if facts is None:
            facts = self._facts = parse_facts(primary_cards(self.path))
        return facts

    @property
    def header(self) -> fits.Header:
        """Primary header (`SharedHeader`)."""
        return self._header.get()

    @property
    def identity(self) -> str:
        """See `PixelTable.identity`."""
        return file_identity(self.path)

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.size

    def _read_raw(self, descriptor: int, offset: int, item: int, ranges: NDArray[np.int64], out: NDArray[Any]) -> None:
        failed = read_ranges(descriptor, offset, item, ranges, out.view(np.uint8))
        self._check(descriptor, offset + self.n_rows * item, failed)

    def _check(self, descriptor: int, end: int, position: int) -> None:
        """Raise MusedeepError if a byte, of a column that ends there, could not be read."""
        if position >= 0:
            size = os.fstat(descriptor).st_size
            if size < end:
                raise MusedeepError(
                    f"{self.path}: truncated, has {size} bytes where a column ends at {end}; copy or make it again"
                )
            raise MusedeepError(f"{self.path}: byte {position} cannot be read; check the disk, copy the file again")

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise MusedeepError(f"{self.path}: cannot be opened ({error.strerror}); restore the file") from error

    def index(self) -> NDArray[Any]:
        """See `PixelTable.index`; reads all positions and wavelengths once."""
        n = -(-self.n_rows // ROWS_PER_SEGMENT)
        boxes = np.empty((n, 6), np.float32)
        native = same_unit(self.units.get("xpos", ""), "rad")
        buffer = empty_rows(("xpos", "ypos", "lambda"), min(ROWS_PER_READ, self.n_rows))
        for first in range(0, self.n_rows, ROWS_PER_READ):
            last = min(first + ROWS_PER_READ, self.n_rows)
            rows = {name: column[: last - first] for name, column in buffer.items()}
            self.read_into(np.array([[first, last]], np.int64), rows)
            check_finite(self.path, rows, first)
            edges = np.append(np.arange(0, last - first, ROWS_PER_SEGMENT), last - first)
            part = boxes[first // ROWS_PER_SEGMENT : -(-last // ROWS_PER_SEGMENT)]
            segment_boxes(rows["xpos"], rows["ypos"], rows["lambda"], edges, native, part)
        index = np.empty(n, SEGMENT)
        index["start"] = np.arange(n) * ROWS_PER_SEGMENT
        index["stop"] = np.minimum(index["start"] + ROWS_PER_SEGMENT, self.n_rows)
        set_boxes(index, boxes)
        return index

    def close(self) -> None:
        """See `PixelTable.close`; no file stays open between reads."""
        self._facts = None


def check_finite(path: Location, rows: Rows, first: int) -> None:
    """Refuse rows (numbered from `first`) that are NaN or infinite in one of these columns."""
    for name, column in rows.items():
        n, where = not_finite(column)
        if n:
            raise MusedeepError(
                f"{path}: column {name} is NaN or infinite in {n} of the rows {first} to "
                f"{first + column.size - 1}, first in row {first + where}; reduce the exposure again"
            )


class ImageFormatTable(FitsPixelTable):
    """A pixel table with one image extension a column."""

    format = "FITS images"

    def __init__(self, path: Path, units: list[HeaderUnit]) -> None:
        self.offsets: dict[str, int] = {}
        columns = {}
        for unit in units[1:]:
            name = unit.name.lower()
            if unit.cards[0].startswith("XTENSION= 'IMAGE") and name in COLUMN_TYPES:
                if name in columns:
                    raise _twice(path, name)
                _check_image(path, unit, name)
                columns[name] = unit
                self.offsets[name] = unit.data_offset
        check_columns(path, tuple(columns))
        lengths = {name: unit.data_bytes // 4 for name, unit in columns.items()}
        n_rows = lengths["xpos"]
        for name, length in lengths.items():
            if length != n_rows:
                raise MusedeepError(f"{path}: column {name} has {length} rows, xpos has {n_rows}; make the table again")
        super().__init__(path, units, tuple(columns), n_rows)
        self.units = {
            name: found for name, unit in columns.items() if (found := text_of(unit.header, "BUNIT", path, ""))
        }
        self.stored: dict[str, StoredColumn] = {}
        for name, unit in columns.items():
            column = stored_column(path, unit.header, name, ("BSCALE", "BZERO", "BLANK"), unit.header["BITPIX"])
            if column is not None:
                self.stored[name] = column

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`."""
        ranges = clean_ranges(ranges, self.n_rows)
        scratch = np.empty(SCRATCH, np.uint32)
        descriptor = self._open()
        try:
            for name, column in rows.items():
                offset = self.offsets[name]
                failed = read_words(descriptor, offset, ranges, GAP, scratch, column.view(np.uint32))
                self._check(descriptor, offset + 4 * self.n_rows, failed)
                if name in self.stored:
                    column[:] = self.stored[name].values(column, self.path, name)
        finally:
            os.close(descriptor)

    @property
    def layout(self) -> Columns:
        """See `requests.layout_of`."""
        return Columns(self.n_rows, self.rows_per_read, GAP, SCRATCH)


def _check_image(path: Path, unit: HeaderUnit, name: str) -> None:
    whole = COLUMN_TYPES[name].kind == "i"
    expected = 32 if whole else -32
    h = unit.header
    scale, zero = h.get("BSCALE", 1), h.get("BZERO", 0)
    if h["BITPIX"] != expected or scale != 1 or zero not in ((0, 2**31) if whole else (0,)):
        raise MusedeepError(
            f"{path}: column {name} has BITPIX {h['BITPIX']}, BSCALE {scale}, BZERO {zero}, "
            f"expected BITPIX {expected} without scaling (manual A.3.2); make it again"
        )


def _twice(path: Path, name: str) -> MusedeepError:
    return MusedeepError(f"{path}: has two columns {name}; remove one, or make the table again")


class TableFormatTable(FitsPixelTable):
    """A pixel table in one binary-table extension: rows are records."""

    format = "FITS binary table"

    def __init__(self, path: Path, units: list[HeaderUnit], unit: HeaderUnit) -> None:
        self.record, column_units, stored = _record(path, unit.header)
        self.offset = unit.data_offset
        names = tuple(n for n in self.record.names or () if n in COLUMN_TYPES)
        check_columns(path, names)
        super().__init__(path, units, names, integer_of(unit.header, "NAXIS2", path))
        self.units, self.stored = column_units, stored

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`."""
        ranges = clean_ranges(ranges, self.n_rows)
        total = row_count(ranges)
        raw = np.empty(min(total, ROWS_PER_READ), self.record)
        descriptor = self._open()
        try:
            place = 0
            for piece in split_ranges(ranges, ROWS_PER_READ):
                n = row_count(piece)
                self._read_raw(descriptor, self.offset, self.record.itemsize, piece, raw[:n])
                for name, column in rows.items():
                    values = raw[name][:n]
                    if name in self.stored:
                        values = self.stored[name].values(values, self.path, name)
                    column[place : place + n] = values
                place += n
        finally:
            os.close(descriptor)

    @property
    def layout(self) -> Records:
        """See `requests.layout_of`."""
        return Records(self.n_rows, self.rows_per_read, self.record.itemsize)


def open_fits_pixel_table(path: Path) -> ImageFormatTable | TableFormatTable:
    """Open a FITS pixel table of either format.

    Raises
    ------
    MusedeepError
        Not a FITS file, truncated, or not a pixel table.
    """
    units = scan_file(path)
    for unit in units[1:]:
        if unit.cards[0].startswith("XTENSION= 'BINTABLE") and _is_pixel_table(path, unit.header):
            return TableFormatTable(path, units, unit)
    return ImageFormatTable(path, units)


def _is_pixel_table(path: Path, header: fits.Header) -> bool:
    number_of_columns = integer_of(header, "TFIELDS", path, 0, high=999)
    names = {text_of(header, f"TTYPE{i + 1}", path, "").lower() for i in range(number_of_columns)}
    return len(names & {"xpos", "ypos", "lambda", "origin"}) >= 2


_TABLE_TYPES = {"E": ">f4", "D": ">f8", "J": ">i4", "I": ">i2", "K": ">i8", "B": "u1"}


def _record(path: Path, header: fits.Header) -> tuple[np.dtype[Any], dict[str, str], dict[str, StoredColumn]]:
    """Record type, units and scalings of a binary-table pixel table."""
    fields: list[tuple[str, Any]] = []
    units: dict[str, str] = {}
    stored: dict[str, StoredColumn] = {}
    for i in range(1, integer_of(header, "TFIELDS", path) + 1):
        name = text_of(header, f"TTYPE{i}", path, f"column{i}").lower()
        form = text_of(header, f"TFORM{i}", path)
        code = form.removeprefix("1")
        kind = np.dtype(_TABLE_TYPES.get(code, "V1"))
        known = COLUMN_TYPES.get(name)
        if kind.kind == "V" or (known is not None and known.kind == "i" and kind.kind == "f"):
            raise MusedeepError(
                f"{path}: column {name} has TFORM{i} '{form}', expected 1E or 1J (manual A.3.2); make it again"
            )
        if any(name == other for other, _ in fields):
            raise _twice(path, name)
        fields.append((name, kind))
        if known is None:
            continue
        if unit := text_of(header, f"TUNIT{i}", path, ""):
            units[name] = unit
        bits = 8 * kind.itemsize * (-1 if kind.kind == "f" else 1)
        column = stored_column(path, header, name, (f"TSCAL{i}", f"TZERO{i}", f"TNULL{i}"), bits)
        if column is not None:
            stored[name] = column
    record = np.dtype(fields)
    width = integer_of(header, "NAXIS1", path)
    if record.itemsize != width:
        raise MusedeepError(f"{path}: rows of {width} bytes, columns of {record.itemsize}; make the table again")
    return record, units, stored
