"""Smoothing of a curve over wavelength by local polynomials and a running mean, robust against single points.

1. At each point a cubic polynomial is fitted to the points within some distance of it. Points off by more than three
   times the rms of the others are left out, and the fit is repeated, until no more are. The curve takes its value.
2. A running mean follows, of as many points on either side: of the points within a distance, as many as there are on
   the side that has fewer. So a slope leaves the ends where they are.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.levenberg import eliminate
from musedeep.threads import in_threads

Floats = NDArray[np.float64]

CLIP: Final = 3.0
ROUNDS: Final = 20
DEGREE: Final = 3
POINTS: Final = 256
"""Points that a thread fits at a time."""


@nb.njit(nogil=True, cache=True)
def fit_polynomial(x, y, used, degree, coefficients):
    """Fit a polynomial to the used points, by the normal equations: the rms of the residuals.

    Parameters
    ----------
    x, y : float64 (n,); x within -1 and 1, so that the equations are well conditioned
    used : bool (n,), at least one of them; with too few the degree is lower
    coefficients : float64 (degree + 1,), filled; rising powers
    """
    number = 0
    for i in range(x.size):
        number += used[i]
    m = min(degree + 1, number)
    sums, right = np.zeros(2 * m - 1), np.zeros(m)
    for i in range(x.size):
        if used[i]:
            power = 1.0
            for j in range(2 * m - 1):
                sums[j] += power
                if j < m:
                    right[j] += power * y[i]
                power *= x[i]
    normal, work, step = np.empty((m, m)), np.empty((m, m)), np.empty(m)
    for i in range(m):
        for j in range(m):
            normal[i, j] = sums[i + j]
    for i in range(coefficients.size):
        coefficients[i] = 0.0
    if eliminate(normal, right, 0.0, work, step, m):
        for i in range(m):
            coefficients[i] = step[i]
    squares = 0.0
    for i in range(x.size):
        if used[i]:
            squares += (y[i] - polynomial(x[i], coefficients)) ** 2
    return np.sqrt(squares / number)


@nb.njit(nogil=True, cache=True)
def polynomial(x, coefficients):
    """Value of a polynomial of rising powers."""
    value = 0.0
    for j in range(coefficients.size - 1, -1, -1):
        value = value * x + coefficients[j]
    return value


@nb.njit(nogil=True, cache=True)
def fit_clipped(x, y, used, degree, coefficients):
    """The same without the points that are off by more than CLIP times the rms, which `used` loses; the rms."""
    rms = fit_polynomial(x, y, used, degree, coefficients)
    for _ in range(ROUNDS):
        changed, left = False, 0
        for i in range(x.size):
            # the rounding of an exact polynomial is no reason
            if used[i] and abs(y[i] - polynomial(x[i], coefficients)) > CLIP * rms + 1e-12 * abs(y[i]):
                used[i] = False
                changed = True
            left += used[i]
        if not changed or left <= degree + 1:
            break
        rms = fit_polynomial(x, y, used, degree, coefficients)
    return rms


@nb.njit(nogil=True, cache=True)
def _fit_around(wavelength, values, reach, begin, end, fitted):
    """Values of the polynomials at the points begin to end - 1."""
    coefficients = np.empty(DEGREE + 1)
    x, used = np.empty(wavelength.size), np.empty(wavelength.size, np.bool_)
    low, high = np.int64(0), np.int64(0)
    for k in range(begin, end):
        while wavelength[low] < wavelength[k] - reach:
            low += 1
        while high < wavelength.size and wavelength[high] <= wavelength[k] + reach:
            high += 1
        for i in range(low, high):
            x[i], used[i] = (wavelength[i] - wavelength[k]) / reach, True
        fit_clipped(x[low:high], values[low:high], used[low:high], DEGREE, coefficients)
        fitted[k] = coefficients[0]


@nb.njit(nogil=True, cache=True)
def _running_mean(wavelength, fitted, reach, smooth, spread):
    """The running mean, and the standard deviation of what it averages."""
    n = wavelength.size
    low, high = np.int64(0), np.int64(0)
    for k in range(n):
        while wavelength[low] < wavelength[k] - reach:
            low += 1
        while high < n and wavelength[high] <= wavelength[k] + reach:
            high += 1
        side = min(k - low, high - 1 - k)
        total = squares = 0.0
        for i in range(k - side, k + side + 1):
            total += fitted[i]
        smooth[k] = total / (2 * side + 1)
        for i in range(k - side, k + side + 1):
            squares += (fitted[i] - smooth[k]) ** 2
        spread[k] = np.sqrt(squares / (2 * side)) if side else 0.0


def smooth_curve(
    wavelength: Floats, values: Floats, reach: float, mean_reach: float, smooth: Floats, spread: Floats
) -> None:
    """Smooth a curve.

    Parameters
    ----------
    wavelength : float64 (n,), ascending
    values : float64 (n,), finite
    reach, mean_reach : float, distances on either side of a point for the polynomial and for the running mean
    smooth : float64 (n,), the result
    spread : float64 (n,), standard deviation of the polynomials' values that the running mean averages
    """
    n = wavelength.size
    fitted = np.empty(n)

    def fit(number: int) -> None:
        _fit_around(wavelength, values, reach, number * POINTS, min((number + 1) * POINTS, n), fitted)

    in_threads(fit, -(-n // POINTS))
    _running_mean(wavelength, fitted, mean_reach, smooth, spread)
