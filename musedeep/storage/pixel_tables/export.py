"""Pixel-table stores back into the FITS files they were made from, or would have been, streaming."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.rows.segments import runs_of_rows
from musedeep.progress import Progress, Silent
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.fits.headers import BLOCK, CARD, HeaderUnit, parse_cards, raw_bytes
from musedeep.storage.fits.parts import reserve
from musedeep.storage.outputs import partial_name, refuse_existing, write_at, write_error
from musedeep.storage.pixel_tables.fits import swap_bytes, write_ranges
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, row_count
from musedeep.storage.pixel_tables.zarr import ZarrPixelTable
from musedeep.storage.stores.location import Location, location

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

    A combined table's store was made from no file; its checksums are filled in here.

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
    table = ZarrPixelTable(location(store))
    partial = partial_name(path)
    size = 0
    try:
        parts, size = _export_parts(table)
        partial.touch()
        reserve(partial, size)
        descriptor = os.open(partial, os.O_WRONLY)
        try:
            for part in parts:
                write_at(descriptor, part.offset, raw_bytes(part.cards))
                if part.array:
                    write_at(descriptor, part.data_offset, table.whole(part.array).tobytes())
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


def runs_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranges of consecutive numbers, int64 (n, 2)."""
    breaks = int(np.count_nonzero(np.diff(rows) != 1)) + 1 if rows.size else 0
    out = np.empty((breaks, 2), np.int64)
    runs_of_rows(rows, out)
    return out


@dataclass(frozen=True)
class _Part:
    """One HDU of the file to write."""

    cards: tuple[str, ...]
    role: str
    offset: int
    array: str | None

    @property
    def data_offset(self) -> int:
        return self.offset + len(self.cards) * CARD


def _export_parts(table: ZarrPixelTable) -> tuple[list[_Part], int]:
    """The HDUs of the file, and its size."""
    parts, position = [], 0
    for hdu in table.attributes()["hdus"]:
        unit = HeaderUnit(tuple(hdu["cards"]), position)
        parts.append(_Part(unit.cards, hdu["role"], position, hdu.get("array")))
        position = unit.data_offset + -(-unit.data_bytes // BLOCK) * BLOCK
    return parts, position


def _export_rows(
    table: ZarrPixelTable,
    parts: list[_Part],
    descriptor: int,
    pool: ThreadPoolExecutor,
    memory: int,
    progress: Progress,
) -> None:
    """Write the rows to their places, as many runs at a time as memory allows."""
    runs = table.whole("index/runs")
    start, stop, first = runs[:, 3], runs[:, 4], runs[:, 5]
    most = max(memory // BYTES_PER_ROW, 1)
    k = 0
    progress.begin(table.n_rows, "rows")
    while k < runs.shape[0]:
        end = max(int(np.searchsorted(stop, start[k] + most, side="right")), k + 1)
        a, b = int(start[k]), int(stop[end - 1])
        steps = np.cumsum(table.order(a, b), dtype=np.int64)
        length = (stop - start)[k:end]
        numbers = steps + np.repeat(first[k:end] - steps[start[k:end] - a], length)
        del steps
        ranges = runs_of(numbers)
        del numbers
        here = np.array([[a, b]], np.int64)

        def write(part: _Part, here: NDArray[np.int64] = here, ranges: NDArray[np.int64] = ranges) -> None:
            if part.role == "rows":
                rows = table.read(here, table.names)
                cards = parse_cards(part.cards)
                order = [str(cards[f"TTYPE{i + 1}"]).strip().lower() for i in range(cards["TFIELDS"])]
                record = np.empty(row_count(here), [(n, COLUMN_TYPES[n].newbyteorder(">")) for n in order])
                for name in order:
                    record[name] = rows.pop(name)
                raw, item = record.view(np.uint8), record.itemsize
            else:
                words = table.read(here, (part.role,))[part.role].view(np.uint32)
                swap_bytes(words)
                raw, item = words.view(np.uint8), 4
            if write_ranges(descriptor, part.data_offset, item, ranges, raw) >= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        wanted = [p for p in parts if p.role == "rows" or p.role in COLUMN_TYPES]
        for future in [pool.submit(write, part) for part in wanted]:
            future.result()
        progress.advance(b - a, rows=b - a)
        k = end
