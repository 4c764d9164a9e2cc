"""Smoothing of a curve over wavelength by local polynomials and a running mean, robust against single points.

1. At each point a cubic polynomial is fitted to the points within some distance of it. Points off by more than three
   times the rms of the others are left out, and the fit is repeated, until no more are. The curve takes its value.
2. A running mean follows, of as many points on either side: of the points within a distance, as many as there are on
   the side that has fewer. So a slope leaves the ends where they are.
"""

from typing import Final

import numba as nb
import numpy as np

from musedeep.kernels.lines.levenberg import eliminate
from musedeep.threads import in_threads

CLIP: Final = 3.0
ROUNDS: Final = 20
DEGREE: Final = 3
PIECE: Final = 256
"""Points that one thread fits at a time."""


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
    coefficients[:] = 0.0
    if eliminate(normal, right, 0.0, work, step, m):
        for i in range(m):
            coefficients[i] = step[i]
    squares = 0.0
    for i in range(x.size):
        if used[i]:
            squares += (y[i] - polynomial(x[i], coefficients)) ** 2
    return np.sqrt(squares / number)


@nb.njit(nogil=True, inline="always")
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
        changed = False
        for i in range(x.size):
            # the rounding of an exact polynomial is no reason
            if used[i] and abs(y[i] - polynomial(x[i], coefficients)) > CLIP * rms + 1e-12 * abs(y[i]):
                used[i] = False
                changed = True
        if not changed or used.sum() <= degree + 1:
            break
        rms = fit_polynomial(x, y, used, degree, coefficients)
    return rms


@nb.njit(nogil=True, cache=True)
def _fit_locally(wavelength, values, reach, first, last, fitted):
    """Step 1 for the points [first, last)."""
    coefficients = np.empty(DEGREE + 1)
    for k in range(first, last):
        low = np.searchsorted(wavelength, wavelength[k] - reach)
        high = np.searchsorted(wavelength, wavelength[k] + reach, side="right")
        x = (wavelength[low:high] - wavelength[k]) / reach
        fit_clipped(x, values[low:high], np.ones(high - low, np.bool_), DEGREE, coefficients)
        fitted[k] = coefficients[0]


@nb.njit(nogil=True, cache=True)
def _running_mean(wavelength, fitted, mean_reach, smooth, spread):
    """Step 2."""
    for k in range(wavelength.size):
        low = np.searchsorted(wavelength, wavelength[k] - mean_reach)
        high = np.searchsorted(wavelength, wavelength[k] + mean_reach, side="right")
        side = min(k - low, high - 1 - k)
        part = fitted[k - side : k + side + 1]
        smooth[k] = part.mean()
        spread[k] = np.sqrt(((part - smooth[k]) ** 2).sum() / (2 * side)) if side else 0.0


def smooth_curve(wavelength, values, reach, mean_reach, smooth, spread):  # type: ignore[no-untyped-def]
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

    def fit(k: int) -> None:
        _fit_locally(wavelength, values, reach, k * PIECE, min((k + 1) * PIECE, n), fitted)

    # threads of its own: those of numba take longer to start than all this lasts
    in_threads(fit, -(-n // PIECE))
    _running_mean(wavelength, fitted, mean_reach, smooth, spread)
