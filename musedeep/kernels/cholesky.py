"""Small symmetric positive systems of equations, solved in place."""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def solve_positive(a, b, n, least):
    """Solve a x = b by Cholesky's decomposition: b becomes x, the lower triangle of a its factor.

    Parameters
    ----------
    a : float64 (at least n, at least n), of which the lower triangle is read
    b : float64 (at least n,)
    n : number of equations
    least : squares of the factor's diagonal have to exceed this

    Returns
    -------
    bool
        False if the matrix is not positive; a and b are spoiled then.
    """
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            if i == j:
                if not total > least:
                    return False
                a[i, i] = np.sqrt(total)
            else:
                a[i, j] = total / a[j, j]
    for i in range(n):
        total = b[i]
        for k in range(i):
            total -= a[i, k] * b[k]
        b[i] = total / a[i, i]
    for i in range(n - 1, -1, -1):
        total = b[i]
        for k in range(i + 1, n):
            total -= a[k, i] * b[k]
        b[i] = total / a[i, i]
    return True
