"""A satellite that crosses the field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from musedeep.instrument import COLLECTING_AREA
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component
from musedeep.simulate.profiles import BETA, CORE
from musedeep.simulate.scenes.layout import FIELD
from musedeep.simulate.spectrum import FINE, continuum_only
from musedeep.simulate.templates import flux_of_magnitude, photons, star_template

Array = NDArray[np.float64]

SUN: Final = 5772.0
"""Effective temperature of the Sun, K (IAU 2015 B3)."""


@dataclass(frozen=True)
class Trail:
    """A straight line, blurred by the seeing, that runs across everything.

    Attributes
    ----------
    distance : of the line from the origin, arcsec
    angle : direction of the line's normal, degrees from the x axis towards the y axis
    seeing : full width at half maximum of a star, arcsec, at wavelengths in Angstrom
    """

    distance: float
    angle: float
    seeing: Callable[[Array], Array]

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Density across the line, 1/arcsec (its integral is 1), at positions (arcsec) and wavelengths (Angstrom)."""
        direction = np.radians(self.angle)
        across = np.asarray(x) * np.cos(direction) + np.asarray(y) * np.sin(direction) - self.distance
        scale = self.seeing(np.asarray(wavelength, np.float64)) / CORE
        # a Moffat profile integrated along a line is one whose exponent is smaller by a half
        norm = gamma(BETA - 0.5) / (np.sqrt(np.pi) * gamma(BETA - 1.0))
        return np.asarray(norm / scale * (1.0 + np.square(across / scale)) ** (0.5 - BETA))

    def bounds(self) -> None:
        """It crosses the whole field."""
        return None


def satellite_component(seed: int, atmosphere: Atmosphere, exposure_time: float = 600.0) -> Component:
    """Light of a satellite averaged over an exposure: sunlight on a line across the field.

    Parameters
    ----------
    seed : of place, direction and brightness
    atmosphere : what the light passes through, and the blur
    exposure_time : s; the satellite crosses within a fraction of a second, so the average falls with it

    Returns
    -------
    component of the frame "field": magnitude 3 to 5, 400 to 1500 arcsec/s, within a quarter of the field of its centre.
    Its spectrum is per arcsec of the line's length, its density per arcsec across
    """
    generator = np.random.default_rng(seed)
    magnitude, speed = generator.uniform(3.0, 5.0), generator.uniform(400.0, 1500.0)
    distance, angle = generator.uniform(-0.25, 0.25) * FIELD, generator.uniform(0.0, 360.0)
    per_length = flux_of_magnitude(magnitude) / (speed * exposure_time)
    light = photons(star_template(SUN) * per_length, FINE, COLLECTING_AREA) * atmosphere.transmission(FINE)
    return Component("satellite", continuum_only(light), Trail(distance, angle, atmosphere.seeing_fwhm), "field")
