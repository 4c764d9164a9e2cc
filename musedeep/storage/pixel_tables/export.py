"""Pixel-table stores back into the FITS files they were made from, or would have been, streaming."""

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.rows.segments import runs_of_rows
from musedeep.progress import Progress, Silent
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.fits.headers import HeaderUnit, parse_cards, raw_bytes
from musedeep.storage.fits.parts import reserve
from musedeep.storage.outputs import partial_name, refuse_existing, write_at, write_error
from musedeep.storage.pixel_tables.fits import swap_bytes, write_ranges
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, row_blocks, row_count
from musedeep.storage.stores.location import Location, location

if TYPE_CHECKING:
    from musedeep.storage.pixel_tables.zarr import StoreOfRows, ZarrPixelTable

BYTES_PER_ROW = 110
"""Working memory a row in work: row numbers and ranges, columns of two threads."""

MEMORY = 512 << 20


def export(
    store: str | Location,
    path: str | Path,
    *,
    overwrite: bool = False,
    workers: int = 2,
    memory: int = MEMORY,
    progress: Progress | None = None,
) -> Path:
    """Write the FITS pixel table that a store was made from: same format, header cards, rows and order.

    A combined or reduced table's store was made from no file; its checksums are filled in here. Of a store of
    corrections, the corrected rows are written.

    Parameters
    ----------
    store, path : path
        The file appears when it is whole.
    overwrite : bool
        Replace an existing file, once the new one is whole.
    workers, memory, progress
        See `ingest.ingest`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MusedeepError
        Not a store, or a damaged one; the file exists; not enough disk space.
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    table = _opened(location(store))
    partial = partial_name(path)
    size = 0
    try:
        parts = stored_parts(table)
        size = parts[-1].end
        partial.touch()
        reserve(partial, size)
        descriptor = os.open(partial, os.O_WRONLY)
        try:
            for part in parts:
                write_at(descriptor, part.offset, raw_bytes(part.cards))
                if part.source:
                    write_at(descriptor, part.data_offset, table.whole(part.source).tobytes())
            with ThreadPoolExecutor(max(workers, 1)) as pool:
                _export_rows(table, parts, descriptor, pool, memory, progress or Silent())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if table.attributes().get("unsigned"):
            sign(partial)
        os.replace(partial, path)
    except OSError as error:
        raise write_error(path, error, size) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _opened(where: Location) -> "StoreOfRows":
    """The table of a store."""
    from musedeep.storage.pixel_tables.zarr import StoreOfRows, ZarrPixelTable  # a tenth of a second to load

    opened = open_pixel_table(where) if not isinstance(where, Path) or where.is_dir() else None
    # raises for what is no store
    return opened if isinstance(opened, StoreOfRows) else ZarrPixelTable(where)


def runs_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranges of consecutive numbers, int64 (n, 2)."""
    breaks = int(np.count_nonzero(np.diff(rows) != 1)) + 1 if rows.size else 0
    out = np.empty((breaks, 2), np.int64)
    runs_of_rows(rows, out)
    return out


@dataclass(frozen=True)
class Part(HeaderUnit):
    """An HDU of a file to write.

    Attributes
    ----------
    role : name of the column that it holds; rows: a table of all; primary, other
    source : name of the array of a store, or place in a file, that its data come from
    item : bytes of a row; 0 where it has none
    """

    role: str
    source: Any
    item: int


def stored_parts(table: "StoreOfRows") -> list[Part]:
    """The HDUs of the FITS file that a store was made from."""
    parts: list[Part] = []
    for hdu in table.attributes()["hdus"]:
        cards, role = tuple(hdu["cards"]), hdu["role"]
        item = parse_cards(cards)["NAXIS1"] if role == "rows" else 4 if role in COLUMN_TYPES else 0
        parts.append(Part(cards, parts[-1].end if parts else 0, role, hdu.get("array"), item))
    return parts


def stored_items(table: "StoreOfRows", part: Part, ranges: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Items of a FITS file from the columns of a store."""
    if part.role != "rows":
        words = table.read(ranges, (part.role,))[part.role].view(np.uint32)
        swap_bytes(words)
        return words.view(np.uint8)
    rows = table.read(ranges, table.names)
    order = [str(part.header[f"TTYPE{i + 1}"]).strip().lower() for i in range(part.header["TFIELDS"])]
    record = np.empty(row_count(ranges), [(name, COLUMN_TYPES[name].newbyteorder(">")) for name in order])
    for name in order:
        record[name] = rows.pop(name)
    return record.view(np.uint8)


def row_numbers(table: "ZarrPixelTable", runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers in the FITS table of the rows of some runs (of the index) without gaps between them."""
    start = runs[:, 3] - runs[0, 3]
    steps = np.cumsum(table.order(int(runs[0, 3]), int(runs[-1, 4])), dtype=np.int64)
    return steps + np.repeat(runs[:, 5] - steps[start], runs[:, 4] - runs[:, 3])


def _export_rows(
    table: "StoreOfRows",
    parts: list[Part],
    descriptor: int,
    pool: ThreadPoolExecutor,
    memory: int,
    progress: Progress,
) -> None:
    """Write the rows to their places, as many runs at a time as memory allows."""
    progress.begin(table.n_rows, "rows")
    for a, b, ranges in _pieces(table, max(memory // BYTES_PER_ROW, 1)):
        here = np.array([[a, b]], np.int64)

        def write(part: Part, here: NDArray[np.int64] = here, ranges: NDArray[np.int64] = ranges) -> None:
            raw = stored_items(table, part, here)
            if write_ranges(descriptor, part.data_offset, part.item, ranges, raw) >= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        for future in [pool.submit(write, part) for part in parts if part.item]:
            future.result()
        progress.advance(b - a, rows=b - a)


def _pieces(table: "StoreOfRows", most: int) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Rows of a store, some at a time: the first, the one after the last, and their places in the FITS table."""
    from musedeep.storage.pixel_tables.zarr import ZarrPixelTable

    if not isinstance(table, ZarrPixelTable):
        for here in row_blocks(table.n_rows, most):
            yield int(here[0, 0]), int(here[0, 1]), here
        return
    runs = table.whole("index/runs")
    start, stop = runs[:, 3], runs[:, 4]
    k = 0
    while k < runs.shape[0]:
        end = max(int(np.searchsorted(stop, start[k] + most, side="right")), k + 1)
        yield int(start[k]), int(stop[end - 1]), runs_of(row_numbers(table, runs[k:end]))
        k = end
