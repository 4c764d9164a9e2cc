"""Rows of many slices side by side on planes of position and wavelength; see `slit_image`."""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.slices.slit_image import RADIUS


@nb.njit(nogil=True, cache=True)
def slice_ranges(x: NDArray[np.float32], origin: NDArray[np.int32], ranges: NDArray[np.float64]) -> None:
    """Widen the lowest and highest x of each slice.

    Parameters
    ----------
    x, origin : (rows,), position, and IFU and slice in the low 11 bits (manual A.3.2)
    ranges : float64 (2048, 2), changed
    """
    for i in range(x.size):
        k = origin[i] & 2047
        ranges[k, 0] = min(ranges[k, 0], x[i])
        ranges[k, 1] = max(ranges[k, 1], x[i])


@nb.njit(nogil=True, cache=True)
def stack_rows(
    rows: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]],
    lowest: NDArray[np.float64],
    columns: NDArray[np.int64],
    steps: tuple[Any, Any, Any],
    sums: NDArray[np.float64],
) -> None:
    """Add rows to the columns of their slices, with the weights of `slit_image.resample_slice` along the wavelength.

    Parameters
    ----------
    rows : x, wavelength, data, dq, origin, (rows,) each; rows with flags do not count
    lowest : float64 (2048,), x of the first column of each slice
    columns : int64 (2048,), first column of each slice in `sums`; -1 for those that are not wanted
    steps : width of a column, in the unit of x; first wavelength, and step [Angstrom]
    sums : float64 (wavelengths, columns, 2), weight x value, and weight; added to
    """
    x, wavelength, data, dq, origin = rows
    width, start, step = steps
    n_z, n_x = sums.shape[0], sums.shape[1]
    for i in range(x.size):
        k = origin[i] & 2047
        if columns[k] < 0 or dq[i] != 0:
            continue
        column = columns[k] + int(np.rint((np.float64(x[i]) - lowest[k]) / width))
        if column >= n_x:
            continue
        z = (np.float64(wavelength[i]) - start) / step
        middle = int(np.rint(z))
        for m in range(max(middle - 1, 0), min(middle + 2, n_z)):
            distance = max(abs(z - m), 1e-6)
            if distance < RADIUS:
                weight = ((RADIUS - distance) / (RADIUS * distance)) ** 2
                sums[m, column, 0] += weight * data[i]
                sums[m, column, 1] += weight
