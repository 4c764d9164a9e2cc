"""Circular Moffat profiles (Moffat 1969, A&A 3, 455) of many stars in many images, as their spaxels hold them.

With r the distance from the middle of the star, its light is

    background + peak (1 + (r / alpha)^2)^-beta,    alpha = fwhm / (2 sqrt(2^(1 / beta) - 1))

averaged over each spaxel: by Gauss and Legendre's rule of three by three points, or taken at its middle alone (one
point). A star has four parameters in each image: peak, background, x, y. All stars of an image share fwhm and beta.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOCAL: Final = 4
"""Parameters of a star in one image: peak, background, x, y."""
ALL: Final = 6
"""The same with fwhm and beta."""
POINTS: Final = {True: 3, False: 1}
"""Points along each side of a spaxel: averaged over it, or taken at its middle."""


def nodes(integrated: bool) -> tuple[Array, Array]:
    """Places within a spaxel (-0.5 to 0.5) and weights of the rule along one axis, both float64 (n,)."""
    places, weights = np.polynomial.legendre.leggauss(POINTS[integrated])
    return 0.5 * places, 0.5 * weights


@nb.njit(nogil=True, cache=True)
def scale_radius(fwhm: float, beta: float) -> float:
    """Scale radius alpha of a profile, in the unit of its width."""
    return 0.5 * fwhm / np.sqrt(2.0 ** (1.0 / beta) - 1.0)


@nb.njit(nogil=True, cache=True)
def _spaxel(x, y, alpha, beta, places, weights, d):
    """Mean over a spaxel at (x, y) from the middle of a star of peak 1, and of its derivatives.

    `d` is filled with those by the shift in x and y, by alpha, and by beta at constant alpha.
    """
    total = 0.0
    d[:] = 0.0
    for j in range(places.size):
        v = y + places[j]
        for i in range(places.size):
            u = x + places[i]
            q = (u * u + v * v) / (alpha * alpha)
            log = np.log1p(q)
            shape = weights[i] * weights[j] * np.exp(-beta * log)
            slope = 2.0 * beta * shape / (1.0 + q)
            total += shape
            d[0] += slope * u / (alpha * alpha)
            d[1] += slope * v / (alpha * alpha)
            d[2] += slope * q / alpha
            d[3] -= shape * log
    return total


@nb.njit(nogil=True, cache=True)
def render(local, fwhm, beta, places, weights, out):
    """Fill images with stars.

    Parameters
    ----------
    local : float64 (images, stars, 4), peak, background, x, y [pixel from 0 of the cutout]
    fwhm, beta : float64 (images,) [pixel], exponent
    places, weights : see `nodes`
    out : float64 (images, stars, ny, nx), filled
    """
    d = np.empty(4)
    for b in range(out.shape[0]):
        alpha = scale_radius(fwhm[b], beta[b])
        for s in range(out.shape[1]):
            peak, level, x0, y0 = local[b, s]
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[b, s, y, x] = level + peak * _spaxel(x - x0, y - y0, alpha, beta[b], places, weights, d)


@nb.njit(nogil=True, cache=True)
def equations(values, weights, local, fwhm, beta, places, point_weights, normal, gradient, square):
    """Normal equations of a least-squares fit, for each star in each image.

    Parameters
    ----------
    values, weights : float64 (images, stars, ny, nx), weights are inverse variances, 0 without data
    local : float64 (images, stars, 4), see `render`
    fwhm, beta : float64 (images,) [pixel], exponent
    places, point_weights : see `nodes`
    normal : float64 (images, stars, 6, 6), filled: peak, background, x, y, fwhm, beta
    gradient : float64 (images, stars, 6), filled
    square : float64 (images, stars), filled with the weighted sum of squared residuals
    """
    d, part = np.empty(ALL), np.empty(4)
    normal[:] = 0.0
    gradient[:] = 0.0
    square[:] = 0.0
    for b in range(values.shape[0]):
        alpha = scale_radius(fwhm[b], beta[b])
        power = 2.0 ** (1.0 / beta[b])
        by_beta = alpha * power * np.log(2.0) / (2.0 * beta[b] ** 2 * (power - 1.0))
        for s in range(values.shape[1]):
            peak, level, x0, y0 = local[b, s]
            n, g = normal[b, s], gradient[b, s]
            for y in range(values.shape[2]):
                for x in range(values.shape[3]):
                    weight = weights[b, s, y, x]
                    if not weight > 0.0:
                        continue
                    shape = _spaxel(x - x0, y - y0, alpha, beta[b], places, point_weights, part)
                    d[0], d[1] = shape, 1.0
                    d[2], d[3] = peak * part[0], peak * part[1]
                    d[4] = peak * part[2] * alpha / fwhm[b]
                    d[5] = peak * (part[3] + part[2] * by_beta)
                    residual = values[b, s, y, x] - level - peak * shape
                    square[b, s] += weight * residual * residual
                    for i in range(ALL):
                        g[i] += weight * d[i] * residual
                        for j in range(i + 1):
                            n[i, j] += weight * d[i] * d[j]
            for i in range(ALL):
                for j in range(i):
                    n[j, i] = n[i, j]


@nb.njit(nogil=True, cache=True)
def add_neighbours(local, corner, known, fwhm, beta, reach, out):
    """Add the light of all other stars to the cutout of each star.

    Parameters
    ----------
    local : float64 (images, stars, 4), see `render`
    corner : int64 (stars, 2), x and y of the first pixel of each cutout in one image
    known : bool (images, stars), which stars have been fitted in which image
    fwhm, beta : float64 (images,) [pixel], exponent
    reach : distance of stars beyond which their light is left out [pixel]
    out : float64 (images, stars, ny, nx), added to
    """
    for b in range(out.shape[0]):
        alpha = scale_radius(fwhm[b], beta[b])
        for other in range(out.shape[1]):
            if not known[b, other]:
                continue
            for s in range(out.shape[1]):
                x0 = local[b, other, 2] + corner[other, 0] - corner[s, 0]
                y0 = local[b, other, 3] + corner[other, 1] - corner[s, 1]
                if s == other or max(abs(x0), abs(y0)) > reach:
                    continue
                for y in range(out.shape[2]):
                    for x in range(out.shape[3]):
                        q = ((x - x0) ** 2 + (y - y0) ** 2) / alpha**2
                        out[b, s, y, x] += local[b, other, 0] * (1.0 + q) ** -beta[b]
