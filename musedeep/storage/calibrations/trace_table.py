"""TRACE_TABLE and TRACE_SAMPLES of one IFU (manual A.3.5, A.3.6)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES
from musedeep.storage.calibrations.slice_tables import SLICE_NUMBER, SliceRows, by_slice, read_slice_rows
from musedeep.storage.fits.table import Column, table_hdu

Floats = NDArray[np.float64]

_WIDTH: Final = Column("Width", "1E", "pix")
SAMPLES: Final = (Column("slice", "1J"), *(Column(name, "1E", "pix") for name in ("y", "mid", "left", "right")))
"""Columns of TRACE_SAMPLES."""


def _fitted(edge: int, n: int) -> list[Column]:
    """Columns of the polynomial of an edge, with n coefficients, and of its residuals."""
    return [Column(name, "1D", "pix") for name in (*(f"tc{edge}_{i:02d}" for i in range(n)), f"MSE{edge}")]


@dataclass(frozen=True)
class TraceTable:
    """Where the slices of an IFU lie: x = sum c_k y^k, trimmed pixels from 1.

    Attributes
    ----------
    path : Path
    ifu : int or None
        None where the file does not say it.
    coefficients : float64 (48, 3, order + 1)
        Of centre, left and right edge; NaN for slices whose trace failed.
    widths : float64 (48,)
        Mean widths [pixel].
    mean_squares : float64 (48, 3)
        Of the residuals of the fits.
    """

    path: Path
    ifu: int | None
    coefficients: Floats
    widths: Floats
    mean_squares: Floats

    @property
    def edges(self) -> Floats:
        """float64 (48, 2, order + 1): left and right edge."""
        return self.coefficients[:, 1:]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool (48,): the trace of the slice is there."""
        return np.asarray(np.isfinite(self.coefficients).all((1, 2)))

    def at(self, y: Floats) -> Floats:
        """float64 (48, 3, n): centre, left and right edge at rows y (from 1)."""
        powers = np.asarray(y, np.float64)[None] ** np.arange(self.coefficients.shape[2])[:, None]
        return np.asarray(self.coefficients @ powers)


def trace_hdu(coefficients: Floats, widths: Floats, mean_squares: Floats) -> fits.BinTableHDU:
    """A TRACE_TABLE; the arrays are those of `TraceTable`."""
    edges = [_fitted(edge, coefficients.shape[2]) for edge in range(3)]
    values = {SLICE_NUMBER.name: np.arange(1, N_SLICES + 1), _WIDTH.name: widths}
    for edge, columns in enumerate(edges):
        fitted = *coefficients[:, edge].T, mean_squares[:, edge]
        values |= {column.name: numbers for column, numbers in zip(columns, fitted, strict=True)}
    return table_hdu([SLICE_NUMBER, _WIDTH, *edges[0], *edges[1], *edges[2]], values)


def read_trace_table(path: str | Path, ifu: int | None) -> TraceTable:
    """Read the traces of an IFU; None: of the only one in the file.

    Slices that are not in the table, or whose numbers are missing or no polynomial (all 0), are NaN.

    Raises
    ------
    MusedeepError
        No FITS file, no TRACE_TABLE, that of another IFU, or one in which every trace failed.
    """
    required = SLICE_NUMBER, *(_fitted(edge, 1)[0] for edge in range(3))
    rows = read_slice_rows(path, ifu, "TRACE_TABLE", required, r"tc[012]_\d\d|MSE[012]|Width")
    figures = _WIDTH.name, "MSE0", "MSE1", "MSE2"
    coefficients, others = by_slice(rows, "TRACE_TABLE", r"tc([012])_(\d\d)", figures)
    return TraceTable(rows.path, rows.ifu, coefficients, others[:, 0], others[:, 1:])


def samples_hdu(number: NDArray[np.int64], y: Floats, left: Floats, right: Floats) -> fits.BinTableHDU:
    """TRACE_SAMPLES; steps in which one of the edges was not found have no row.

    Parameters
    ----------
    number : int64 (n,), of the slice
    y, left, right : float64 (n,), trimmed pixels from 1; NaN where an edge was not found
    """
    columns = {"slice": number, "y": y, "mid": 0.5 * (left + right), "left": left, "right": right}
    seen = np.isfinite(columns["mid"])
    return table_hdu(SAMPLES, {name: values[seen] for name, values in columns.items()})


def read_trace_samples(path: str | Path) -> SliceRows:
    """Read the samples of the tracing of the IFU in a file.

    Raises
    ------
    MusedeepError
        No FITS file, no TRACE_SAMPLES, an empty one, or one of many IFUs.
    """
    return read_slice_rows(path, None, "TRACE_SAMPLES", SAMPLES)
