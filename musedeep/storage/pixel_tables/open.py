"""Open pixel tables of any format; those of one exposure, one per IFU, joined to one."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.storage.fits.headers import integer_of, merge_headers, number_or_none, text_of, value_of
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables.requests import Joined, joined_pieces, layout_of
from musedeep.storage.pixel_tables.table import (
    _PIXTABLE,
    PixelTable,
    RowReader,
    Rows,
    clean_ranges,
    cut_ranges,
    row_count,
)
from musedeep.storage.stores.location import Location, StoreUrl, location


def open_pixel_table(path: str | Location) -> PixelTable:
    """Open a pixel table: FITS in image or binary-table format, or a zarr store, of which a URL may be given.

    A store of corrections (`corrected`) is opened with the pixel tables that it corrects.

    Raises
    ------
    MusedeepError
        The file does not exist, is no pixel table, lacks a column, or is truncated.
    """
    path = location(path)
    if isinstance(path, StoreUrl) or path.is_dir():
        return _open_store(path)
    from musedeep.storage.pixel_tables.fits import open_fits_pixel_table

    if not path.exists():
        raise MusedeepError(f"{path}: no such file; give a FITS pixel table or a pixel-table store")
    return open_fits_pixel_table(path)


def _open_store(path: Location) -> PixelTable:
    from musedeep.storage.pixel_tables.zarr import ZarrPixelTable, has_columns, open_store

    store = open_store(path)
    if has_columns(store):
        return ZarrPixelTable(path, store)
    from musedeep.storage.pixel_tables.corrected import CorrectedTable

    return CorrectedTable(path, store, open_pixel_table)


def open_exposure(paths: Sequence[str | Location]) -> PixelTable:
    """Open all files of one exposure (one file, or one an IFU) as one table.

    Raises
    ------
    MusedeepError
        See `open_pixel_table`; or the files differ in DATE-OBS, columns or units.
    """
    tables = [open_pixel_table(path) for path in paths]
    return tables[0] if len(tables) == 1 else JoinedPixelTable(tables)


def tables_of_exposures(
    paths: Sequence[str | Location], check: Callable[[PixelTable], None] = lambda table: None
) -> list[list[PixelTable]]:
    """Open pixel tables: those of one exposure (DATE-OBS) in the order of their IFUs, exposures by date.

    Parameters
    ----------
    paths : sequence of path
    check : callable, optional, refuses a table that is of no use

    Raises
    ------
    MusedeepError
        See `open_pixel_table`; two tables of one exposure hold data of the same IFU.
    """
    groups: dict[str, list[tuple[tuple[int, int], PixelTable]]] = {}
    for path in paths:
        table = open_pixel_table(path)
        check(table)
        low, high = (
            integer_of(table.facts, f"{_PIXTABLE}LIMITS IFU {end}", table.path, default, low=1, high=N_IFUS)
            for end, default in (("LOW", 1), ("HIGH", N_IFUS))
        )
        groups.setdefault(text_of(table.facts, "DATE-OBS", table.path), []).append(((low, high), table))
    result = []
    for date in sorted(groups):
        members = sorted(groups[date], key=lambda member: member[0])
        for (a, one), (b, other) in pairwise(members):
            if b[0] <= a[1]:
                raise MusedeepError(
                    f"{other.path}: the same exposure as {one.path} (DATE-OBS {date}, IFUs {b[0]}-{b[1]} in both); "
                    "list it once"
                )
        result.append([table for _, table in members])
    return result


FLUX_KEYS = ("ESO DRS MUSE FLAT FLUX SKY", "ESO DRS MUSE FLAT FLUX LAMP")
"""Integrated flux of an IFU in the twilight or the lamp flat, first choice first."""


def _flux_factors(tables: Sequence[PixelTable]) -> list[float]:
    """Factor that brings each IFU to the level of the first: flux of the first over its own; 1 where not known."""
    fluxes: list[float | None] = []
    for table in tables:
        values = (number_or_none(table.facts, key) for key in FLUX_KEYS)
        fluxes.append(next((v for v in values if v and v > 0), None))
    first = fluxes[0]
    return [first / flux if first and flux else 1.0 for flux in fluxes]


class JoinedPixelTable(RowReader):
    """Several pixel tables of one exposure, one after the other.

    Data and variances of each IFU are brought to the level of the first by the fluxes of the flat field in the headers,
    as the reference does when it merges IFUs.
    """

    def __init__(self, tables: Sequence[PixelTable]) -> None:
        self.tables = list(tables)
        first = tables[0]
        self.path = first.path
        self.names = first.names
        self.units = first.units
        self.offsets = np.cumsum([0] + [t.n_rows for t in tables], dtype=np.int64)
        self.n_rows = int(self.offsets[-1])
        self.rows_per_read = max(table.rows_per_read for table in tables)
        self.factors = _flux_factors(tables)
        date = value_of(first.facts, "DATE-OBS")
        for table in tables[1:]:
            if (own := value_of(table.facts, "DATE-OBS")) != date:
                raise MusedeepError(
                    f"{table.path}: DATE-OBS is {own}, that of {first.path} is {date}; "
                    "give only the files of one exposure"
                )
            if set(table.names) != set(first.names) or not all(
                same_unit(table.units.get(name, ""), first.units.get(name, "")) for name in first.names
            ):
                raise MusedeepError(
                    f"{table.path}: columns or units differ from those of {first.path}; reduce both the same way"
                )

    @property
    def light(self) -> bool:
        """See `PixelTable.light`."""
        return all(table.light for table in self.tables)

    @property
    def identity(self) -> str:
        """See `PixelTable.identity`."""
        return ", ".join(t.identity for t in self.tables)

    @property
    def facts(self) -> fits.Header:
        """See `PixelTable.facts`."""
        return merge_headers([t.facts for t in self.tables])

    @property
    def header(self) -> fits.Header:
        """Primary header of the exposure (`headers.merge_headers`)."""
        return merge_headers([t.header for t in self.tables])

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum(t.nbytes for t in self.tables)

    def index(self) -> NDArray[Any]:
        """See `PixelTable.index`."""
        parts = []
        for table, offset in zip(self.tables, self.offsets[:-1], strict=True):
            part = table.index().copy()
            part["start"] += offset
            part["stop"] += offset
            parts.append(part)
        return np.concatenate(parts)

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `PixelTable.pieces`; those of the tables, several small ones together."""
        return joined_pieces(ranges, self.offsets, self.rows_per_read, self.tables)

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`."""
        ranges = clean_ranges(ranges, self.n_rows)
        if ranges.shape[0] == 0:
            return
        # cut at the seams between tables, then read runs of ranges of the same table at once
        which, parts = cut_ranges(ranges, self.offsets)
        bounds = np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])
        place = 0
        for a, b in pairwise(bounds):
            local = parts[a:b] - self.offsets[which[a]]
            n = row_count(local)
            if n:
                part = {k: v[place : place + n] for k, v in rows.items()}
                self.tables[which[a]].read_into(local, part)
                factor = self.factors[which[a]]
                if factor != 1.0:
                    for name, power in (("data", 1), ("stat", 2)):
                        if name in part:
                            part[name][:] = part[name].astype(np.float64) * factor**power
            place += n

    @property
    def layout(self) -> Joined | None:
        """See `requests.layout_of`."""
        parts = [layout_of(table) for table in self.tables]
        return None if None in parts else Joined(tuple(part for part in parts if part is not None), self.rows_per_read)

    def close(self) -> None:
        """See `PixelTable.close`."""
        for table in self.tables:
            table.close()


def describe(table: PixelTable) -> dict[str, Any]:
    """The main facts about a pixel table, from its headers alone.

    Returns
    -------
    dict
        path, format, target, date_obs, mode, stage, exptime [s], ra, dec [deg], position_angle [deg],
        exposures, rows, columns, units, ifus (first, last), wavelength (lowest, highest) [Angstrom],
        bytes, bytes_per_row; facts that the header lacks are None.
    """
    header = table.header

    def limits(axis: str) -> tuple[Any, Any] | None:
        low, high = (value_of(header, f"{_PIXTABLE}LIMITS {axis} {end}") for end in ("LOW", "HIGH"))
        return None if low is None or high is None else (low, high)

    return {
        "path": str(table.path),
        "format": table_format(table),
        "target": value_of(header, "OBJECT"),
        "date_obs": value_of(header, "DATE-OBS"),
        "mode": value_of(header, "ESO INS MODE"),
        "stage": value_of(header, f"{_PIXTABLE}WCS"),
        "exptime": value_of(header, "EXPTIME"),
        "ra": value_of(header, "RA"),
        "dec": value_of(header, "DEC"),
        "position_angle": value_of(header, "ESO INS DROT POSANG"),
        "exposures": integer_of(header, f"{_PIXTABLE}COMBINED", table.path, 1),
        "rows": table.n_rows,
        "columns": table.names,
        "units": dict(table.units),
        "ifus": limits("IFU"),
        "wavelength": limits("LAMBDA"),
        "bytes": table.nbytes,
        "bytes_per_row": table.nbytes / max(table.n_rows, 1),
    }


def table_format(table: PixelTable) -> str:
    """What kind of file or store a table is read from, as people say it."""
    if isinstance(table, JoinedPixelTable):
        return f"{len(table.tables)} x {table_format(table.tables[0])}"
    return str(getattr(table, "format", "pixel table"))
