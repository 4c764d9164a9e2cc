"""The wavelength of every pixel of a CCD, and what masks of raw images are made of."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.slices.slice_pixels import row_span, row_terms


@nb.njit(nogil=True, cache=True)
def wavelength_map(edges: NDArray[np.float64], wavelength: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """Wavelengths of the pixels of a slice, written into a map of the CCD; other pixels keep their values.

    Parameters
    ----------
    edges : float64 (2, rows), left and right edge in each row [pixel, from 1]
    wavelength : float64 (x order + 1, y order + 1), polynomial of column and row, both from 1 [Angstrom]
    out : float32 (rows, columns), filled [Angstrom]
    """
    terms = np.empty(wavelength.shape[0])
    for row in range(edges.shape[1]):
        row_terms(wavelength, row + 1.0, terms)
        first, last = row_span(edges[0, row], edges[1, row], out.shape[1])
        for x in range(first, last + 1):
            value = 0.0
            for k in range(terms.size - 1, -1, -1):
                value = value * x + terms[k]
            out[row, x - 1] = value


def from_column(coefficients: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """The polynomial of the column and row, as one of the column less `first`."""
    x = np.polynomial.Polynomial([float(first), 1.0])
    powers = [x**i for i in range(coefficients.shape[0])]
    out = np.zeros_like(coefficients)
    for power, row in zip(powers, coefficients, strict=True):
        out[: power.coef.size] += power.coef[:, None] * row
    return out


def binned(wavelengths: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """The map of a binned CCD, float32: the mean of the pixels that were read together, 0 if one of them is 0."""
    if rows == columns == 1:
        return wavelengths
    height, width = wavelengths.shape[0] // rows, wavelengths.shape[1] // columns
    parts = wavelengths[: height * rows, : width * columns].reshape(height, rows, width, columns)
    mean = parts.mean((1, 3), dtype=np.float64)
    return np.where((parts > 0).all((1, 3)), mean, 0.0).astype(np.float32)
