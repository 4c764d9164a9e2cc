"""The PSF of the stars in cutouts, as polynomials of wavelength.

1. One width and one exponent are fitted to all stars in all bins (`fit`), then the coefficients of both polynomials.
2. The light of the other stars is subtracted around each star. The variances get the square of 1 % of the light of the
   star added, so that the brightest star, whose profile is no Moffat profile to the last digit, does not decide alone.
   The fit is repeated twice.
3. The star whose width differs most from the median of all, by more than 3 % and three errors, is left out, and the
   fit repeated, until there is none. Of two stars the narrower one stays: what is no star is wider.
4. If the exponent leaves its limits somewhere between the ends of the cube, the degree of both polynomials is lowered.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.moffat import LOCAL, add_neighbours, nodes, render
from musedeep.progress import LOG
from musedeep.reduction.psf.fit import BETAS, NARROWEST, Fit, fit_profiles
from musedeep.reduction.psf.model import PsfModel, normalised
from musedeep.reduction.psf.stamps import Stamps

Array = NDArray[np.float64]

START: Final = 2.5
"""First guess of the exponent."""
ROUNDS: Final = 2
"""Of the fit with the light of neighbours taken off."""
REACH: Final = 8.0
"""Distance of neighbours whose light is taken off, over the radius of the circle of a star."""
FLOOR: Final = 0.01
"""Error of a profile over its light."""
DIFFERENT, ERRORS = 0.03, 3.0
"""Share by which a star that is left out is wider or narrower, and the same over its error."""


@dataclass(frozen=True)
class Choice:
    """What is fitted.

    Attributes
    ----------
    fwhm_degree, beta_degree : of the polynomials
    limits : FSFLB1 and FSFLB2 [Angstrom]
    integrated : average the profile over spaxels
    scale : side of a spaxel [arcsec]
    clip : leave out stars that disagree
    """

    fwhm_degree: int
    beta_degree: int
    limits: tuple[float, float]
    integrated: bool
    scale: float
    clip: bool = True


@dataclass(frozen=True)
class Measured:
    """The PSF of some stars.

    Attributes
    ----------
    model : its polynomials
    kept : bool (stars,), the stars that agree
    excess, error : float64 (stars,), by which share each star is wider, and the error of that
    residual : float64 (stars,), root mean square of what is left of a star within its width, mean of all bins, over its
        peak; NaN of those left out
    wavelengths : float64 (bins,) [Angstrom]
    bins, errors : float64 (bins, 2), width [arcsec] and exponent of each bin alone, and their errors
    scatter : residuals over their errors
    """

    model: PsfModel
    kept: NDArray[np.bool_]
    excess: Array
    error: Array
    residual: Array
    wavelengths: Array
    bins: Array
    errors: Array
    scatter: float


def measure(stamps: Stamps, middle: Array, width: float, choice: Choice) -> Measured:
    """Fit the PSF; see the module.

    Parameters
    ----------
    middle : float64 (stars, 2), first guess of x and y in the cutouts [pixel from 0]
    width : first guess of the width [pixel]
    """
    n = len(middle)
    kept, excess, error = np.ones(n, np.bool_), np.full(n, np.nan), np.full(n, np.nan)
    while True:
        chosen = stamps.of(kept)
        fit, powers = _fitted(chosen, middle[kept], width, choice)
        excess[kept], error[kept] = fit.excess()
        worst = _worst(excess, error, kept) if choice.clip else None
        if worst is None:
            break
        kept[worst] = False
    model = PsfModel(
        fit.coefficients[: powers + 1] * choice.scale, _second(fit, powers), choice.limits, choice.integrated
    )
    unit = np.array([choice.scale, 1.0])
    bins, errors = fit.of_bins()
    residual = np.full(n, np.nan)
    residual[kept] = _residuals(chosen, fit, choice.integrated)
    return Measured(
        model, kept, excess, error, residual, stamps.wavelengths, bins * unit, errors * unit, fit.scatter
    )  # fmt: skip


def _second(fit: Fit, powers: int) -> Array:
    return fit.coefficients[powers + 1 :]


def _worst(excess: Array, error: Array, kept: NDArray[np.bool_]) -> int | None:
    """The star to be left out."""
    number = int(kept.sum())
    if number < 2:
        return None
    middle = np.sort(excess[kept])[(number - 1) // 2]
    off = np.where(kept, np.abs(excess - middle), 0.0)
    off[~(off > np.maximum(DIFFERENT, ERRORS * np.nan_to_num(error, nan=np.inf)))] = 0.0
    return int(off.argmax()) if off.any() else None


def _fitted(stamps: Stamps, middle: Array, width: float, choice: Choice) -> tuple[Fit, int]:
    """The fit of all stars, and the degree of the polynomial of the width."""
    values, weights = stamps.values, stamps.weights
    n_bins = len(values)
    flat = np.broadcast_to(np.eye(2), (n_bins, 2, 2))
    fit = fit_profiles(
        values, weights, flat, np.array([max(width, 1.5 * NARROWEST), START]), _start(values, weights, middle),
        choice.integrated,
    )  # fmt: skip
    constant, local = fit.coefficients, fit.local
    degrees = [min(choice.fwhm_degree, n_bins - 1), min(choice.beta_degree, n_bins - 1)]
    powers = normalised(stamps.wavelengths, choice.limits)
    ends = np.linspace(-0.5, 0.5, 201)
    while True:
        design = np.zeros((n_bins, 2, sum(degrees) + 2))
        design[:, 0, : degrees[0] + 1] = np.vander(powers, degrees[0] + 1)
        design[:, 1, degrees[0] + 1 :] = np.vander(powers, degrees[1] + 1)
        first = np.zeros(sum(degrees) + 2)
        first[degrees[0]], first[-1] = constant
        fit = fit_profiles(values, weights, design, first, local, choice.integrated)
        for _ in range(ROUNDS):
            others, with_floor = _neighbours(stamps, fit), _floored(weights, fit, choice.integrated)
            fit = fit_profiles(
                values - others, with_floor, design, fit.coefficients, fit.local, choice.integrated
            )  # fmt: skip
        fwhm = np.polyval(fit.coefficients[: degrees[0] + 1], ends)
        beta = np.polyval(_second(fit, degrees[0]), ends)
        if (fwhm.min() > NARROWEST and beta.min() > BETAS[0] and beta.max() < BETAS[1]) or not any(degrees):
            return fit, degrees[0]
        degrees = [max(0, one - 1) for one in degrees]
        LOG.info(f"the stars are too faint for these polynomials; degrees are lowered to {degrees[0]} and {degrees[1]}")


def _start(values: Array, weights: Array, middle: Array) -> Array:
    """First guess of peak, background and place of each star in each bin."""
    known = np.where(weights > 0, values, np.nan)
    local = np.zeros((*values.shape[:2], LOCAL))
    for s, (x, y) in enumerate(middle):
        local[:, s, 2:] = x, y
        for b in np.flatnonzero((weights[:, s] > 0).any(axis=(1, 2))):
            # the outskirts are the lower half of the spaxels
            local[b, s, 1] = np.nanquantile(known[b, s], 0.25)
            local[b, s, 0] = np.nanmax(known[b, s]) - local[b, s, 1]
    return local


def _images(fit: Fit, shape: tuple[int, ...], integrated: bool, level: bool) -> Array:
    """Stars of a fit, with their background or without."""
    local = fit.local.copy()
    if not level:
        local[..., 1] = 0.0
    out = np.empty(shape)
    render(local, np.ascontiguousarray(fit.fwhm), np.ascontiguousarray(fit.beta), *nodes(integrated), out)
    return out


def _neighbours(stamps: Stamps, fit: Fit) -> Array:
    """Light of all other stars in the cutout of each star."""
    out = np.zeros_like(stamps.values)
    known = (stamps.weights > 0).any(axis=(2, 3))
    add_neighbours(
        fit.local, stamps.corner, known, np.ascontiguousarray(fit.fwhm), np.ascontiguousarray(fit.beta),
        REACH * stamps.radius, out,
    )  # fmt: skip
    return out


def _floored(weights: Array, fit: Fit, integrated: bool) -> Array:
    """Weights with the error of the profile."""
    light = FLOOR * _images(fit, weights.shape, integrated, False)
    return np.asarray(weights / (1.0 + weights * light**2))


def _residuals(stamps: Stamps, fit: Fit, integrated: bool) -> Array:
    """See `Measured.residual`."""
    model = _images(fit, stamps.values.shape, integrated, True) + _neighbours(stamps, fit)
    left = np.where(stamps.weights > 0, stamps.values - model, np.nan)
    out = np.full(left.shape[1], np.nan)
    line = np.arange(left.shape[-1])
    for s in range(left.shape[1]):
        used = (stamps.weights[:, s] > 0).any(axis=(1, 2))
        if used.any():
            x, y = fit.local[used, s, 2:].mean(axis=0)
            inside = np.hypot(line[:, None] - y, line - x) <= np.median(fit.fwhm)
            mean = left[used, s][:, inside].mean(axis=0)
            out[s] = np.sqrt(np.nanmean(mean**2)) / np.abs(fit.local[used, s, 0].mean())
    return out
