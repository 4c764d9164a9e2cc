"""Least-squares fits of Gaussians to small windows (the loop is that of `levenberg`).

Unlike general optimisers, which call a model function for each fit, these run inside other kernels, without the GIL and
without allocations beyond a few numbers: hundreds of thousands of spots take seconds.
"""

from typing import Final

import numba as nb
import numpy as np

from musedeep.kernels.lines.levenberg import CONVERGED, Damping, Model, eliminate, minimise, space

DAMPING: Final = Damping(attempts=60, steps=60, refusals=60, decrease=1e-9, most=1e8, up=8.0, down=0.2)
SMALLEST_STEP: Final = 1e-9
"""Change of place and dispersion, relative to the dispersion, with which a fit has converged."""


@nb.njit(nogil=True, cache=True)
def _equations_2d(data, p, normal, gradient):
    """Sum of squared residuals of a window, and the normal equations of the six parameters."""
    values, good, px, py = data
    rows, columns = values.shape
    normal[:] = 0.0
    gradient[:] = 0.0
    for x in range(columns):
        px[x] = np.exp(-0.5 * ((x - p[2]) / p[4]) ** 2)
    for y in range(rows):
        py[y] = np.exp(-0.5 * ((y - p[3]) / p[5]) ** 2)
    total = 0.0
    for y in range(rows):
        v = (y - p[3]) / p[5]
        for x in range(columns):
            if not good[y, x]:
                continue
            u = (x - p[2]) / p[4]
            shape = px[x] * py[y]
            light = p[1] * shape
            d = 1.0, shape, light * u / p[4], light * v / p[5], light * u * u / p[4], light * v * v / p[5]
            residual = values[y, x] - p[0] - light
            total += residual * residual
            for i in range(6):
                gradient[i] += d[i] * residual
                for j in range(i + 1):
                    normal[i, j] += d[i] * d[j]
    for i in range(6):
        for j in range(i):
            normal[j, i] = normal[i, j]
    return total


@nb.njit(nogil=True, cache=True)
def _within_2d(data, p):
    rows, columns = data[0].shape
    return p[4] > 0.1 and p[5] > 0.1 and p[4] < columns and p[5] < rows


@nb.njit(nogil=True, cache=True)
def _small_2d(step, p):
    return (
        max(abs(step[2]), abs(step[4])) < SMALLEST_STEP * p[4]
        and max(abs(step[3]), abs(step[5])) < SMALLEST_STEP * p[5]
    )


@nb.njit(nogil=True, cache=True)
def _equations_1d(data, p, normal, gradient):
    """Sum of squared residuals of a profile, and the normal equations of the four parameters."""
    position, values, _ = data
    normal[:] = 0.0
    gradient[:] = 0.0
    total = 0.0
    for k in range(values.size):
        u = (position[k] - p[2]) / p[3]
        shape = np.exp(-0.5 * u * u)
        light = p[1] * shape
        d = 1.0, shape, light * u / p[3], light * u * u / p[3]
        residual = values[k] - p[0] - light
        total += residual * residual
        for i in range(4):
            gradient[i] += d[i] * residual
            for j in range(4):
                normal[i, j] += d[i] * d[j]
    return total


@nb.njit(nogil=True, cache=True)
def _within_1d(data, p):
    return 0 < p[3] < data[2]


@nb.njit(nogil=True, cache=True)
def _small_1d(step, p):
    return max(abs(step[2]), abs(step[3])) < SMALLEST_STEP * p[3]


MODEL_2D: Final = Model(_equations_2d, eliminate, _within_2d, _small_2d)
MODEL_1D: Final = Model(_equations_1d, eliminate, _within_1d, _small_1d)


@nb.njit(nogil=True, cache=True)
def fit_gaussian_2d(values, good, p):
    """Fit background and Gaussian to a window; False unless it converges to a positive peak inside: p is of no use.

    Parameters
    ----------
    values : float64 (rows, columns)
    good : bool (rows, columns), pixels to use
    p : float64 (6,): background, peak, x, y (pixels from 0), dispersions in x and y; first guess, then the result
    """
    rows, columns = values.shape
    data = values, good, np.empty(columns), np.empty(rows)
    status, _ = minimise(MODEL_2D, 6, data, p, space(6), DAMPING)
    return status == CONVERGED and -0.5 < p[2] < columns - 0.5 and -0.5 < p[3] < rows - 0.5 and p[1] > 0


@nb.njit(nogil=True, cache=True)
def fit_gaussian_1d(position, values, p):
    """Fit background and Gaussian to a profile; False unless it converges to a positive peak inside: p is of no use.

    Parameters
    ----------
    position, values : float64 (n,)
    p : float64 (4,): background, peak, centre, dispersion; first guess, then the result
    """
    if values.size < 5:
        return False
    low, high = position.min(), position.max()
    status, _ = minimise(MODEL_1D, 4, (position, values, high - low), p, space(4), DAMPING)
    return status == CONVERGED and low < p[2] < high and p[1] > 0
