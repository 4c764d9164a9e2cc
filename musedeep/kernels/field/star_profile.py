"""Places of stars in an image: least-squares fits of elliptical Gaussians or Moffat profiles, or centroids in a box.

A profile has eight parameters p: background, peak, x, y, two widths, tilt and exponent. With u = (x - p2) / p4,
v = (y - p3) / p5 and q = u^2 + v^2 - 2 p6 u v it is

    p0 + p1 exp(-q / 2)         Gaussian
    p0 + p1 (1 + q)^-p7         Moffat (1969, A&A 3, 455)

Each star is fitted twice, to the pixels in a box around it, weighted by their variances:

1. without the pixels that lie nearer to another star;
2. with all pixels, from which the profiles of its neighbours in the first fit have been subtracted.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.levenberg import CONVERGED, Damping, Model, eliminate, minimise, space

DAMPING: Final = Damping(attempts=200, steps=200, refusals=60, decrease=1e-10, most=1e10, up=8.0, down=0.2)
SMALLEST_STEP: Final = 1e-6
"""Change of place with which a fit has converged [pixel]."""
EXPONENTS: Final = (1.05, 15.0)
"""Limits of the exponent of a Moffat profile: beyond them its light diverges, or it is a Gaussian."""
STEEPEST_TILT: Final = 0.9
START_EXPONENT: Final = 2.5
N_PARAMETERS: Final = 8
REACH: Final = 4
"""Neighbours are subtracted if they are nearer than this number of boxes."""
FEWEST: Final = 12
"""Pixels that a fit needs."""


@nb.njit(nogil=True, cache=True)
def profile(p, x, y):  # type: ignore[no-untyped-def]
    """Light of a star at a place, without the background; the exponent 0 stands for a Gaussian."""
    u, v = (x - p[2]) / p[4], (y - p[3]) / p[5]
    q = u * u + v * v - 2.0 * p[6] * u * v
    return p[1] * ((1.0 + q) ** -p[7] if p[7] > 0.0 else np.exp(-0.5 * q))


@nb.njit(nogil=True, cache=True)
def _equations(data, p, normal, gradient):
    """Weighted sum of squared residuals, and the normal equations: of eight parameters, or of seven of a Gaussian."""
    xs, ys, values, weights, moffat = data
    n = N_PARAMETERS if moffat else N_PARAMETERS - 1
    normal[:] = 0.0
    gradient[:] = 0.0
    d = np.empty(N_PARAMETERS)
    total = 0.0
    for k in range(xs.size):
        u, v = (xs[k] - p[2]) / p[4], (ys[k] - p[3]) / p[5]
        q = u * u + v * v - 2.0 * p[6] * u * v
        if moffat:
            shape = (1.0 + q) ** -p[7]
            slope = -p[1] * p[7] * shape / (1.0 + q)
            d[7] = -p[1] * shape * np.log(1.0 + q)
        else:
            shape = np.exp(-0.5 * q)
            slope = -0.5 * p[1] * shape
        along_u, along_v = 2.0 * (u - p[6] * v), 2.0 * (v - p[6] * u)
        d[0], d[1] = 1.0, shape
        d[2], d[3] = -slope * along_u / p[4], -slope * along_v / p[5]
        d[4], d[5] = d[2] * u, d[3] * v
        d[6] = -2.0 * slope * u * v
        residual = values[k] - p[0] - p[1] * shape
        total += weights[k] * residual * residual
        for i in range(n):
            gradient[i] += weights[k] * d[i] * residual
            for j in range(i + 1):
                normal[i, j] += weights[k] * d[i] * d[j]
    for i in range(n):
        for j in range(i):
            normal[j, i] = normal[i, j]
    if n < N_PARAMETERS:
        normal[7, 7] = 1.0
    return total


@nb.njit(nogil=True, cache=True)
def _within(data, p):
    if data[4]:
        p[7] = min(max(p[7], EXPONENTS[0]), EXPONENTS[1])
    return p[4] > 0.2 and p[5] > 0.2 and abs(p[6]) < STEEPEST_TILT


@nb.njit(nogil=True, cache=True)
def _small(step, p):
    return max(abs(step[2]), abs(step[3])) < SMALLEST_STEP


MODEL: Final = Model(_equations, eliminate, _within, _small)


@nb.njit(nogil=True, cache=True)
def fit_profile(xs, ys, values, weights, p, errors):  # type: ignore[no-untyped-def]
    """Fit a star to values at places; False unless it converges to a positive peak between them: p is of no use.

    Parameters
    ----------
    xs, ys, values, weights : float64 (n,); weights are inverse variances
    p : float64 (8,), first guess, then the result; the exponent 0 asks for a Gaussian
    errors : float64 (2,), filled with the errors of x and y that follow from the variances
    """
    if xs.size < FEWEST:
        return False
    arrays = space(N_PARAMETERS)
    status, _ = minimise(MODEL, N_PARAMETERS, (xs, ys, values, weights, p[7] > 0.0), p, arrays, DAMPING)
    inside = xs.min() < p[2] < xs.max() and ys.min() < p[3] < ys.max()
    if status != CONVERGED or not inside or not p[1] > 0:
        return False
    normal, work = arrays[0], arrays[2]
    one, column = np.zeros(N_PARAMETERS), np.empty(N_PARAMETERS)
    for i in range(2):
        one[:] = 0.0
        one[2 + i] = 1.0
        if not eliminate(normal, one, 0.0, work, column, N_PARAMETERS) or not column[2 + i] > 0:
            return False
        errors[i] = np.sqrt(column[2 + i])
    return True


@nb.njit(nogil=True, cache=True)
def _box(image, variance, places, star, half, subtracted, fits, good):
    """Pixels of a star's box: their places, values and weights."""
    ny, nx = image.shape
    cx, cy = int(np.rint(places[star, 0])), int(np.rint(places[star, 1]))
    size = (2 * half + 1) ** 2
    xs, ys, values, weights = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    n = 0
    for y in range(max(cy - half, 0), min(cy + half + 1, ny)):
        for x in range(max(cx - half, 0), min(cx + half + 1, nx)):
            if not (np.isfinite(image[y, x]) and variance[y, x] > 0):
                continue
            value, kept = np.float64(image[y, x]), True
            own = (x - places[star, 0]) ** 2 + (y - places[star, 1]) ** 2
            for other in range(places.shape[0]):
                dx, dy = places[other, 0] - places[star, 0], places[other, 1] - places[star, 1]
                if other == star or max(abs(dx), abs(dy)) > REACH * half:
                    continue
                if subtracted and good[other]:
                    value -= profile(fits[other], x, y)
                elif (x - places[other, 0]) ** 2 + (y - places[other, 1]) ** 2 < own:
                    kept = False
            if kept:
                xs[n], ys[n], values[n], weights[n] = x, y, value, 1.0 / variance[y, x]
                n += 1
    return xs[:n], ys[:n], values[:n], weights[:n]


