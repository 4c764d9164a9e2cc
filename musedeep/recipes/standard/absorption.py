"""The sensitivity without telluric absorption, by a model of water vapour and oxygen (telluric=model).

Bridges over the bands that rest on the background beside them are wrong where water absorbs the background, too:
between 8920 and 9400 Angstrom nothing is free of it, and the data end there. The principle here is that of Smette et
al. (2015, A&A 576, A77): the amount of the molecules and the continuum are fitted to the observed spectrum itself.

1. In each telluric region, and REACH on either side, the sensitivity is a cubic polynomial less the absorption
   (`statics.absorption`). Oxygen is that of the airmass. The amount of water is one for all regions, that which leaves
   the smallest residuals, by a search in one dimension; for each amount the polynomials follow by linear fits.
2. A point weighs by its error and by MODEL_ERROR times its absorption: what is known of the depth of lines. So the
   points between lines, which are next to free of absorption, carry the polynomial. Points in a region where the model
   has no absorption are left out there: a region that is given may be that of another molecule.
3. Outliers have little influence: residuals are taken to have a Cauchy distribution of TOLERANCE errors, by weights
   that follow from the residuals of the round before.
4. In the regions the polynomial replaces the sensitivity; elsewhere the absorption of the model is taken out of it.
5. The transmission is, at each wavelength, the mean of the observed one and that of the model, weighted by the same
   errors; the observed one in regions that the model does not know. It is not limited to 1, which would make it too low
   wherever there is noise.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.recipes.standard.curves import MAGNITUDE, Curve
from musedeep.statics.absorption import ABSORBED, optical_depth
from musedeep.storage.calibrations.telluric_regions import TelluricRegions

Floats = NDArray[np.float64]

REACH: Final = 150.0
"""How far beside a region the polynomial reaches [Angstrom]."""
DEGREE: Final = 3
MODEL_ERROR: Final = 0.3
"""Of the optical depth of lines, for the polynomial; neighbouring points share it."""
DEPTH_ERROR: Final = 0.1
"""Of the optical depth at one wavelength, for the mean of observation and model."""
FLOOR: Final = 0.004
"""Error that no point falls below [mag]."""
TOLERANCE: Final = 3.0
ROUNDS: Final = 5

WATER: Final = (0.05, 50.0)
"""Limits of the precipitable water [mm]."""
USUAL: Final = 2.5
"""Precipitable water over Paranal [mm], within a factor of 3: what is left if no region shows any."""


@dataclass(frozen=True)
class Unabsorbed:
    """What the model finds.

    Attributes
    ----------
    curve : sensitivity without absorption, at the wavelengths of the given one
    depth : float64 (n,), optical depth along the line of sight: mean of observation and model
    absorbed : bool (n,), where there is absorption, or a telluric region
    water : precipitable water at the zenith [mm]
    """

    curve: Curve
    depth: Floats
    absorbed: NDArray[np.bool_]
    water: float


@dataclass(frozen=True)
class _Piece:
    """A region with its neighbourhood: which points of the curve, which of them count, and their place from -1 to 1."""

    inside: NDArray[np.bool_]
    points: NDArray[np.int64]
    place: Floats

    @classmethod
    def of(cls, wavelength: Floats, low: float, high: float, modelled: NDArray[np.bool_]) -> "_Piece":
        inside = (wavelength >= low) & (wavelength <= high)
        near = (wavelength >= low - REACH) & (wavelength <= high + REACH)
        place = (wavelength - 0.5 * (low + high)) / (0.5 * (high - low) + REACH)
        return cls(inside, np.flatnonzero(near & (modelled | ~inside)), place)

    def fit(self, values: Floats, errors: Floats) -> tuple[Floats, Floats]:
        """Coefficients of the polynomial through the points, and the residuals of all of them over their errors."""
        terms = np.vander(self.place[self.points], DEGREE + 1)
        weights = 1.0 / errors[self.points]
        for _ in range(ROUNDS):
            found = np.linalg.lstsq(terms * weights[:, None], values[self.points] * weights, rcond=None)[0]
            residuals = (values[self.points] - terms @ found) / errors[self.points]
            weights = 1.0 / (errors[self.points] * np.sqrt(1.0 + (residuals / TOLERANCE) ** 2))
        return np.asarray(found, np.float64), residuals


def without_absorption(curve: Curve, regions: TelluricRegions, airmass: float) -> Unabsorbed:
    """Steps 1 to 5; a region with fewer than ten points that count keeps its absorption."""
    wave = curve.wavelength
    modelled = optical_depth(wave, 1.0, USUAL) > ABSORBED
    pieces = [_Piece.of(wave, low, high, modelled) for low, high in zip(regions.lower, regions.upper, strict=True)]
    pieces = [piece for piece in pieces if piece.inside.any() and piece.points.size >= 10]

    def cost(logarithm: float) -> float:
        values, errors = _lifted(curve, optical_depth(wave, airmass, np.exp(logarithm)))
        total = ((logarithm - np.log(USUAL)) / np.log(3.0)) ** 2
        for piece in pieces:
            residuals = piece.fit(values, errors)[1]
            total += TOLERANCE**2 * float(np.log1p((residuals / TOLERANCE) ** 2).sum())
        return total

    from scipy.optimize import minimize_scalar  # a tenth of a second to load, and bridges do without

    water = float(np.exp(minimize_scalar(cost, bounds=np.log(WATER), method="bounded", options={"xatol": 1e-4}).x))
    depth = optical_depth(wave, airmass, water)
    values, errors = _lifted(curve, depth)
    found, spread = values.copy(), curve.errors.copy()
    absorbed = depth > ABSORBED
    for piece in pieces:
        coefficients, residuals = piece.fit(values, errors)
        found[piece.inside] = np.polyval(coefficients, piece.place[piece.inside])
        rms = 1.4826 * float(np.median(np.abs(residuals * errors[piece.points])))
        spread[piece.inside] = np.hypot(spread[piece.inside], rms / np.sqrt(piece.points.size))
        absorbed |= piece.inside
    observed = (found - curve.values) / MAGNITUDE
    noise, doubt = np.maximum(curve.errors, FLOOR) / MAGNITUDE, DEPTH_ERROR * depth + FLOOR / MAGNITUDE
    mean = (observed * doubt**2 + depth * noise**2) / (doubt**2 + noise**2)
    for piece in pieces:
        if not (piece.inside & modelled).any():
            mean[piece.inside] = observed[piece.inside]
    return Unabsorbed(Curve(wave, found, spread), np.where(absorbed, mean, 0.0), absorbed, water)


def _lifted(curve: Curve, depth: Floats) -> tuple[Floats, Floats]:
    """The sensitivity without the absorption of the model, and the errors that its points have for the polynomial."""
    absorption = MAGNITUDE * depth
    errors = np.sqrt(FLOOR**2 + curve.errors**2 + (MODEL_ERROR * absorption) ** 2)
    return curve.values + absorption, errors
