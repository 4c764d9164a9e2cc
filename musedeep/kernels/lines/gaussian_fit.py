"""Least-squares fits of Gaussians to small windows, by Levenberg and Marquardt's damped steps.

Unlike general optimisers, which call a model function for each fit, these run inside other kernels, without the GIL and
without allocations beyond a few numbers: hundreds of thousands of spots take seconds.
"""

from typing import Final

import numba as nb
import numpy as np

MAX_STEPS: Final = 60
TOLERANCE: Final = 1e-9
"""Relative change of the sum of squares below which a fit has converged."""
SMALLEST_STEP: Final = 1e-9
"""It has, too, when place and dispersion change by less than this part of the dispersion."""


@nb.njit(nogil=True, cache=True)
def _solve(matrix, vector, n):
    """Solve a symmetric positive system in place by elimination; False if it is singular."""
    for i in range(n):
        if not abs(matrix[i, i]) > 1e-300:
            return False
        for j in range(i + 1, n):
            factor = matrix[j, i] / matrix[i, i]
            for k in range(i, n):
                matrix[j, k] -= factor * matrix[i, k]
            vector[j] -= factor * vector[i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    return True


@nb.njit(nogil=True, cache=True)
def _accumulate_2d(values, good, p, normal, gradient, px, py):
    """Sum of squared residuals of a window, and the normal equations of the six parameters."""
    rows, columns = values.shape
    normal[:] = 0.0
    gradient[:] = 0.0
    for x in range(columns):
        px[x] = np.exp(-0.5 * ((x - p[2]) / p[4]) ** 2)
    for y in range(rows):
        py[y] = np.exp(-0.5 * ((y - p[3]) / p[5]) ** 2)
    total = 0.0
    d = np.empty(6)
    for y in range(rows):
        v = (y - p[3]) / p[5]
        for x in range(columns):
            if not good[y, x]:
                continue
            u = (x - p[2]) / p[4]
            shape = px[x] * py[y]
            light = p[1] * shape
            d[0], d[1] = 1.0, shape
            d[2], d[3] = light * u / p[4], light * v / p[5]
            d[4], d[5] = light * u * u / p[4], light * v * v / p[5]
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
def _accumulate_1d(position, values, p, normal, gradient):
    """Sum of squared residuals of a profile, and the normal equations of the four parameters."""
    normal[:] = 0.0
    gradient[:] = 0.0
    total = 0.0
    d = np.empty(4)
    for k in range(values.size):
        u = (position[k] - p[2]) / p[3]
        shape = np.exp(-0.5 * u * u)
        light = p[1] * shape
        d[0], d[1], d[2], d[3] = 1.0, shape, light * u / p[3], light * u * u / p[3]
        residual = values[k] - p[0] - light
        total += residual * residual
        for i in range(4):
            gradient[i] += d[i] * residual
            for j in range(4):
                normal[i, j] += d[i] * d[j]
    return total


@nb.njit(nogil=True, cache=True)
def fit_gaussian_2d(values, good, p):
    """Fit background and a Gaussian along the axes to a window.

    Parameters
    ----------
    values : float64 (rows, columns)
    good : bool (rows, columns), pixels to use
    p : float64 (6,): background, peak, x, y (pixels from 0), dispersions in x and y; first guess, then the result

    Returns
    -------
    bool
        The fit converged to a positive peak inside the window; else p is of no use.
    """
    n = 6
    normal, gradient = np.empty((n, n)), np.empty(n)
    trial_normal, trial_gradient = np.empty((n, n)), np.empty(n)
    px, py = np.empty(values.shape[1]), np.empty(values.shape[0])
    work, step, trial = np.empty((n, n)), np.empty(n), np.empty(n)
    total = _accumulate_2d(values, good, p, normal, gradient, px, py)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        work[:] = normal
        step[:] = gradient
        for i in range(n):
            work[i, i] *= 1.0 + damping
        if not _solve(work, step, n):
            return False
        trial[:] = p + step
        inside = -0.5 < p[2] < values.shape[1] - 0.5 and -0.5 < p[3] < values.shape[0] - 0.5
        if (
            max(abs(step[2]), abs(step[4])) < SMALLEST_STEP * p[4]
            and max(abs(step[3]), abs(step[5])) < SMALLEST_STEP * p[5]
        ):
            return inside and p[1] > 0
        usable = trial[4] > 0.1 and trial[5] > 0.1 and trial[4] < values.shape[1] and trial[5] < values.shape[0]
        new = _accumulate_2d(values, good, trial, trial_normal, trial_gradient, px, py) if usable else np.inf
        if new <= total:
            done = total - new <= TOLERANCE * total
            p[:] = trial
            normal[:] = trial_normal
            gradient[:] = trial_gradient
            total = new
            damping = max(damping * 0.2, 1e-9)
            if done:
                inside = -0.5 < p[2] < values.shape[1] - 0.5 and -0.5 < p[3] < values.shape[0] - 0.5
                return inside and p[1] > 0
        else:
            damping *= 8.0
            if damping > 1e8:
                return False
    return False


@nb.njit(nogil=True, cache=True)
def fit_gaussian_1d(position, values, p):
    """Fit background and a Gaussian to a profile.

    Parameters
    ----------
    position, values : float64 (n,)
    p : float64 (4,): background, peak, centre, dispersion; first guess, then the result

    Returns
    -------
    bool
        The fit converged to a positive peak between the first and the last position; else p is of no use.
    """
    n = 4
    if values.size < n + 1:
        return False
    normal, gradient = np.empty((n, n)), np.empty(n)
    trial_normal, trial_gradient = np.empty((n, n)), np.empty(n)
    work, step, trial = np.empty((n, n)), np.empty(n), np.empty(n)
    low, high = position.min(), position.max()
    total = _accumulate_1d(position, values, p, normal, gradient)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        work[:] = normal
        step[:] = gradient
        for i in range(n):
            work[i, i] *= 1.0 + damping
        if not _solve(work, step, n):
            return False
        trial[:] = p + step
        if max(abs(step[2]), abs(step[3])) < SMALLEST_STEP * p[3]:
            return low < p[2] < high and p[1] > 0
        usable = 0 < trial[3] < high - low
        new = _accumulate_1d(position, values, trial, trial_normal, trial_gradient) if usable else np.inf
        if new <= total:
            done = total - new <= TOLERANCE * total
            p[:] = trial
            normal[:] = trial_normal
            gradient[:] = trial_gradient
            total = new
            damping = max(damping * 0.2, 1e-9)
            if done:
                return low < p[2] < high and p[1] > 0
        else:
            damping *= 8.0
            if damping > 1e8:
                return False
    return False
