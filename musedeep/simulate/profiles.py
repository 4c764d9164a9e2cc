"""How sources are spread on the sky once the seeing has blurred them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
Seeing = Callable[[Array], Array]
"""Full width at half maximum of a star, arcsec, at wavelengths in Angstrom."""

BETA: Final = 2.8
"""Exponent of the Moffat profile; 2.5 to 3 is seen in MUSE's wide field (Bacon et al. 2017, UDF: 2.8)."""

CORE: Final = 2.0 * np.sqrt(2.0 ** (1.0 / BETA) - 1.0)
"""Full width at half maximum of the Moffat profile over its scale radius."""

FWHM: Final = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian over its standard deviation."""


def moffat(square_radius: Array, fwhm: Array) -> Array:
    """Moffat profile of exponent `BETA` whose integral over the plane is 1, float64, 1/arcsec2.

    The square of the radius in arcsec2 and the full width in arcsec broadcast together.
    """
    square_scale = np.square(np.asarray(fwhm, np.float64) / CORE)
    return np.asarray((BETA - 1.0) / (np.pi * square_scale) * (1.0 + square_radius / square_scale) ** -BETA)


@dataclass(frozen=True)
class Stars:
    """Point sources of one spectrum, each of its own weight, blurred by the seeing.

    Attributes
    ----------
    xi, eta : float64 (n,), arcsec
    weight : float64 (n,); the density integrates to their sum
    reach : float64 (n,), radius beyond which a star is left out, arcsec
    seeing : width of a star against wavelength
    """

    xi: Array
    eta: Array
    weight: Array
    reach: Array
    seeing: Seeing

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Sum of the stars' densities, 1/arcsec2, at positions (arcsec) and wavelengths (Angstrom)."""
        x, y, wavelength = (np.asarray(value, np.float64) for value in (x, y, wavelength))
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, wavelength.shape))
        if total.size == 0:
            return total
        fwhm = self.seeing(wavelength)
        near_x = (self.xi > x.min() - self.reach) & (self.xi < x.max() + self.reach)
        near_y = (self.eta > y.min() - self.reach) & (self.eta < y.max() + self.reach)
        for star in np.flatnonzero(near_x & near_y):
            square_radius = np.square(x - self.xi[star]) + np.square(y - self.eta[star])
            inside = square_radius < self.reach[star] ** 2
            total += self.weight[star] * np.where(inside, moffat(square_radius, fwhm), 0.0)
        return total

    def bounds(self) -> tuple[float, float, float]:
        """Smallest circle, about the middle of the stars' limits, that holds what shines."""
        x = 0.5 * (self.xi.min() + self.xi.max())
        y = 0.5 * (self.eta.min() + self.eta.max())
        return float(x), float(y), float(np.max(np.hypot(self.xi - x, self.eta - y) + self.reach))


@dataclass(frozen=True)
class Extended:
    """An elliptical source blurred by the seeing; profile and seeing are sums of Gaussians, so that the blur is exact.

    Attributes
    ----------
    xi, eta : arcsec
    fwhm_major, fwhm_minor : intrinsic, arcsec
    angle : position angle of the major axis, degrees, north through east
    profile : "gaussian" or "exponential"
    seeing : width of a star against wavelength
    """

    xi: float
    eta: float
    fwhm_major: float
    fwhm_minor: float
    angle: float
    profile: Literal["gaussian", "exponential"]
    seeing: Seeing

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Density, 1/arcsec2, at positions (arcsec) and wavelengths (Angstrom); its integral is 1."""
        wavelength = np.asarray(wavelength, np.float64)
        fwhm = self.seeing(wavelength)
        sine, cosine = np.sin(np.radians(self.angle)), np.cos(np.radians(self.angle))
        east, north = np.asarray(x) - self.xi, np.asarray(y) - self.eta
        along = np.square(east * sine + north * cosine)
        across = np.square(east * cosine - north * sine)
        total = np.zeros(np.broadcast_shapes(along.shape, wavelength.shape))
        for weight, size in zip(*mixture(self.profile), strict=True):
            for part, blur in zip(*self._blur(), strict=True):
                square_blur = np.square(blur * fwhm)
                square_along = np.square(size * self.fwhm_major) + square_blur
                square_across = np.square(size * self.fwhm_minor) + square_blur
                norm = weight * part / (2.0 * np.pi * np.sqrt(square_along * square_across))
                total += norm * np.exp(-0.5 * (along / square_along + across / square_across))
        return total

    def _blur(self) -> tuple[Array, Array]:
        """Gaussians of the seeing; one is enough where the source is far wider."""
        if self.fwhm_minor > 5.0 * float(self.seeing(np.array(5000.0))):
            return mixture("gaussian")
        return mixture("moffat")

    def bounds(self) -> tuple[float, float, float]:
        """Circle beyond which less than about a thousandth shines."""
        fwhm = float(self.seeing(np.array(4700.0)))
        extent = 1.5 if self.profile == "gaussian" else 3.5
        return self.xi, self.eta, float(np.hypot(extent * self.fwhm_major, 6.0 * fwhm))


@lru_cache
def mixture(profile: Literal["gaussian", "exponential", "moffat"]) -> tuple[Array, Array]:
    """A circular profile of full width 1 as a sum of Gaussians: weights (sum 1) and standard deviations, float64 (n,).

    Non-negative least squares of the light in rings, as in Hogg & Lang 2013 (PASP 125, 719) but with a fixed ladder of
    widths.
    """
    if profile == "gaussian":
        return np.array([1.0]), np.array([1.0 / FWHM])
    radius = np.geomspace(0.02, 12.0, 400)
    sizes = np.geomspace(0.1, 5.0, 12)
    if profile == "moffat":
        density = moffat(np.square(radius), np.array(1.0))
    else:
        scale = 0.5 / np.log(2.0)
        density = np.exp(-radius / scale) / (2.0 * np.pi * scale**2)
    gaussians = np.exp(-0.5 * np.square(radius[:, None] / sizes)) / (2.0 * np.pi * sizes**2)
    weights, _ = nnls(gaussians * radius[:, None], density * radius)
    kept = weights > 1e-4
    return weights[kept] / weights[kept].sum(), sizes[kept]
