"""Normal equations of linear least squares, added up bin by bin: the same bits whatever the number of threads."""

import numba as nb
import numpy as np
from numpy.typing import NDArray


@nb.njit(nogil=True, cache=True)
def normal_equations(
    design: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and right-hand side, float64 (n, n) and (n,).

    Parameters
    ----------
    design : float64 (bins, n), of which many values are 0
    values : float64 (bins,)
    weights : float64 (bins,); bins of weight 0 are not looked at
    """
    bins, n = design.shape
    matrix, right = np.zeros((n, n)), np.zeros(n)
    some = np.empty(n, np.int64)
    for i in range(bins):
        if not weights[i] > 0.0:
            continue
        m = 0
        for j in range(n):
            if design[i, j] != 0.0:
                some[m] = j
                m += 1
        for a in range(m):
            j = some[a]
            weighted = weights[i] * design[i, j]
            right[j] += weighted * values[i]
            for b in range(a, m):
                matrix[j, some[b]] += weighted * design[i, some[b]]
    for j in range(n):
        for k in range(j):
            matrix[j, k] = matrix[k, j]
    return matrix, right
