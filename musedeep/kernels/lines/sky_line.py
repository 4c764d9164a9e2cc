"""The place of a sky line in a spectrum, by the fit of a Gaussian, with or without the lines beside it.

Where known weak lines blend with the line (OH beside [OI] 5577 and 6300), a lone Gaussian is pulled towards them by
0.01 to 0.03 Angstrom. With them in the model, in the ratios of a table and with one common factor, it is not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEIGHBOUR_SCATTER: Final = 0.3
"""Scatter that the factor of the neighbours is expected to have: bands vary by 15 to 30 percent (Noll et al. 2012)."""

MAX_STEPS: Final = 100
TOLERANCE: Final = 1e-12
"""Relative change of the sum of squares below which a fit has converged."""

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
    """Fit a Gaussian on a constant, and others beside it, of the same width.

    Parameters
    ----------
    wavelength, flux, variance : float64 (bins,)
        Spectrum [Angstrom, any unit, its square]; bins that are not finite do not count.
    expected : float
        Wavelength of the line [Angstrom].
    offsets, ratios : float64 (n,)
        Distances [Angstrom] and expected relative fluxes of lines beside it.

    Returns
    -------
    LineFit
        None where there is no line to fit.
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
    found = _least_squares(x, y, weight, lines, np.clip(first, low + 1e-9, high), low, high)
    if found is None:
        return None
    parameters, normal, total = found
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
    scale = lines[1] * np.append(1.0, np.full(lines[1].size - 1, factor))
    u = (x - centre - lines[0][:, None]) / sigma
    shapes = np.exp(-0.5 * u * u)
    sums = scale @ shapes
    by_place, by_width = height / sigma * (scale @ (shapes * u)), height / sigma * (scale @ (shapes * u * u))
    by_factor = height * (lines[1][1:] @ shapes[1:])
    return background + height * sums, np.stack([sums, by_place, by_width, np.ones_like(x), by_factor])


def _least_squares(
    x: Array, y: Array, weight: Array, lines: tuple[Array, Array], p: Array, low: Array, high: Array
) -> tuple[Array, Array, float] | None:
    """Parameters within limits, normal matrix and sum of squares at its minimum, by Levenberg and Marquardt's steps.

    None if they do not converge. Of our own, as to load a library for it takes longer than all else a recipe does with
    the lines.
    """

    def normal_equations(p: Array) -> tuple[float, Array, Array]:
        model, derivatives = _model(x, lines, p)
        residuals, derivatives = (y - model) * weight, derivatives * weight
        expected = (1.0 - p[4]) / NEIGHBOUR_SCATTER
        normal, gradient = derivatives @ derivatives.T, derivatives @ residuals
        normal[4, 4] += NEIGHBOUR_SCATTER**-2
        gradient[4] += expected / NEIGHBOUR_SCATTER
        return float(residuals @ residuals + expected**2), normal, gradient

    total, normal, gradient = normal_equations(p)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        try:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
        except np.linalg.LinAlgError:
            return None
        trial = np.clip(p + step, low, high)
        new, new_normal, new_gradient = normal_equations(trial)
        if not new <= total:
            damping *= 10.0
            # no step is small enough to go down further: this is the bottom, as far as digits tell
            if damping > 1e12:
                return p, normal, total
            continue
        done = total - new <= TOLERANCE * total
        p, total, normal, gradient = np.asarray(trial, np.float64), new, new_normal, new_gradient
        damping = max(0.1 * damping, 1e-12)
        if done:
            return p, normal, total
    return None
