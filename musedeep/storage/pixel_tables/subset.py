"""Parts of pixel tables: rows in the numbering of the FITS file, and new tables of some of the rows, streaming.

A new table has the format, header cards and order of rows of the old one. Memory does not depend on its size, but for
one bit a row that says whether it is kept.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.rows.row_bits import counts_before, empty_set, include, members, ranks
from musedeep.storage.fits.header_cards import card, sign
from musedeep.storage.fits.headers import HeaderUnit, header_cards, number_of, parse_cards, raw_bytes, scan_file
from musedeep.storage.fits.legal_cards import legal_cards
from musedeep.storage.fits.parts import reserve, sync_and_rename
from musedeep.storage.fits.units import same_unit
from musedeep.storage.outputs import partial_name, refuse_existing, write_at, write_error
from musedeep.storage.pixel_tables.export import Part, row_numbers, runs_of, stored_items, stored_parts
from musedeep.storage.pixel_tables.fits import TableFormatTable, read_ranges, write_ranges
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.origin import exposure_rows, ifu_numbers, slice_numbers
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, PixelTable, Rows, row_count
from musedeep.storage.pixel_tables.zarr import StoreOfRows, ZarrPixelTable

ROWS_AT_ONCE = 1 << 19

Numbers = NDArray[np.int64]
Choice = Callable[[Rows], NDArray[np.bool_]]
"""Which of these rows to keep."""

_PIXTABLE = "ESO DRS MUSE PIXTABLE "
_COPY_BYTES = 1 << 24


def numbered_blocks(
    table: PixelTable, wavelength: tuple[float, float] = (-np.inf, np.inf)
) -> Iterator[tuple[int, int, Numbers]]:
    """Pieces of a table, and the number that each of their rows has in the FITS table.

    Parameters
    ----------
    table : a store has another order than the FITS table that it was made from, and remembers it
    wavelength : rows outside may be left out [Angstrom]; those of a store mostly are

    Yields
    ------
    int, int, int64 (stop - start,)
        First row, row after the last, numbers.
    """
    if not isinstance(table, ZarrPixelTable):
        for start in range(0, table.n_rows, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, table.n_rows)
            yield start, stop, np.arange(start, stop)
        return
    runs = table.whole("index/runs")
    grid = table.attributes()
    # the first and last band also hold what lies beyond the grid; float32 needs a margin
    lower = grid["band_origin"] + runs[:, 0] * grid["band_width"] - 0.01
    upper = lower + grid["band_width"] + 0.02
    wanted = ((upper >= wavelength[0]) | (runs[:, 0] == grid["bands"] - 1)) & (
        (lower <= wavelength[1]) | (runs[:, 0] == 0)
    )
    runs = runs[wanted]
    k = 0
    while k < runs.shape[0]:
        # runs that follow each other without a gap, as many as are wanted at once
        a, end = int(runs[k, 3]), k + 1
        while end < runs.shape[0] and runs[end, 3] == runs[end - 1, 4] and runs[end, 4] - a <= ROWS_AT_ONCE:
            end += 1
        yield a, int(runs[end - 1, 4]), row_numbers(table, runs[k:end])
        k = end


def rows_in_file_order(table: PixelTable, start: int, stop: int, names: tuple[str, ...]) -> Rows:
    """Rows by their numbers in the FITS table, also of a store.

    Parameters
    ----------
    start, stop : int
        From 0, within the table. A store looks through the order of all its rows.
    """
    if not isinstance(table, ZarrPixelTable):
        return table.read(np.array([[start, stop]], np.int64), names)
    out = {name: np.empty(stop - start, COLUMN_TYPES[name]) for name in names}
    for a, _, numbers in numbered_blocks(table):
        here = np.flatnonzero((numbers >= start) & (numbers < stop))
        if here.size:
            rows = table.read(runs_of(here + a), names)
            for name, column in rows.items():
                out[name][numbers[here] - start] = column
    return out


@dataclass
class _Limits:
    """Ranges of positions, wavelengths, IFUs and slices."""

    lowest: dict[str, float] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)

    def add(self, rows: Rows) -> None:
        """Widen the ranges to include these rows."""
        ifu, number = ifu_numbers(rows["origin"]), slice_numbers(rows["origin"])
        for axis, values in (
            ("X", rows["xpos"]), ("Y", rows["ypos"]), ("LAMBDA", rows["lambda"]), ("IFU", ifu), ("SLICE", number),
        ):  # fmt: skip
            if values.size:
                self.lowest[axis] = min(self.lowest.get(axis, np.inf), values.min().item())
                self.highest[axis] = max(self.highest.get(axis, -np.inf), values.max().item())


def write_subset(
    source: str | Path,
    target: str | Path,
    choice: Choice,
    *,
    wavelength: tuple[float, float] = (-np.inf, np.inf),
    overwrite: bool = False,
) -> int:
    """Write a pixel table with some of the rows of another.

    Parameters
    ----------
    source : FITS pixel table in image or binary-table format, or a store
    target : path
        A store if it ends in .zarr; otherwise a FITS file in the format of the source. It appears when it is whole.
    choice : called with blocks of rows (xpos, ypos, lambda, origin); says which to keep
    wavelength : no row outside is kept [Angstrom]: a hint, with which a store is read only in part
    overwrite : replace an existing target, once the new one is whole

    Returns
    -------
    int, rows of the new table

    Raises
    ------
    MusedeepError
        No pixel table; no row is kept; the target exists; the disk is full.
    """
    target = Path(target)
    refuse_existing(target, overwrite)
    table = open_pixel_table(source)
    kept, limits = _choose(table, choice, wavelength)
    before = counts_before(kept)
    n = int(before[-1])
    if n == 0:
        raise MusedeepError(f"{table.path}: no rows would be left of {table.n_rows}; nothing is written")
    store = target.suffix == ".zarr"
    partial = partial_name(target.with_suffix(".fits") if store else target)
    size = 0
    try:
        parts = _layout(table, target.name, kept, before, limits)
        size = parts[-1].end
        reserve(partial, size)
        descriptor = os.open(partial, os.O_WRONLY)
        try:
            for part in parts:
                write_at(descriptor, part.offset, raw_bytes(part.cards))
            _copy_others(table, parts, descriptor)
            _copy_rows(table, parts, descriptor, kept, before, wavelength)
        finally:
            os.close(descriptor)
        sign(partial)
        if store:
            ingest([partial], target, overwrite=overwrite)
        else:
            sync_and_rename(partial, target)
    except OSError as error:
        raise write_error(target, error, size) from error
    finally:
        partial.unlink(missing_ok=True)
    return n


def _choose(table: PixelTable, choice: Choice, wavelength: tuple[float, float]) -> tuple[NDArray[np.uint64], _Limits]:
    """Which rows to keep, by their numbers in the FITS table, and the ranges of what they hold."""
    kept, limits = empty_set(table.n_rows), _Limits()
    for start, stop, numbers in numbered_blocks(table, wavelength):
        rows = table.read(np.array([[start, stop]], np.int64), ("xpos", "ypos", "lambda", "origin"))
        keep = choice(rows)
        if keep.any():
            include(numbers[keep], kept)
            limits.add({name: column[keep] for name, column in rows.items()})
    return kept, limits


def _layout(table: PixelTable, name: str, kept: NDArray[np.uint64], before: Numbers, limits: _Limits) -> list[Part]:
    """The HDUs of the new file."""
    n = int(before[-1])
    parts: list[Part] = []
    for number, part in enumerate(_store_parts(table) if isinstance(table, StoreOfRows) else _fits_parts(table)):
        cards = part.cards
        if number == 0:
            cards = header_cards(_primary(parse_cards(cards), table, name, kept, before, limits))
        elif part.item:
            cards = _of_length(cards, table.n_rows, n)
        else:
            cards = tuple(legal_cards(cards))
        parts.append(replace(part, cards=cards, offset=parts[-1].end if parts else 0))
    return parts


def _fits_parts(table: PixelTable) -> Iterator[Part]:
    assert isinstance(table.path, Path)
    for number, unit in enumerate(scan_file(table.path)):
        item = 0
        if isinstance(table, TableFormatTable):
            if unit.data_offset == table.offset and number:
                item = table.record.itemsize
        elif number and _is_column(unit, table.n_rows):
            item = abs(unit.header["BITPIX"]) // 8
        yield Part(unit.cards, 0, unit.name, unit.data_offset, item)


def _is_column(unit: HeaderUnit, n_rows: int) -> bool:
    """Whether an image extension is a column: those that the manual does not list are cut like the others."""
    header = unit.header
    shape = [header[f"NAXIS{i + 1}"] for i in range(header.get("NAXIS", 0))]
    return unit.cards[0].startswith("XTENSION= 'IMAGE") and sorted(shape) in ([1, n_rows], [n_rows])


def _store_parts(table: StoreOfRows) -> Iterator[Part]:
    for part in stored_parts(table):
        if part.role == "other" and _is_column(part, table.n_rows):
            raise MusedeepError(
                f"{table.path}: column {part.name} cannot be cut in a store; export it and cut the file"
            )
        yield part


def _of_length(cards: tuple[str, ...], old: int, new: int) -> tuple[str, ...]:
    """Cards of a column, or of the table of all, for another number of rows."""
    header = parse_cards(cards)
    axis = max(range(1, header["NAXIS"] + 1), key=lambda i: (header[f"NAXIS{i}"] == old, i))
    header[f"NAXIS{axis}"] = new
    return header_cards(header)


def _primary(
    header: fits.Header, table: PixelTable, name: str, kept: NDArray[np.uint64], before: Numbers, limits: _Limits
) -> fits.Header:
    """The primary header, with the limits of the rows that are left, and where those of each exposure lie."""
    new: dict[str, Any] = {}
    if "PIPEFILE" in header:
        new["PIPEFILE"] = name
    zero = zero_points(header, table.units, table.path)
    for axis in limits.lowest:
        for end, found in (("LOW", limits.lowest), ("HIGH", limits.highest)):
            value = found[axis]
            new[f"{_PIXTABLE}LIMITS {axis} {end}"] = (
                int(value) if axis in ("IFU", "SLICE") else np.float32(value + zero.get(axis, 0.0))
            )
    ends = np.array(exposure_rows(header, table.path), np.int64).reshape(-1, 2)
    ends = np.clip(ends, [0, -1], [table.n_rows, table.n_rows - 1])
    place = np.empty(2 * len(ends), np.int64)
    ranks(np.append(ends[:, 0], ends[:, 1] + 1), kept, before, place)
    for k in range(len(ends)):
        new[f"{_PIXTABLE}EXP{k + 1} FIRST"] = int(place[k])
        new[f"{_PIXTABLE}EXP{k + 1} LAST"] = int(place[len(ends) + k] - 1)
    for key, value in new.items():
        if key in header:
            header[key] = card(key, value).value
        else:
            header.append(card(key, value), end=True)
    return header


def zero_points(header: fits.Header, units: Mapping[str, str], path: object) -> dict[str, float]:
    """What to add to xpos ("X") and ypos ("Y") to get the values of the limits in the header.

    Positions of a positioned table [deg] are relative to the reference point, the limits are not.

    Raises
    ------
    MusedeepError
        The header of the table, named `path`, gives a reference point that is no number.
    """
    if not same_unit(units.get("xpos", ""), "deg"):
        return {}
    return {axis: number_of(header, f"CRVAL{k}", path, 0.0) for k, axis in ((1, "X"), (2, "Y"))}


def _copy_others(table: PixelTable, parts: list[Part], descriptor: int) -> None:
    """Data of HDUs that are no columns, byte by byte."""
    for part in parts:
        left = 0 if part.item else part.end - part.data_offset
        if not left:
            continue
        if isinstance(table, StoreOfRows):
            write_at(descriptor, part.data_offset, table.whole(part.source).tobytes())
            continue
        assert isinstance(table.path, Path)
        with open(table.path, "rb") as stream:
            stream.seek(part.source)
            place = part.data_offset
            while left and (raw := stream.read(min(left, _COPY_BYTES))):
                write_at(descriptor, place, raw)
                left, place = left - len(raw), place + len(raw)


def _copy_rows(
    table: PixelTable,
    parts: list[Part],
    descriptor: int,
    kept: NDArray[np.uint64],
    before: Numbers,
    wavelength: tuple[float, float],
) -> None:
    """Read the rows that are kept, and write them to their places."""
    columns = [part for part in parts if part.item]
    for start, stop, numbers in numbered_blocks(table, wavelength):
        keep = np.empty(stop - start, np.bool_)
        members(numbers, kept, keep)
        rows = np.flatnonzero(keep) + start
        if not rows.size:
            continue
        targets = np.empty(rows.size, np.int64)
        ranks(numbers[keep], kept, before, targets)
        ranges, places = runs_of(rows), runs_of(targets)
        for part in columns:
            if isinstance(table, StoreOfRows):
                raw = stored_items(table, part, ranges)
            else:
                raw = _read_file(table, part, ranges)
            if write_ranges(descriptor, part.data_offset, part.item, places, raw) >= 0:
                raise MusedeepError(f"{table.path}: its rows cannot be written; check the disk of the output")


def _read_file(table: PixelTable, part: Part, ranges: Numbers) -> NDArray[np.uint8]:
    """Items of a FITS file as they stand in it."""
    raw = np.empty(row_count(ranges) * part.item, np.uint8)
    assert isinstance(table.path, Path)
    descriptor = os.open(table.path, os.O_RDONLY)
    try:
        position = read_ranges(descriptor, part.source, part.item, ranges, raw)
    finally:
        os.close(descriptor)
    if position >= 0:
        raise MusedeepError(f"{table.path}: byte {position} cannot be read; copy the file again")
    return raw
