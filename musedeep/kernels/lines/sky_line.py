"""Position of a sky line in a spectrum, by the fit of a Gaussian, with or without neighbouring lines.

1. Start values are the highest bin, and a low quantile of the spectrum as background.
2. The model is a Gaussian on a constant. Known neighbours have its width, the ratios of a table, and one common factor,
   which is expected to be 1 within `NEIGHBOUR_SCATTER`.
3. Damped least squares fit it within limits (`levenberg`).
4. The covariance of the result gives the error of the position.

A Gaussian without neighbours is shifted towards them by 0.01 to 0.03 Angstrom where weak lines blend with the line (OH
next to [OI] 5577 and 6300).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.levenberg import CONVERGED, STUCK, Damping, Model, minimise, never, space

NEIGHBOUR_SCATTER: Final = 0.3
"""Scatter that the factor of the neighbours is expected to have: bands vary by 15 to 30 percent (Noll et al. 2012)."""

DAMPING: Final = Damping(attempts=100, steps=100, refusals=100, decrease=1e-12, least=1e-12, most=1e12)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LineFit:
    """A fitted line.

    Attributes
    ----------
    centre, error : place and its standard deviation from noise alone [Angstrom]
    misfit : reduced chi square
    sigma : width [Angstrom]
    peak, background : in units of the spectrum
    neighbours : factor of the lines beside it
    """

    centre: float
    error: float
    misfit: float
    sigma: float
    peak: float
    background: float
    neighbours: float


def fit_line(
    wavelength: Array, flux: Array, variance: Array, expected: float, offsets: Array, ratios: Array
) -> LineFit | None:
    """Fit a Gaussian on a constant, and others beside it, of the same width; None where there is no line to fit.

    Parameters
    ----------
    wavelength, flux, variance : float64 (bins,)
        Spectrum [Angstrom, any unit, its square]; bins that are not finite do not count.
    expected : float, wavelength of the line [Angstrom]
    offsets, ratios : float64 (n,), distances [Angstrom] and expected relative fluxes of lines beside it
    """
    good = np.isfinite(flux) & (variance > 0)
    if np.count_nonzero(good) < 6:
        return None
    x, y, weight = wavelength[good] - expected, flux[good], 1.0 / np.sqrt(variance[good])
    half = float(max(x.max(), -x.min()))
    ground = float(np.median(np.sort(y)[: max(y.size // 5, 1)]))
    peak = float(y.max()) - ground
    if not peak > 0:
        return None

    first = np.array([peak, x[y.argmax()], 1.0, ground, 1.0])
    low = np.array([0.0, -half, 0.05, -np.inf, 0.0])
    high = np.array([np.inf, half, half, np.inf, np.inf])
    lines = np.append(0.0, offsets), np.append(1.0, ratios)
    parameters = np.clip(first, low + 1e-9, high)
    status, normal, total = _least_squares(x, y, weight, lines, parameters, low, high)
    # stuck: the minimum, within rounding
    if status not in (CONVERGED, STUCK):
        return None
    try:
        covariance = np.linalg.inv(normal)
    except np.linalg.LinAlgError:
        return None
    height, centre, sigma, background, factor = parameters
    error = float(np.sqrt(covariance[1, 1])) if covariance[1, 1] > 0 else np.inf
    misfit = total / max(int(np.count_nonzero(good)) - 4, 1)
    if not (np.isfinite(error) and abs(centre) < half):
        return None
    return LineFit(
        expected + float(centre), error, misfit, float(sigma), float(height), float(background), float(factor)
    )


def _model(x: Array, lines: tuple[Array, Array], p: Array) -> tuple[Array, Array]:
    """Values at x, and their derivatives by the five parameters, float64 (5, bins)."""
    height, centre, sigma, background, factor = p
    scale = lines[1].copy()
    scale[1:] *= factor
    u = (x - centre - lines[0][:, None]) / sigma
    shapes = np.exp(-0.5 * u * u)
    sums = scale @ shapes
    derivatives = np.ones((p.size, x.size))
    derivatives[0] = sums
    derivatives[1] = height / sigma * (scale @ (shapes * u))
    derivatives[2] = height / sigma * (scale @ (shapes * u * u))
    derivatives[4] = height * (lines[1][1:] @ shapes[1:])
    return background + height * sums, derivatives


def _least_squares(
    x: Array, y: Array, weight: Array, lines: tuple[Array, Array], p: Array, low: Array, high: Array
) -> tuple[int, Array, float]:
    """Fit the parameters p, in place, within limits: status, normal matrix and sum of squares.

    `minimise` runs uncompiled: a recipe fits few sky lines, and compiling it would take longer.
    """

    def equations(_: object, p: Array, normal: Array, gradient: Array) -> float:
        model, derivatives = _model(x, lines, p)
        residuals, derivatives = (y - model) * weight, derivatives * weight
        expected = (1.0 - p[4]) / NEIGHBOUR_SCATTER
        normal[:], gradient[:] = derivatives @ derivatives.T, derivatives @ residuals
        normal[4, 4] += NEIGHBOUR_SCATTER**-2
        gradient[4] += expected / NEIGHBOUR_SCATTER
        return float(residuals @ residuals + expected**2)

    def solve(normal: Array, gradient: Array, damping: float, work: Array, step: Array, n: int) -> bool:
        try:
            work[:] = normal
            work.ravel()[:: n + 1] += damping * normal.ravel()[:: n + 1]
            step[:] = np.linalg.solve(work, gradient)
        except np.linalg.LinAlgError:
            return False
        return True

    def within(_: object, p: Array) -> bool:
        np.clip(p, low, high, out=p)
        return True

    arrays = space.py_func(p.size)
    status, total = minimise.py_func(Model(equations, solve, within, never.py_func), p.size, (), p, arrays, DAMPING)
    return status, arrays[0], total