@nb.njit(nogil=True, cache=True)
def _fit_stars(image, variance, places, half, exponent, background, fits, errors, good):
    first = np.empty_like(fits)
    reached = np.zeros_like(good)
    for turn in range(2):
        for star in range(places.shape[0]):
            xs, ys, values, weights = _box(image, variance, places, star, half, turn == 1, first, reached)
            p = fits[star]
            if turn == 0 or not good[star]:
                p[0], p[1] = background, values.max() - background if values.size else 0.0
                p[2], p[3], p[4], p[5], p[6], p[7] = places[star, 0], places[star, 1], 2.0, 2.0, 0.0, exponent
            good[star] = fit_profile(xs, ys, values, weights, p, errors[star])
        first[:] = fits
        reached[:] = good


def fit_stars(
    image: NDArray[np.float32], variance: NDArray[np.float32], places: NDArray[np.float64], half: int, moffat: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Fit profiles to the stars of an image.

    Parameters
    ----------
    image, variance : float (ny, nx), NaN where there are no data
    places : float64 (n, 2), first guess of x and y [pixel from 0]
    half : the box has 2 half + 1 pixels a side
    moffat : fit Moffat profiles, else Gaussians

    Returns
    -------
    fits : float64 (n, 8), the parameters; the exponent of a Gaussian is 0
    errors : float64 (n, 2), of x and y [pixel]
    good : bool (n,), the fit has converged to a peak in the box
    """
    n = places.shape[0]
    fits, errors, good = np.zeros((n, N_PARAMETERS)), np.zeros((n, 2)), np.zeros(n, np.bool_)
    finite = np.isfinite(image)
    background = float(np.median(image[finite])) if finite.any() else 0.0
    exponent = START_EXPONENT if moffat else 0.0
    _fit_stars(
        np.asarray(image, np.float32), np.asarray(variance, np.float32), np.ascontiguousarray(places, np.float64),
        half, exponent, background, fits, errors, good,
    )  # fmt: skip
    return fits, errors, good


def light(fits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of profiles (n, 8), integrated to infinity, float64 (n,)."""
    area = np.pi * fits[:, 4] * fits[:, 5] / np.sqrt(1.0 - fits[:, 6] ** 2)
    exponent = fits[:, 7]
    return np.asarray(fits[:, 1] * area * np.where(exponent > 0, 1.0 / np.maximum(exponent - 1.0, 1e-3), 2.0))


def widths(fits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Full widths at half maximum of profiles (n, 8) along their two axes, float64 (n, 2) [pixel]."""
    exponent = np.maximum(fits[:, 7], 1e-3)
    half = np.where(fits[:, 7] > 0, np.sqrt(2.0 ** (1.0 / exponent) - 1.0), np.sqrt(2.0 * np.log(2.0)))
    return np.asarray(2.0 * half[:, None] * np.abs(fits[:, 4:6]))


def box_centroids(
    image: NDArray[np.float32], places: NDArray[np.float64], half: int, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroids of the light above a level, in boxes around stars.

    Light below the level does not count: where the box is cut does not move the centroid then.

    Parameters
    ----------
    image : float (ny, nx), NaN where there are no data
    places : float64 (n, 2), first guess of x and y [pixel from 0]
    half : the box has 2 half + 1 pixels a side

    Returns
    -------
    places : float64 (n, 2)
    flux : float64 (n,), light above the level in the box; 0 where there is none
    """
    ny, nx = image.shape
    found, flux = np.array(places, np.float64), np.zeros(places.shape[0])
    for star, (x, y) in enumerate(np.rint(places).astype(np.int64)):
        rows = np.arange(max(y - half, 0), min(y + half + 1, ny))
        columns = np.arange(max(x - half, 0), min(x + half + 1, nx))
        above = np.nan_to_num(image[np.ix_(rows, columns)].astype(np.float64), nan=-np.inf) - level
        above[above < 0] = 0.0
        total = above.sum()
        if total > 0:
            found[star] = (above.sum(axis=0) * columns).sum() / total, (above.sum(axis=1) * rows).sum() / total
            flux[star] = total
    return found, flux
