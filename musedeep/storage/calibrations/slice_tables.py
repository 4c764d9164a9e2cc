"""TRACE_TABLE and WAVECAL_TABLE of one IFU (manual A.3.5, A.3.7), from files of one IFU or of many."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers
from musedeep.storage.raw.file import extension_name

_NUMBERS: Final = re.compile(r"(tc[012]_\d\d|Width|wlc\d+|MSE)$")
"""Columns that are read."""


@dataclass(frozen=True)
class TraceTable:
    """Where the slices of an IFU lie: x = sum c_k y^k, trimmed pixels from 1.

    Attributes
    ----------
    path : Path
    ifu : int
    coefficients : float64 (48, 3, order + 1)
        Of centre, left and right edge; NaN for slices whose trace failed.
    widths : float64 (48,)
        Mean widths [pixel].
    """

    path: Path
    ifu: int
    coefficients: NDArray[np.float64]
    widths: NDArray[np.float64]

    @property
    def edges(self) -> NDArray[np.float64]:
        """float64 (48, 2, order + 1): left and right edge."""
        return self.coefficients[:, 1:]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool (48,): the trace of the slice is there."""
        return np.asarray(np.isfinite(self.coefficients).all((1, 2)))

    def at(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 (48, 3, n): centre, left and right edge at rows y (from 1)."""
        powers = np.asarray(y, np.float64)[None] ** np.arange(self.coefficients.shape[2])[:, None]
        return np.asarray(self.coefficients @ powers)


@dataclass(frozen=True)
class WavecalTable:
    """Wavelengths of an IFU: lambda = sum c_ij x^i y^j [Angstrom], trimmed pixels from 1.

    Attributes
    ----------
    path : Path
    ifu : int
    coefficients : float64 (48, xorder + 1, yorder + 1)
        NaN for slices without a solution.
    mean_squares : float64 (48,)
        Of the residuals of the fits [Angstrom**2].
    """

    path: Path
    ifu: int
    coefficients: NDArray[np.float64]
    mean_squares: NDArray[np.float64]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool (48,): the slice has a solution."""
        return np.asarray(np.isfinite(self.coefficients).all((1, 2)))

    def at(self, number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Wavelengths at x, y [pixel from 1] of a slice (from 1) [Angstrom]."""
        return np.asarray(np.polynomial.polynomial.polyval2d(x, y, self.coefficients[number - 1]), np.float64)


def read_trace_table(path: str | Path, ifu: int) -> TraceTable:
    """Read the traces of an IFU.

    Slices that are not in the table, or whose numbers are missing or no polynomial (all 0), are NaN.

    Raises
    ------
    MusedeepError
        No FITS file, no TRACE_TABLE, that of another IFU, or one in which every trace failed.
    """
    path = Path(path)
    data, rows = _slices(path, ifu, "TRACE_TABLE", ("SliceNo", "tc0_00", "tc1_00", "tc2_00"))
    places = {name: (int(m[1]), int(m[2])) for name in data if (m := re.match(r"tc([012])_(\d\d)$", name))}
    coefficients = np.full((N_SLICES, 3, max(i for _, i in places.values()) + 1), np.nan)
    coefficients[rows] = 0.0
    for name, (k, i) in places.items():
        coefficients[rows, k, i] = data[name]
    widths = np.full(N_SLICES, np.nan)
    if "Width" in data:
        widths[rows] = data["Width"]
    return TraceTable(path, ifu, _without_failed(path, ifu, "TRACE_TABLE", coefficients), widths)


def read_wavecal_table(path: str | Path, ifu: int) -> WavecalTable:
    """Read the wavelength solutions of an IFU; slices without one as in `read_trace_table`.

    Raises
    ------
    MusedeepError
        No FITS file, no WAVECAL_TABLE, that of another IFU, or one without any solution.
    """
    path = Path(path)
    data, rows = _slices(path, ifu, "WAVECAL_TABLE", ("SliceNo", "wlc00"))
    orders = {name: (int(m[1]), int(m[2])) for name in data if (m := re.match(r"wlc(\d)(\d+)$", name))}
    shape = max(i for i, _ in orders.values()) + 1, max(j for _, j in orders.values()) + 1
    coefficients = np.full((N_SLICES, *shape), np.nan)
    coefficients[rows] = 0.0
    for name, (i, j) in orders.items():
        coefficients[rows, i, j] = data[name]
    squares = np.full(N_SLICES, np.nan)
    if "MSE" in data:
        squares[rows] = data["MSE"]
    return WavecalTable(path, ifu, _without_failed(path, ifu, "WAVECAL_TABLE", coefficients), squares)


def _slices(
    path: Path, ifu: int, kind: str, required: tuple[str, ...]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Columns of the table of an IFU, and the places of its rows among the slices."""
    wanted = extension_name(ifu)
    with open_hdus(path, kind) as hdus:
        category = hdus[0].header.get("ESO PRO CATG")
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and set(required) <= set(hdu.columns.names)]
        if not tables:
            what = f"is a {category}" if category and category != kind else "no such table"
            raise MusedeepError(f"{path}: {what}, without the columns {', '.join(required)}; give a {kind}")
        named = {_ifu_name(hdus[0].header, hdu.header, len(tables)): hdu for hdu in tables}
        if wanted not in named and "" not in named:
            held = ", ".join(sorted(named))
            raise OtherIfu(f"{path}: {kind} of {held}, not of {wanted}; give that of IFU {ifu}", held)
        table = named[wanted if wanted in named else ""]
        slices = whole_numbers(table, "SliceNo")
        # rows of slices that failed have number 0 in tables of the reference
        there = slices != 0
        slices = slices[there]
        data = {name: numbers(table, name)[there] for name in table.columns.names if _NUMBERS.match(name)}
    if not slices.size:
        raise MusedeepError(f"{path}: the {kind} has no rows; run the recipe again, its messages say what failed")
    if slices.min() < 1 or slices.max() > N_SLICES or np.unique(slices).size != slices.size:
        raise MusedeepError(f"{path}: SliceNo is not 1 to {N_SLICES}, each once; make the {kind} again")
    return data, slices - 1


def _ifu_name(primary: fits.Header, header: fits.Header, n_tables: int) -> str:
    """CHANnn of a table: its own name, or in a file with one table that of the file; "" where nothing says it."""
    own = str(header.get("EXTNAME", ""))
    if own.startswith("CHAN"):
        return own[:6]
    name = str(primary.get("EXTNAME", ""))
    return name[:6] if n_tables == 1 and name.startswith("CHAN") else own


def _without_failed(path: Path, ifu: int, kind: str, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Polynomials with NaN wherever one of a slice is not finite or 0."""
    axes = tuple(range(1, coefficients.ndim))
    failed = ~np.isfinite(coefficients).all(axes) | ~(coefficients != 0).any(axes)
    if failed.all():
        raise MusedeepError(
            f"{path}: {kind} of IFU {ifu}: every slice failed; make it again with other parameters (manual 8.2)"
        )
    coefficients[failed] = np.nan
    return coefficients
