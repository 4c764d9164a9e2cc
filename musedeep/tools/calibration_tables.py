"""Tables of tracing and wavelength calibration as the tools read them (manual A.3.5 to A.3.8)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.storage.fits.hdus import column, numbers, open_hdus, whole_numbers

Columns = dict[str, NDArray[Any]]

_SLICES: Final = ("slice", "SliceNo")
_WHOLE: Final = (*_SLICES, "iteration", "x")
"""Columns of integers."""


@dataclass(frozen=True)
class CalibrationTable:
    """A table of one IFU.

    Attributes
    ----------
    path : Path
    ifu : int or None
        None where the header does not name it.
    columns : dict
        The columns of one number per row: int64 for numbers of slices, iterations and columns, else float64.
    """

    path: Path
    ifu: int | None
    columns: Columns


def read_table(path: Path, kind: str, required: tuple[str, ...]) -> CalibrationTable:
    """Read the table of a calibration file of one IFU.

    Parameters
    ----------
    path : Path
    kind : str
        What is expected, for messages: TRACE_SAMPLES ...
    required : tuple of str
        Columns that it must have.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, an empty one, or tables of several IFUs.
    """
    with open_hdus(path, kind) as hdus:
        category = hdus[0].header.get("ESO PRO CATG")
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and set(required) <= set(hdu.columns.names)]
        if not tables:
            what = f"a {category}" if category else "no such table"
            raise MusedeepError(f"{path}: is {what}, without the columns {', '.join(required)}; give a {kind}")
        if len(tables) > 1:
            raise MusedeepError(f"{path}: holds tables of {len(tables)} IFUs; give the {kind} of one (without --merge)")
        if not len(tables[0].data):
            raise MusedeepError(f"{path}: the table has no rows; run the recipe again, its messages say what failed")
        columns = _numeric(tables[0], required)
        for name in set(_SLICES) & set(columns):
            if columns[name].min() < 0 or columns[name].max() > N_SLICES:
                raise MusedeepError(f"{path}: {name} is not within 1 to {N_SLICES}; make the {kind} again")
        return CalibrationTable(path, _ifu(hdus[0].header, tables[0].header), columns)


def _numeric(table: fits.BinTableHDU, required: tuple[str, ...]) -> Columns:
    """The columns of one number per row; raises ValueError if a required one is none."""
    columns: Columns = {}
    for name in table.columns.names:
        values = column(table, name)
        if name in _WHOLE:
            columns[name] = whole_numbers(table, name)
        elif name in required or (values.dtype.kind in "iuf" and values.ndim == 1):
            columns[name] = numbers(table, name)
    return columns


def read_image(path: Path) -> tuple[NDArray[np.float32], int | None]:
    """DATA of a master flat-field, float32 (4112, 4096), and its IFU.

    Raises
    ------
    MusedeepError
        No FITS file, or no extension DATA with an image.
    """
    with open_hdus(path, "MASTER_FLAT") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header.get("EXTNAME", "") == "DATA" and hdu.header["NAXIS"] == 2 and all(hdu.shape):
                return np.array(hdu.data, np.float32), _ifu(hdus[0].header, hdu.header)
    raise MusedeepError(f"{path}: no image extension DATA; give the MASTER_FLAT of one IFU")


def _ifu(*headers: fits.Header) -> int | None:
    for header in headers:
        if match := re.match(r"CHAN(\d\d)", str(header.get("EXTNAME", ""))):
            return int(match[1])
    return None


def same_ifu(*given: tuple[Path, int | None]) -> int | None:
    """The IFU of all files.

    Raises
    ------
    MusedeepError
        They belong to different ones.
    """
    known = [(path, ifu) for path, ifu in given if ifu is not None]
    for path, ifu in known[1:]:
        if ifu != known[0][1]:
            raise MusedeepError(f"{path}: is of IFU {ifu}, {known[0][0]} of IFU {known[0][1]}; give files of one IFU")
    return known[0][1] if known else None


@dataclass(frozen=True)
class Trace:
    """Polynomials of the edges and centres of slices: x = sum c_k y^k, trimmed pixels from 1.

    Attributes
    ----------
    slices : int64 (n,)
    centre, left, right : float64 (n, order + 1)
        NaN where the fit failed.
    """

    slices: NDArray[np.int64]
    centre: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]

    def lines(self, number: int, y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Left edge, centre, right edge of a slice at y; empty if it has no valid solution."""
        rows = np.flatnonzero(self.slices == number)
        if not rows.size:
            return []
        found = [np.polynomial.polynomial.polyval(y, c[rows[0]]) for c in (self.left, self.centre, self.right)]
        return found if all(np.isfinite(line).all() for line in found) else []


def trace_of(table: CalibrationTable) -> Trace:
    """The polynomials of a TRACE_TABLE."""

    def matrix(edge: int) -> NDArray[np.float64]:
        names = sorted(name for name in table.columns if re.match(rf"tc{edge}_\d+$", name))
        if not names:
            raise MusedeepError(f"{table.path}: no column tc{edge}_00; give a TRACE_TABLE")
        return np.stack([table.columns[name].astype(np.float64) for name in names], axis=1)

    return Trace(table.columns["SliceNo"].astype(np.int64), matrix(0), matrix(1), matrix(2))


def wavelength(table: CalibrationTable, number: int, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Wavelength of pixels of a slice by a WAVECAL_TABLE: sum of wlc_ij x^i y^j [Angstrom].

    Parameters
    ----------
    table : CalibrationTable
    number : int
        Slice.
    x, y : (n,)
        Trimmed pixels from 1.

    Raises
    ------
    MusedeepError
        The table has no valid solution for this slice.
    """
    rows = np.flatnonzero(table.columns["SliceNo"] == number)
    orders = [(int(m[1]), int(m[2]), name) for name in table.columns if (m := re.match(r"wlc(\d)(\d)$", name))]
    coefficients = np.zeros((max(i for i, _, _ in orders) + 1, max(j for _, j, _ in orders) + 1))
    for i, j, name in orders:
        coefficients[i, j] = table.columns[name][rows[0]] if rows.size else np.nan
    if not np.isfinite(coefficients).all():
        raise MusedeepError(f"{table.path}: no valid solution for slice {number}; see the messages of muse_wavecal")
    found = np.polynomial.polynomial.polyval2d(np.asarray(x, np.float64), np.asarray(y, np.float64), coefficients)
    return np.asarray(found, np.float64)


def chosen_iteration(columns: Columns, iteration: int | None) -> NDArray[np.bool_]:
    """Rows of a WAVECAL_RESIDUALS that belong to an iteration; None: to the last one of each slice."""
    if iteration is not None:
        return columns["iteration"] == iteration
    last = np.zeros(256, np.int64)
    np.maximum.at(last, columns["slice"], columns["iteration"])
    return columns["iteration"] == last[columns["slice"]]
