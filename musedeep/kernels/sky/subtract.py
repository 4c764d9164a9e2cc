"""Subtraction of a tabulated sky from rows of a pixel table."""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES

SLICE_BITS, IFU_SHIFT, IFU_BITS = 63, 6, 31
"""Where `origin` has the numbers of slice and IFU (manual A.3.2)."""


@nb.njit(nogil=True, cache=True)
def subtract_tables(
    wavelength: NDArray[np.float32],
    origin: NDArray[np.int32],
    ifu: Any,
    tables: NDArray[np.float32],
    start: Any,
    step: Any,
    data: NDArray[np.float32],
    first: Any = 0,
    bins: Any = 0,
) -> None:
    """Subtract from each row of an IFU the spectrum of its slice at its wavelength.

    Rows beyond the ends of the tables get the value at the end; rows of other IFUs stay.

    Parameters
    ----------
    wavelength, origin : float32, int32 (rows,)
    ifu : int
    tables : float32 (48, bins + 2)
        Coefficients of cubic B-splines, of which the first belongs to a knot one step before `start`.
    start, step : float, of the tables [Angstrom]
    data : float32 (rows,), changed
    first, bins : int
        Where only a part of the tables is given: the number of its first coefficient, and the bins of the whole. Rows
        must need no other coefficients.
    """
    n = bins if bins else tables.shape[1] - 2
    for i in range(wavelength.size):
        slice_number = origin[i] & SLICE_BITS
        if slice_number < 1 or slice_number > N_SLICES or (origin[i] >> IFU_SHIFT) & IFU_BITS != ifu:
            continue
        t = min(max((wavelength[i] - start) / step, 0.0), n - 1.0)
        k = min(int(t), n - 2)
        f = t - k
        g = 1.0 - f
        j = slice_number - 1
        k -= first
        sky = (
            g * g * g * tables[j, k]
            + (3.0 * f * f * f - 6.0 * f * f + 4.0) * tables[j, k + 1]
            + (3.0 * g * g * g - 6.0 * g * g + 4.0) * tables[j, k + 2]
            + f * f * f * tables[j, k + 3]
        ) / 6.0
        data[i] = np.float32(data[i] - sky)


@nb.njit(nogil=True, cache=True)
def subtract_linear(
    wavelength: NDArray[np.float32],
    nodes: NDArray[np.float64],
    values: NDArray[np.float64],
    data: NDArray[np.float32],
) -> None:
    """Subtract a spectrum, linear between its nodes and constant beyond them, from rows.

    Parameters
    ----------
    wavelength : float32 (rows,)
    nodes, values : float64 (n,), n > 1, wavelengths ascend
    data : float32 (rows,), changed
    """
    n = nodes.size
    k = 0
    for i in range(wavelength.size):
        x = np.float64(wavelength[i])
        if not (nodes[k] <= x < nodes[k + 1]):
            k = min(max(int(np.searchsorted(nodes, x, side="right")) - 1, 0), n - 2)
        f = min(max((x - nodes[k]) / (nodes[k + 1] - nodes[k]), 0.0), 1.0)
        data[i] = np.float32(data[i] - ((1.0 - f) * values[k] + f * values[k + 1]))
