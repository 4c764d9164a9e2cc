"""WAVECAL_TABLE and WAVECAL_RESIDUALS of one IFU (manual A.3.7, A.3.8)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES
from musedeep.storage.calibrations.slice_tables import SLICE_NUMBER, SliceRows, by_slice, read_slice_rows
from musedeep.storage.fits.table import Column, table_hdu

Floats = NDArray[np.float64]

_MEAN_SQUARE: Final = Column("MSE", "1D")
RESIDUALS: Final = (
    Column("slice", "1B"), Column("iteration", "1J"), Column("x", "1J", "pix"), Column("y", "1E", "pix"),
    Column("lambda", "1E", "Angstrom"), Column("residual", "1D", "Angstrom"), Column("rejlimit", "1D", "Angstrom"),
)  # fmt: skip
"""Columns of WAVECAL_RESIDUALS: every position of every iteration."""


def _coefficient(i: int, j: int) -> Column:
    """The column of the coefficient of x^i y^j."""
    return Column(f"wlc{i}{j}", "1D", "Angstrom")


@dataclass(frozen=True)
class WavecalTable:
    """Wavelengths of an IFU: lambda = sum c_ij x^i y^j [Angstrom], trimmed pixels from 1.

    Attributes
    ----------
    path : Path
    ifu : int or None
        None where the file does not say it.
    coefficients : float64 (48, xorder + 1, yorder + 1)
        NaN for slices without a solution.
    mean_squares : float64 (48,)
        Of the residuals of the fits [Angstrom**2].
    """

    path: Path
    ifu: int | None
    coefficients: Floats
    mean_squares: Floats

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool (48,): the slice has a solution."""
        return np.asarray(np.isfinite(self.coefficients).all((1, 2)))

    def at(self, number: int, x: Floats, y: Floats) -> Floats:
        """Wavelengths at x, y [pixel from 1] of a slice (from 1) [Angstrom]."""
        return np.asarray(np.polynomial.polynomial.polyval2d(x, y, self.coefficients[number - 1]), np.float64)


def wavecal_hdu(coefficients: Floats, mean_squares: Floats) -> fits.BinTableHDU:
    """A WAVECAL_TABLE; the arrays are those of `WavecalTable`."""
    columns: dict[Column, NDArray[Any]] = {SLICE_NUMBER: np.arange(1, N_SLICES + 1)}
    columns |= {_coefficient(i, j): coefficients[:, i, j] for i, j in np.ndindex(coefficients.shape[1:])}
    columns[_MEAN_SQUARE] = mean_squares
    return table_hdu(list(columns), {column.name: values for column, values in columns.items()})


def read_wavecal_table(path: str | Path, ifu: int | None) -> WavecalTable:
    """Read the wavelength solutions of an IFU; slices without one, and None, as in `read_trace_table`.

    Raises
    ------
    MusedeepError
        No FITS file, no WAVECAL_TABLE, that of another IFU, or one without any solution.
    """
    required = SLICE_NUMBER, _coefficient(0, 0)
    rows = read_slice_rows(path, ifu, "WAVECAL_TABLE", required, r"wlc\d\d+|MSE")
    coefficients, squares = by_slice(rows, "WAVECAL_TABLE", r"wlc(\d)(\d+)", (_MEAN_SQUARE.name,))
    return WavecalTable(rows.path, rows.ifu, coefficients, squares[:, 0])


def residuals_hdu(*values: NDArray[Any]) -> fits.BinTableHDU:
    """WAVECAL_RESIDUALS; values are (n,) each, in the order of `RESIDUALS`."""
    names = (column.name for column in RESIDUALS)
    return table_hdu(RESIDUALS, dict(zip(names, values, strict=True)))


def read_residuals(path: str | Path) -> SliceRows:
    """Read the residuals of the wavelength solutions of the IFU in a file.

    Raises
    ------
    MusedeepError
        No FITS file, no WAVECAL_RESIDUALS, an empty one, or one of many IFUs.
    """
    return read_slice_rows(path, None, "WAVECAL_RESIDUALS", RESIDUALS)
