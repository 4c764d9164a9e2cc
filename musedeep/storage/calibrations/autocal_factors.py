"""AUTOCAL_FACTORS: factors of the slice autocalibration, one per IFU, slice and range of wavelengths."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers
from musedeep.storage.fits.header_cards import Card
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.table import Column, table_hdu, tables_with

COLUMNS: Final = (
    Column("ifu", "1J"), Column("sli", "1J"), Column("quad", "1J"), Column("npts", "1J"),
    Column("corr", "1D"), Column("corr_orig", "1D"),
)  # fmt: skip
"""Columns of the table; quad is the number of the range of wavelengths, from 1."""

_RANGE: Final = re.compile(r"ESO DRS MUSE LAMBDA(\d+) (MIN|MAX)$")


@dataclass(frozen=True)
class AutocalFactors:
    """Factors by which the data of slices are multiplied.

    Attributes
    ----------
    limits : float64 (ranges + 1,), where the ranges begin and end, ascending [Angstrom]
    points : int32 (24, 48, ranges), number of rows from which a factor was found
    factors : float64 (24, 48, ranges), 1 where there were no data
    originals : float64 (24, 48, ranges), the measured factor where another one took its place, else NaN
    """

    limits: NDArray[np.float64]
    points: NDArray[np.int32]
    factors: NDArray[np.float64]
    originals: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (N_IFUS, N_SLICES, self.limits.size - 1)
        for name in ("points", "factors", "originals"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")

    def cards(self) -> list[Card]:
        """The cards of the primary header that say where the ranges are."""
        cards: list[Card] = []
        for k, (low, high) in enumerate(zip(self.limits[:-1], self.limits[1:], strict=True), 1):
            cards.append((f"ESO DRS MUSE LAMBDA{k} MIN", float(low), "[Angstrom] lower end of wavelength range"))
            cards.append((f"ESO DRS MUSE LAMBDA{k} MAX", float(high), "[Angstrom] upper end of wavelength range"))
        return cards

    def table(self) -> fits.BinTableHDU:
        """The table: 24 x 48 x ranges rows, those without data, too; the range varies slowest, the slice fastest."""
        number, ifu, on_ccd = (axis.ravel() + 1 for axis in np.indices((self.limits.size - 1, N_IFUS, N_SLICES)))
        values: dict[str, NDArray[Any]] = {"ifu": ifu, "sli": on_ccd, "quad": number}
        values["npts"] = self.points.transpose(2, 0, 1).ravel()
        values["corr"], values["corr_orig"] = (a.transpose(2, 0, 1).ravel() for a in (self.factors, self.originals))
        return table_hdu(COLUMNS, values)


def read_autocal_factors(path: str | Path) -> AutocalFactors:
    """Read an AUTOCAL_FACTORS, the rows in any order.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, ranges that the header does not give or that do not follow one another, a slice
        or range that does not exist or comes twice, or a factor that is not positive.
    """
    path = Path(path)
    with open_hdus(path, "AUTOCAL_FACTORS") as hdus:
        required = [one.name for one in COLUMNS if one.name != "corr_orig"]
        tables = tables_with(hdus, required)
        if not tables:
            raise MusedeepError(f"{path}: no table with columns {', '.join(required)}; give an AUTOCAL_FACTORS")
        limits = _limits(path, hdus[0].header)
        place = np.array([whole_numbers(tables[0], name) for name in ("ifu", "sli", "quad")]) - 1
        points = whole_numbers(tables[0], "npts").astype(np.int32)
        found = numbers(tables[0], "corr")
        replaced = np.full(found.size, np.nan)
        if "corr_orig" in tables[0].columns.names:
            replaced = numbers(tables[0], "corr_orig")
    shape = (N_IFUS, N_SLICES, limits.size - 1)
    if place.size and ((place.min(1) < 0).any() or (place.max(1) >= shape).any()):
        raise MusedeepError(
            f"{path}: ifu, sli or quad is not within 1 to {shape[0]}, {shape[1]}, {shape[2]}; make the table again"
        )
    index = np.ravel_multi_index(tuple(place), shape)
    if np.unique(index).size != index.size:
        raise MusedeepError(f"{path}: a slice and range has more than one row in the AUTOCAL_FACTORS; keep one of them")
    wrong = np.flatnonzero(np.isfinite(found) & (found <= 0.0) | np.isinf(found))
    if wrong.size:
        ifu, on_ccd, number = place[:, wrong[0]] + 1
        raise MusedeepError(
            f"{path}: corr = {found[wrong[0]]:g} of IFU {ifu}, slice {on_ccd}, range {number} is no positive factor; "
            "correct it or make the table again"
        )
    arrays = np.zeros(shape, np.int32), np.full(shape, np.nan), np.full(shape, np.nan)
    for array, values in zip(arrays, (points, found, replaced), strict=True):
        array.ravel()[index] = values
    return AutocalFactors(limits, *arrays)


def _limits(path: Path, header: fits.Header) -> NDArray[np.float64]:
    """Limits of the ranges of wavelengths, from the primary header."""
    numbers_found = {int(match[1]) for key in header if (match := _RANGE.match(key))}
    n = max(numbers_found, default=0)
    if n == 0 or numbers_found != set(range(1, n + 1)):
        raise MusedeepError(
            f"{path}: no wavelength ranges ESO DRS MUSE LAMBDAn MIN and MAX in the primary header; give an "
            "AUTOCAL_FACTORS as muse_scipost writes it"
        )
    low, high = (
        np.array([number_of(header, f"ESO DRS MUSE LAMBDA{k} {end}", path) for k in range(1, n + 1)])
        for end in ("MIN", "MAX")
    )
    limits = np.r_[low, high[-1]]
    if (np.diff(limits) <= 0.0).any() or (low[1:] != high[:-1]).any():
        raise MusedeepError(f"{path}: the ranges ESO DRS MUSE LAMBDAn do not follow one another; make the table again")
    return limits
