"""FITS pixel tables: one image extension a column, or one binary table (manual A.3.2).

Rows are read by pread into buffers of exactly the size asked for, never mapped: the memory of a process is
what it holds. Headers are read by astropy once, at opening, where the file's size is checked too.
"""

import ctypes
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numba as nb
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.segments import segment_boxes
from musedeep.storage.pixel_table import COLUMN_TYPES, SEGMENT, Rows, check_columns

ROWS_PER_SEGMENT = 256
"""About three and a half wavelengths of one slice."""

ROWS_PER_SCAN = 1 << 19

_pread = ctypes.CDLL(None, use_errno=True).pread
_pread.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
_pread.restype = ctypes.c_long


@nb.njit(nogil=True)
def _read_ranges(descriptor, offset, item, ranges, address):  # type: ignore[no-untyped-def]
    """Read byte ranges one after the other; returns 0, or 1 + the number of the range that fell short."""
    place = address
    for k in range(ranges.shape[0]):
        position = offset + ranges[k, 0] * item
        left = (ranges[k, 1] - ranges[k, 0]) * item
        while left > 0:
            got = _pread(descriptor, place, left, position)
            if got <= 0:
                return k + 1
            left -= got
            place += got
            position += got
    return 0


class _File:
    """An open file descriptor that closes with its last user."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, self.descriptor)

    def read(self, offset: int, item: int, ranges: NDArray[np.int64], out: NDArray) -> None:
        """Fill `out` with the items of the ranges; `offset` and `item` in bytes."""
        if ranges.shape[0] < 16:
            view = memoryview(out.view(np.uint8))
            place = 0
            short = 0
            for start, stop in ranges.tolist():
                end = place + (stop - start) * item
                position = offset + start * item
                while place < end:
                    got = os.preadv(self.descriptor, [view[place:end]], position)
                    if got <= 0:
                        short = 1
                        break
                    place += got
                    position += got
        else:
            short = _read_ranges(self.descriptor, offset, item, ranges, out.ctypes.data)
        if short:
            raise MusedeepError(f"{self.path}: cannot read rows, the file is truncated or unreadable; copy it again")


class _FitsPixelTable:
    """What both FITS formats share."""

    path: Path
    header: fits.Header
    n_rows: int
    names: tuple[str, ...]
    units: dict[str, str]

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        raise NotImplementedError

    def index(self) -> NDArray:
        """See `PixelTable.index`; reads all positions and wavelengths once."""
        n = -(-self.n_rows // ROWS_PER_SEGMENT)
        boxes = np.empty((n, 6), np.float32)
        for first in range(0, self.n_rows, ROWS_PER_SCAN):
            last = min(first + ROWS_PER_SCAN, self.n_rows)
            rows = self.read(np.array([[first, last]], np.int64), ("xpos", "ypos", "lambda"))
            part = boxes[first // ROWS_PER_SEGMENT : -(-last // ROWS_PER_SEGMENT)]
            bad = segment_boxes(rows["xpos"], rows["ypos"], rows["lambda"], ROWS_PER_SEGMENT, part)
            if bad:
                raise MusedeepError(
                    f"{self.path}: {bad} rows from row {first} on have NaN or infinite xpos, ypos or lambda; "
                    "reduce the exposure again"
                )
        index = np.empty(n, SEGMENT)
        index["start"] = np.arange(n) * ROWS_PER_SEGMENT
        index["stop"] = np.minimum(index["start"] + ROWS_PER_SEGMENT, self.n_rows)
        for k, name in enumerate(("lambda_min", "lambda_max", "x_min", "x_max", "y_min", "y_max")):
            index[name] = boxes[:, k]
        return index


class ImageFormatTable(_FitsPixelTable):
    """A pixel table with one image extension a column."""

    def __init__(self, path: Path, header: fits.Header, columns: dict[str, tuple[int, np.dtype]], n_rows: int) -> None:
        self.path, self.header, self.n_rows = path, header, n_rows
        self.columns = columns
        self.names = tuple(columns)
        self.units: dict[str, str] = {}
        self._file = _File(path)

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        ranges = np.ascontiguousarray(ranges, np.int64)
        n = int((ranges[:, 1] - ranges[:, 0]).sum())
        rows: Rows = {}
        for name in names:
            offset, dtype = self.columns[name]
            raw = np.empty(n, dtype)
            self._file.read(offset, dtype.itemsize, ranges, raw)
            native = COLUMN_TYPES[name]
            if dtype.itemsize == native.itemsize and dtype.kind == native.kind:
                rows[name] = raw.byteswap(inplace=True).view(native)
            else:
                rows[name] = raw.astype(native)
        return rows

    def close(self) -> None:
        """See `PixelTable.close`."""
        self._file.close()


class TableFormatTable(_FitsPixelTable):
    """A pixel table in one binary-table extension: rows are records."""

    def __init__(self, path: Path, header: fits.Header, offset: int, record: np.dtype, n_rows: int) -> None:
        self.path, self.header, self.n_rows = path, header, n_rows
        self.offset, self.record = offset, record
        self.names = tuple(n for n in record.names or () if n in COLUMN_TYPES)
        self.units: dict[str, str] = {}
        self._file = _File(path)

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        ranges = np.ascontiguousarray(ranges, np.int64)
        raw = np.empty(int((ranges[:, 1] - ranges[:, 0]).sum()), self.record)
        self._file.read(self.offset, self.record.itemsize, ranges, raw)
        return {name: raw[name].astype(COLUMN_TYPES[name]) for name in names}

    def close(self) -> None:
        """See `PixelTable.close`."""
        self._file.close()


_IMAGE_TYPES = {-32: ">f4", -64: ">f8", 32: ">i4", 16: ">i2", 64: ">i8"}
_TABLE_TYPES = {"E": ">f4", "D": ">f8", "J": ">i4", "I": ">i2", "K": ">i8", "B": "u1"}


def open_fits_pixel_table(path: Path) -> ImageFormatTable | TableFormatTable:
    """Open a FITS pixel table of either format.

    Raises
    ------
    MusedeepError
        Not a FITS file, truncated, or not a pixel table.
    """
    size = path.stat().st_size
    columns: dict[str, tuple[int, np.dtype]] = {}
    units: dict[str, str] = {}
    lengths: dict[str, int] = {}
    table = None
    try:
        with open(path, "rb") as stream:
            primary = None
            while stream.tell() < size:
                header = fits.Header.fromfile(stream, endcard=True)
                offset = stream.tell()
                length = _data_bytes(header)
                if offset + length > size:
                    raise MusedeepError(
                        f"{path}: truncated, {size} bytes where extension '{header.get('EXTNAME', 'primary')}' ends at "
                        f"{offset + length}; copy the file again"
                    )
                name = str(header.get("EXTNAME", "")).strip().lower()
                if primary is None:
                    primary = header
                elif header.get("XTENSION", "").strip() == "IMAGE" and name in COLUMN_TYPES:
                    columns[name] = (offset, np.dtype(_IMAGE_TYPES[header["BITPIX"]]))
                    lengths[name] = int(np.prod([header[f"NAXIS{i + 1}"] for i in range(header["NAXIS"])]))
                    units[name] = str(header.get("BUNIT", "")).strip()
                elif header.get("XTENSION", "").strip() == "BINTABLE" and _is_pixel_table(header):
                    table = (header, offset)
                stream.seek(offset + -(-length // 2880) * 2880)
    except (OSError, ValueError, KeyError, EOFError, fits.VerifyError) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise MusedeepError(f"{path}: not a readable FITS file ({reason}); copy or make it again") from error
    if primary is None:
        raise MusedeepError(f"{path}: empty file; copy or make it again")
    result: ImageFormatTable | TableFormatTable
    if table is not None:
        record, units = _record(table[0])
        check_columns(path, record.names or ())
        result = TableFormatTable(path, primary, table[1], record, int(table[0]["NAXIS2"]))
    else:
        check_columns(path, tuple(columns))
        if len(set(lengths.values())) != 1:
            raise MusedeepError(f"{path}: columns of different lengths {lengths}; make the pixel table again")
        result = ImageFormatTable(path, primary, columns, next(iter(lengths.values())))
    result.units = units
    return result


def _data_bytes(header: fits.Header) -> int:
    """Bytes of data after a header, without padding (FITS standard 4.4.1)."""
    if header.get("NAXIS", 0) == 0:
        return 0
    n = int(np.prod([header[f"NAXIS{i + 1}"] for i in range(header["NAXIS"])], dtype=np.int64))
    return abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + n)


def _is_pixel_table(header: fits.Header) -> bool:
    names = {str(header.get(f"TTYPE{i + 1}", "")).strip().lower() for i in range(header.get("TFIELDS", 0))}
    return {"xpos", "ypos", "lambda"} <= names


def _record(header: fits.Header) -> tuple[np.dtype, dict[str, str]]:
    """Record type and units of a binary-table pixel table."""
    fields, units = [], {}
    for i in range(1, header["TFIELDS"] + 1):
        name = str(header[f"TTYPE{i}"]).strip().lower()
        code = str(header[f"TFORM{i}"]).strip().lstrip("1")
        fields.append((name, _TABLE_TYPES[code]))
        units[name] = str(header.get(f"TUNIT{i}", "")).strip()
    return np.dtype(fields), units
