"""Fits of a star's profile to planes of a cube: an elliptical Moffat function or Gaussian upon a constant background.

The model of a plane is background + flux * shape(x, y), where the integral of the shape over the plane is 1. With
u = (x - x0) / a, v = (y - y0) / b and q = (u^2 - 2 rho u v + v^2) / (1 - rho^2) the shape is

* Moffat (1969, A&A 3, 455): (beta - 1) / (pi a b sqrt(1 - rho^2)) (1 + q)^-beta,
* Gauss: 1 / (2 pi a b sqrt(1 - rho^2)) exp(-q / 2).

It can be averaged over a square, by Gauss and Legendre's points, two in each direction: a star is blurred by the pixels
that saw it, and by the voxels that they were put into.

1. The fit of a plane starts from the result of the plane before it, as profiles change slowly with wavelength.
2. Planes are fitted in runs of equal length. The first plane of each run starts from the same guess, so that results do
   not depend on the number of threads.
3. With a shape that is given for each plane, flux and background follow from a linear fit.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.levenberg import CONVERGED, Damping, Model, eliminate, minimise, space
from musedeep.threads import in_threads

Floats = NDArray[np.float64]
Cube = NDArray[np.float32]

BACKGROUND, FLUX, X, Y, WIDTH_X, WIDTH_Y, RHO, BETA = range(8)
"""Places of the parameters."""
PARAMETERS: Final = 8
MOFFAT, GAUSS = 0, 1
"""Kinds of shape; the exponent of a Gaussian is not used and stays."""

RUN: Final = 64
"""Planes that are fitted one after the other."""
MOST_BETA: Final = 50.0
DAMPING: Final = Damping(attempts=100, steps=100, refusals=20, decrease=1e-10, most=1e10)
SMALLEST_STEP: Final = 1e-6
PIXEL_NODE: Final = np.sqrt(1.0 / 12.0)
"""Distance of the points from the middle for the mean over a pixel [pixel]."""
DRIZZLE_NODE: Final = np.sqrt(2.0 / 12.0)
"""The same for a pixel that drizzle with pixfrac 1 has put into voxels of its size."""


@nb.njit(nogil=True, cache=True)
def _shape(kind, p, dx, dy, d):
    """The shape at an offset from the centre; d (6,) is filled with its derivatives by X, Y, ... BETA."""
    u, v = dx / p[4], dy / p[5]
    r = p[6]
    t = 1.0 - r * r
    q = (u * u - 2.0 * r * u * v + v * v) / t
    if kind == 0:
        value = (p[7] - 1.0) / (np.pi * p[4] * p[5] * np.sqrt(t)) * (1.0 + q) ** -p[7]
        slope = -p[7] / (1.0 + q)  # of the logarithm, by q
        d[5] = value * (1.0 / (p[7] - 1.0) - np.log1p(q))
    else:
        value = 1.0 / (2.0 * np.pi * p[4] * p[5] * np.sqrt(t)) * np.exp(-0.5 * q)
        slope = -0.5
        d[5] = 0.0
    qu, qv = 2.0 * (u - r * v) / t, 2.0 * (v - r * u) / t
    d[0] = -value * slope * qu / p[4]
    d[1] = -value * slope * qv / p[5]
    d[2] = value * (-1.0 - slope * qu * u) / p[4]
    d[3] = value * (-1.0 - slope * qv * v) / p[5]
    d[4] = value * (r / t + slope * (2.0 * r * q - 2.0 * u * v) / t)
    return value


@nb.njit(nogil=True, cache=True)
def _mean_shape(kind, p, x, y, node, d, e):
    """The shape averaged over the pixel at x, y, and its derivatives; e (6,) is work."""
    dx, dy = x - p[2], y - p[3]
    if node == 0.0:
        return _shape(kind, p, dx, dy, d)
    total = 0.0
    for i in range(6):
        d[i] = 0.0
    for k in range(4):
        total += 0.25 * _shape(kind, p, dx + node * (2 * (k & 1) - 1), dy + node * ((k & 2) - 1), e)
        for i in range(6):
            d[i] += 0.25 * e[i]
    return total


@nb.njit(nogil=True, cache=True)
def _equations(data, p, normal, gradient):
    """Sum of weighted squared residuals, and the normal equations of the eight parameters."""
    kind, values, weights, free, node, d, e, full = data
    for i in range(8):
        gradient[i] = 0.0
        for j in range(8):
            normal[i, j] = 0.0
    total = 0.0
    rows, columns = values.shape
    for y in range(rows):
        for x in range(columns):
            w = weights[y, x]
            if w == 0.0:
                continue
            shape = _mean_shape(kind, p, float(x), float(y), node, d, e)
            residual = values[y, x] - p[0] - p[1] * shape
            total += w * residual * residual
            full[0], full[1] = 1.0, shape
            for i in range(6):
                full[2 + i] = p[1] * d[i]
            for i in range(8):
                gradient[i] += w * full[i] * residual
                for j in range(i + 1):
                    normal[i, j] += w * full[i] * full[j]
    for i in range(8):
        for j in range(i):
            normal[j, i] = normal[i, j]
    for i in range(8):
        if not free[i]:
            for j in range(8):
                normal[i, j] = normal[j, i] = 0.0
            normal[i, i], gradient[i] = 1.0, 0.0
    return total


@nb.njit(nogil=True, cache=True)
def _within(data, p):
    rows, columns = data[1].shape
    return (
        0.2 < p[4] < 10.0 * columns
        and 0.2 < p[5] < 10.0 * rows
        and abs(p[6]) < 0.95
        and 1.01 < p[7] < MOST_BETA
        and -0.5 < p[2] < columns - 0.5
        and -0.5 < p[3] < rows - 0.5
    )


@nb.njit(nogil=True, cache=True)
def _small(step, p):
    return (
        abs(step[1]) < SMALLEST_STEP * abs(p[1])
        and max(abs(step[2]), abs(step[4])) < SMALLEST_STEP * p[4]
        and max(abs(step[3]), abs(step[5])) < SMALLEST_STEP * p[5]
        and abs(step[7]) < SMALLEST_STEP * p[7]
    )


MODEL: Final = Model(_equations, eliminate, _within, _small)


@nb.njit(nogil=True, cache=True)
def _fit_run(kind, values, weights, free, node, guess, parameters, errors, good, begin, end):
    """Fit the planes begin to end - 1, one after the other."""
    d, e, full = np.empty(6), np.empty(6), np.empty(8)
    arrays = space(8)
    work, step, last, unit = np.empty((8, 8)), np.empty(8), np.empty(8), np.empty(8)
    for i in range(8):
        last[i] = guess[i]
        unit[i] = i == 1
    for k in range(begin, end):
        p = parameters[k]
        good[k] = False
        for attempt in range(2):
            # of another plane only the shape is taken: the flux may be far off
            for i in range(8):
                p[i] = last[i] if attempt == 0 else guess[i]
            data = kind, values[k], weights[k], free, node, d, e, full
            _linear(kind, values[k], weights[k], free, node, p)
            status, _ = minimise(MODEL, 8, data, p, arrays, DAMPING)
            if status == CONVERGED and p[1] > 0.0:
                good[k] = True
                break
        errors[k] = np.nan
        if good[k] and eliminate(arrays[0], unit, 0.0, work, step, 8) and step[1] > 0.0:
            errors[k] = np.sqrt(step[1])
        for i in range(8):
            if good[k]:
                last[i] = p[i]
            else:
                p[i] = np.nan


def fit_planes(
    kind: int,
    values: Cube,
    weights: Cube,
    free: NDArray[np.bool_],
    node: float,
    guess: Floats,
    parameters: Floats,
    errors: Floats,
    good: NDArray[np.bool_],
) -> None:
    """Fit a profile to each plane.

    Parameters
    ----------
    kind : MOFFAT or GAUSS
    values : float32 (planes, rows, columns)
    weights : float32, same shape: inverse variances, 0 for pixels to leave out
    free : bool (8,), parameters that are fitted; the others keep the values of `guess`
    node : distance of the points from the middle of a voxel, over which the shape is averaged [pixel]; 0: no mean
    guess : float64 (8,), with the places in pixels of `values`, from 0
    parameters : float64 (planes, 8), the results, NaN where a fit fails
    errors : float64 (planes,), of the flux
    good : bool (planes,), whether the fit converged to a positive flux
    """
    planes = values.shape[0]

    def fit(number: int) -> None:
        begin, end = number * RUN, min((number + 1) * RUN, planes)
        _fit_run(kind, values, weights, free, node, guess, parameters, errors, good, begin, end)

    in_threads(fit, -(-planes // RUN))


@nb.njit(nogil=True, cache=True)
def _value(kind, p, dx, dy):
    """The shape at an offset from the centre, without its derivatives."""
    u, v = dx / p[4], dy / p[5]
    t = 1.0 - p[6] * p[6]
    q = (u * u - 2.0 * p[6] * u * v + v * v) / t
    if kind == 0:
        return (p[7] - 1.0) / (np.pi * p[4] * p[5] * np.sqrt(t)) * (1.0 + q) ** -p[7]
    return 1.0 / (2.0 * np.pi * p[4] * p[5] * np.sqrt(t)) * np.exp(-0.5 * q)


@nb.njit(nogil=True, cache=True)
def _linear(kind, values, weights, free, node, p):
    """Background, if it is free, and flux for the shape of p, put into p; the variance of the flux, 0: it has none."""
    rows, columns = values.shape
    s0 = s1 = s11 = v0 = v1 = 0.0
    for y in range(rows):
        dy = y - p[3]
        for x in range(columns):
            w = weights[y, x]
            if w == 0.0:
                continue
            dx = x - p[2]
            if node == 0.0:
                shape = _value(kind, p, dx, dy)
            else:
                shape = 0.25 * (
                    _value(kind, p, dx - node, dy - node)
                    + _value(kind, p, dx + node, dy - node)
                    + _value(kind, p, dx - node, dy + node)
                    + _value(kind, p, dx + node, dy + node)
                )
            s0 += w
            s1 += w * shape
            s11 += w * shape * shape
            v0 += w * values[y, x]
            v1 += w * shape * values[y, x]
    if free[0]:
        det = s0 * s11 - s1 * s1
        if not det > 0.0:
            return 0.0
        p[0], p[1] = (s11 * v0 - s1 * v1) / det, (s0 * v1 - s1 * v0) / det
        return s0 / det
    if not s11 > 0.0:
        return 0.0
    p[1] = (v1 - p[0] * s1) / s11
    return 1.0 / s11


@nb.njit(nogil=True, cache=True)
def _flux_run(kind, values, weights, free, node, parameters, errors, good, begin, end):
    """Fluxes of the planes begin to end - 1."""
    for k in range(begin, end):
        variance = _linear(kind, values[k], weights[k], free, node, parameters[k])
        good[k] = variance > 0.0
        errors[k] = np.sqrt(variance) if variance > 0.0 else np.nan


def fit_fluxes(
    kind: int,
    values: Cube,
    weights: Cube,
    free: NDArray[np.bool_],
    node: float,
    parameters: Floats,
    errors: Floats,
    good: NDArray[np.bool_],
) -> None:
    """Fit flux, and background if it is free, to each plane, with the other parameters given for each plane.

    Arguments as of `fit_planes`; `parameters` holds the shapes and is filled with fluxes and backgrounds.
    """
    planes = values.shape[0]

    def fit(number: int) -> None:
        begin, end = number * RUN, min((number + 1) * RUN, planes)
        _flux_run(kind, values, weights, free, node, parameters, errors, good, begin, end)

    in_threads(fit, -(-planes // RUN))
