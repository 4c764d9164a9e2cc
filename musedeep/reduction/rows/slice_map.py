"""Where the pixels of the slices of an IFU are."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.slices.slice_pixels import count_pixels, slice_field_limits, trace_edges, x_offsets
from musedeep.threads import in_threads

EVERYWHERE: Final = (-np.inf, np.inf)

Image = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]
"""data, dq, stat of a trimmed image, (rows, columns) each."""

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lowest and highest x, y [pixel] and wavelength [Angstrom], float64 (3,) each."""


def useful_range(mode: str) -> tuple[float, float]:
    """Useful wavelengths of an instrument mode (ESO INS MODE), Angstrom (muse_scibasic, parameter crop)."""
    if mode.endswith("-E"):
        return 4600.0, 9350.0
    return (4700.0 if mode.startswith("WFM-AO") else 4750.0), 9350.0


@dataclass(frozen=True)
class SliceMap:
    """Where the pixels of one IFU lie in the field of view and in wavelength.

    Attributes
    ----------
    edges : float64 (48, 2, rows)
        Left and right edge of each slice in each row [pixel, from 1]; NaN where there is no trace.
    wavelength : float64 (48, x order + 1, y order + 1), polynomials of column and row, from 1 [Angstrom]
    geometry : float64 (48, 4), x, y [pixel], angle [rad], width [pixel] in the field of view
    """

    ifu: int
    edges: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    geometry: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        ifu: int,
        trace: NDArray[np.float64],
        wavelength: NDArray[np.float64],
        geometry: NDArray[np.float64],
        n_rows: int,
    ) -> "SliceMap":
        """From the coefficients of the edges, float64 (48, 2, order + 1), and what else a `SliceMap` has."""
        return cls(ifu, trace_edges(np.asarray(trace, np.float64), n_rows), wavelength, geometry)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """XOFFSET of each slice, int64 (48,)."""
        return x_offsets(np.nan_to_num(self.edges))

    def counts(self, shift: float, wavelengths: tuple[float, float], n_columns: int) -> NDArray[np.int64]:
        """Pixels of each slice in each row of the CCD between wavelengths, int64 (slices, rows).

        Parameters
        ----------
        shift : float, added to the wavelengths [Angstrom]
        wavelengths : (low, high), both inside [Angstrom]
        n_columns : int, of the CCD
        """
        counts = np.empty((self.edges.shape[0], self.edges.shape[2]), np.int64)
        bounds = _bounds(shift, wavelengths, n_columns)
        in_threads(lambda k: count_pixels(self.edges[k], self.wavelength[k], *bounds, counts[k]), counts.shape[0])
        return counts

    def limits(self, shift: float, wavelengths: tuple[float, float], n_columns: int) -> Limits:
        """Limits of the pixels of all slices; infinite if there are none. Parameters as for `counts`."""
        found = np.empty((self.edges.shape[0], 2, 3))
        bounds = _bounds(shift, wavelengths, n_columns)

        def one(k: int) -> None:
            found[k] = slice_field_limits(self.edges[k], self.wavelength[k], self.geometry[k], *bounds)

        in_threads(one, found.shape[0])
        return found[:, 0].min(axis=0), found[:, 1].max(axis=0)

    def ccd_rows(self, wavelengths: tuple[float, float], n_columns: int) -> tuple[int, int]:
        """First row of the CCD that sees wavelengths, and the row after the last, from 0."""
        seeing = np.flatnonzero(self.counts(0.0, wavelengths, n_columns).any(0))
        return (int(seeing[0]), int(seeing[-1]) + 1) if seeing.size else (0, 0)


def _bounds(
    shift: float, wavelengths: tuple[float, float], n_columns: int
) -> tuple[np.float32, np.float32, np.float32, int]:
    """As kernels take them: wavelengths of rows are float32."""
    return np.float32(shift), np.float32(wavelengths[0]), np.float32(wavelengths[1]), n_columns
