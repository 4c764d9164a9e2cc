"""The place of a sky line in a spectrum, by the fit of a Gaussian, with or without the lines beside it.

Where known weak lines blend with the line (OH beside [OI] 5577 and 6300), a lone Gaussian is pulled towards them by
0.01 to 0.03 Angstrom. With them in the model, in the ratios of a table and with one common factor, it is not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

NEIGHBOUR_SCATTER: Final = 0.3
"""Scatter that the factor of the neighbours is expected to have: bands vary by 15 to 30 percent (Noll et al. 2012)."""

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
    half = max(x.max(), -x.min())
    ground = float(np.median(np.sort(y)[: max(y.size // 5, 1)]))
    peak = float(y.max()) - ground
    if not peak > 0:
        return None

    def residuals(p: Array) -> Array:
        height, centre, sigma, background, factor = p
        t = x - centre
        model = background + height * np.exp(-0.5 * (t / sigma) ** 2)
        for offset, ratio in zip(offsets, ratios, strict=True):
            model += height * factor * ratio * np.exp(-0.5 * ((t - offset) / sigma) ** 2)
        return np.append((model - y) * weight, (factor - 1.0) / NEIGHBOUR_SCATTER)

    first = np.array([peak, x[y.argmax()], 1.0, ground, 1.0])
    scale = np.array([peak, 0.1, 0.1, max(abs(ground), 0.1 * peak), 0.1])
    low = np.array([0.0, -half, 0.05, -np.inf, 0.0])
    high = np.array([np.inf, half, half, np.inf, np.inf])
    found = least_squares(residuals, np.clip(first, low + 1e-9, high), x_scale=scale, bounds=(low, high))
    curvature = found.jac.T @ found.jac
    try:
        covariance = np.linalg.inv(curvature)
    except np.linalg.LinAlgError:
        return None
    height, centre, sigma, background, factor = found.x
    error = float(np.sqrt(covariance[1, 1])) if covariance[1, 1] > 0 else np.inf
    misfit = float(2.0 * found.cost / max(np.count_nonzero(good) - 4, 1))
    if not (found.success and np.isfinite(error) and abs(centre) < half):
        return None
    return LineFit(
        expected + float(centre), error, misfit, float(sigma), float(height), float(background), float(factor)
    )
