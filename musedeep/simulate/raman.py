"""Light of the sodium laser that molecules of the air have scattered by vibration (Raman lines of O2 and N2)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import COLLECTING_AREA
from musedeep.simulate.component import Component
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.optics import PIXEL_SCALE, stream
from musedeep.simulate.spectrum import lines_only
from musedeep.simulate.templates import photons
from musedeep.statics.raman import raman_lines

Array = NDArray[np.float64]

RAMAN: Final = 7
"""Purpose of random numbers, beside those of optics.py, frame.py and schedule.py."""

BRIGHTNESS: Final = 0.035
RATIO: Final = 0.015
"""Scatter from exposure to exposure of the flux of both molecules, and of that of O2 alone; relative."""

SPREAD: Final = {"xx": 1.2e-6, "xy": 2.7e-6, "yy": 2.2e-6, "x": 8e-5, "y": 2e-4}
"""Scatter of the coefficients of the distribution over the field, in spaxels from its middle.

This and the fluxes are as in six exposures of June 2017 (quality control in the musered database)."""


@dataclass(frozen=True)
class RamanLight:
    """The Raman light of an exposure.

    Attributes
    ----------
    oxygen, nitrogen : flux of all lines of a molecule in the middle of the field, at the telescope [erg/s/cm2/arcsec2]
    xx, xy, yy, x, y : relative change over the field, in spaxels: 1 + xx x**2 + xy x y + yy y**2 + x x + y y
    scale : arcsec per spaxel
    """

    oxygen: float
    nitrogen: float
    xx: float
    xy: float
    yy: float
    x: float
    y: float
    scale: float

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Relative brightness at positions in the field, arcsec."""
        u, v = np.asarray(x) / self.scale, np.asarray(y) / self.scale
        shape = np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(wavelength))
        value = 1.0 + u * (self.x + self.xx * u + self.xy * v) + v * (self.y + self.yy * v)
        return np.broadcast_to(value, shape)

    def bounds(self) -> None:
        """It is everywhere."""
        return None


def has_raman_light(exposure: Exposure) -> bool:
    """Whether the laser shines: in science exposures of the modes with adaptive optics."""
    return exposure.kind == "OBJECT" and "-AO-" in exposure.mode


def raman_light(exposure: Exposure, seed: int) -> RamanLight:
    """The Raman light of an exposure in a night of a seed."""
    rng = stream(seed, RAMAN, exposure.index)
    lines = raman_lines()
    brightness = 1e-20 * float(np.exp(BRIGHTNESS * rng.standard_normal()))
    oxygen = float(np.exp(RATIO * rng.standard_normal())) * float(lines.flux[lines.group == 0].sum())
    nitrogen = float(lines.flux[lines.group == 1].sum())
    coefficients = {name: spread * float(rng.standard_normal()) for name, spread in SPREAD.items()}
    return RamanLight(
        brightness * oxygen, brightness * nitrogen, scale=PIXEL_SCALE[exposure.mode[:3]], **coefficients
    )  # fmt: skip


def raman_component(light: RamanLight) -> Component:
    """The Raman light as a component of the frame "field": lines, photons a second, Angstrom and arcsec2."""
    lines = raman_lines()
    flux = lines.flux.copy()
    for group, total in enumerate((light.oxygen, light.nitrogen)):
        own = lines.group == group
        flux[own] *= total / flux[own].sum()
    return Component(
        "Raman light", lines_only(lines.wavelength, photons(flux, lines.wavelength, COLLECTING_AREA)), light, "field"
    )
