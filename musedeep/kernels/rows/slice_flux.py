"""Sums of the data of each slice, range of wavelengths and CCD column; factors of slices on rows."""

from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES

CCD_COLUMNS: Final = 128
"""Possible columns of a slice: `origin` has seven bits for them (manual A.3.2)."""

SLICE_BITS, COLUMN_SHIFT, COLUMN_BITS = 63, 24, 127


@nb.njit(nogil=True, cache=True)
def range_of(wavelength: Any, limits: NDArray[np.float64]) -> Any:
    """Number of the range that holds a wavelength, from 0; the first or last one beyond them."""
    low, high = 0, limits.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if wavelength < limits[middle]:
            high = middle
        else:
            low = middle
    return low


@nb.njit(nogil=True, cache=True)
def add_to_columns(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    origin: NDArray[np.int32],
    mask: NDArray[np.bool_],
    x_start: Any,
    y_start: Any,
    limits: NDArray[np.float64],
    number: NDArray[np.int64],
    total: NDArray[np.float64],
) -> None:
    """Add the data of rows of one IFU in a mask of the field, column by column of the CCD.

    Parameters
    ----------
    xpos, ypos, wavelength, data, origin : float32 and int32 (rows,); positions in pixels of the mask
    mask : bool (ny, nx), true where rows count; beyond it the nearest pixel decides
    x_start, y_start : position of the middle of its first pixel
    limits : float64 (ranges + 1,), of the ranges of wavelengths [Angstrom]
    number, total : int64, float64 (48, ranges, 128), numbers and sums of data, added to; not finite data are left out
    """
    ny, nx = mask.shape
    for i in range(data.size):
        slice_number = origin[i] & SLICE_BITS
        if slice_number < 1 or slice_number > N_SLICES or not np.isfinite(data[i]):
            continue
        x = min(max(int(np.floor(xpos[i] - x_start + 0.5)), 0), nx - 1)
        y = min(max(int(np.floor(ypos[i] - y_start + 0.5)), 0), ny - 1)
        if not mask[y, x]:
            continue
        k = range_of(wavelength[i], limits)
        column = (origin[i] >> COLUMN_SHIFT) & COLUMN_BITS
        number[slice_number - 1, k, column] += 1
        total[slice_number - 1, k, column] += data[i]


@nb.njit(nogil=True, cache=True)
def scale_slices(
    wavelength: NDArray[np.float32],
    origin: NDArray[np.int32],
    limits: NDArray[np.float64],
    factors: NDArray[np.float64],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
) -> None:
    """Multiply data by the factor of their slice and range of wavelengths, and variances by its square.

    Parameters
    ----------
    wavelength, origin : float32, int32 (rows,)
    limits : float64 (ranges + 1,) [Angstrom]
    factors : float64 (24, 48, ranges), NaN: rows stay
    data, stat : float32 (rows,), changed
    """
    for i in range(data.size):
        slice_number, ifu = origin[i] & SLICE_BITS, (origin[i] >> 6) & 31
        if slice_number < 1 or slice_number > N_SLICES or ifu < 1 or ifu > factors.shape[0]:
            continue
        factor = factors[ifu - 1, slice_number - 1, range_of(wavelength[i], limits)]
        if np.isfinite(factor):
            data[i] = np.float32(data[i] * factor)
            stat[i] = np.float32(stat[i] * factor * factor)
