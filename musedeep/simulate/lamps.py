"""Light that is not the night sky: arc and continuum lamps, the bright twilight."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component, Uniform
from musedeep.simulate.effects import Effects
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.spectrum import FINE, Spectrum, continuum_only, lines_only
from musedeep.statics.load import load_arc_lines

Array = NDArray[np.float64]

LAMP_KINDS: Final = ("FLAT", "ILLUM", "ILLUMFLAT", "AMPL", "LINGAIN_LAMP_ON")
"""Exposures of the continuum lamps."""
ARC_TIME: Final = {"Ne": 0.539, "Xe": 8.76, "HgCd": 1.012}
"""Usual exposure times of the arc lamps (real frames, ESO archive), s."""
FLAT_TIME: Final = 1.155
"""Usual exposure time of the continuum lamp, s."""
ARC_PEAK: Final = 45000.0
"""Electrons in the peak of the brightest line of a lamp, in an exposure of the usual time."""
FLAT_PEAK: Final = 40500.0
"""Electrons in a pixel of the continuum lamp at its brightest, in an exposure of the usual time."""
MONITORING_RATE: Final = 3500.0
"""Electrons a second in a pixel of the dimmed continuum lamp at its brightest, when the detectors are monitored."""
TWILIGHT_RATE: Final = 9000.0
"""Electrons in a pixel of the twilight at its brightest, in `TWILIGHT_TIME`."""
TWILIGHT_TIME: Final = 5.0
LINE_AREA: Final = 2.13
"""Electrons in a line over those in its brightest row: a line of 2.5 Angstrom in rows of 1.25 Angstrom."""
SPAXEL_AREA: Final = 0.04
SPAXEL: Final = 0.2
"""Side of a spaxel of the wide-field mode, arcsec. In the narrow-field mode lamps and twilight are as bright in a
spaxel, though that is 64 times smaller: calibrations are exposed until the detector is filled as well."""
ROW: Final = 1.25

SOLAR_LINES: Final = (
    (4383.5, 2.5, 0.5), (4861.3, 3.7, 0.55), (5172.7, 2.2, 0.5), (5183.6, 2.4, 0.5), (5269.5, 2.0, 0.45),
    (5890.0, 1.2, 0.55), (5895.9, 1.0, 0.5), (6562.8, 4.0, 0.6), (8498.0, 2.5, 0.45), (8542.1, 3.4, 0.55),
    (8662.1, 3.0, 0.5),
)  # fmt: skip
"""Strong Fraunhofer lines: air wavelength, full width (Angstrom), depth (solar atlases; rounded)."""


@dataclass(frozen=True)
class Gradient:
    """Light that is 1 in the middle of the field; x, y: relative changes per arcsec, radial: per square arcsec."""

    x: float
    y: float
    radial: float

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Relative brightness at field positions, arcsec."""
        shape = np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(wavelength))
        return np.broadcast_to(1.0 + self.x * x + self.y * y + self.radial * (x * x + y * y), shape)

    def bounds(self) -> None:
        """It is everywhere."""
        return None


LAMP_GRADIENT: Final = Gradient(1.0e-3, -0.7e-3, -2.0e-5)
"""How the calibration unit lights the field."""
TWILIGHT_GRADIENT: Final = Gradient(-2.0e-4, 3.0e-4, 0.0)


def vignetting(x: Array, y: Array) -> Array:
    """What the telescope's field lets pass: the lower right corner loses some light (positions in arcsec)."""
    depth = np.clip(np.hypot(x - 30.0, y + 30.0), 0.0, 9.0)
    return np.asarray(1.0 - 0.12 * (1.0 - depth / 9.0) ** 2)


def continuum_lamp(effects: Effects, spaxel: float = SPAXEL, rate: float = FLAT_PEAK / FLAT_TIME) -> list[Component]:
    """The continuum lamps that flats are lit with; `spaxel` is its side, arcsec, `rate` that of the brightest pixel."""
    return [Component("continuum lamp", continuum_only(continuum_light(spaxel, rate)), _lit(effects), "field")]


def continuum_light(spaxel: float = SPAXEL, rate: float = FLAT_PEAK / FLAT_TIME) -> Array:
    """Photons a second, Angstrom and square arcsec of the continuum lamps at the wavelengths `FINE`."""
    # a halogen lamp with the blue lamp beside it: flatter than one black body
    return _level(_planck(3200.0) + 0.35 * _planck(5500.0), rate, spaxel)


def arc_lamp(lamp: str, effects: Effects, spaxel: float = SPAXEL) -> list[Component]:
    """An arc lamp: "Ne", "Xe" or "HgCd", else MusedeepError; `spaxel` is the side of a spaxel, arcsec."""
    return [Component(f"{lamp} lamp", _arc_spectrum(lamp, spaxel), _lit(effects), "field")]


def twilight(
    atmosphere: Atmosphere, effects: Effects, brightness: float = 1.0, spaxel: float = SPAXEL
) -> list[Component]:
    """Scattered sunlight of the clear twilight sky; `spaxel` is its side, arcsec."""
    blue = (FINE / 6000.0) ** -2.0 * _planck(5770.0) / _planck(5770.0).max()
    for line, width, depth in SOLAR_LINES:
        blue = blue * (1.0 - depth * np.exp(-4.0 * np.log(2.0) * ((FINE - line) / width) ** 2))
    blue = blue * atmosphere.telluric(FINE)
    spectrum = continuum_only(brightness * _level(blue, TWILIGHT_RATE / TWILIGHT_TIME, spaxel))
    return [Component("twilight", spectrum, TWILIGHT_GRADIENT if effects.lamp_gradient else Uniform(), "field")]


@lru_cache(maxsize=8)
def _arc_spectrum(lamp: str, spaxel: float) -> Spectrum:
    """Photons a second and square arcsec in the lines of a lamp."""
    lines = load_arc_lines().of_lamp(lamp)
    wavelength, flux = lines.wavelength, lines.flux
    electrons = flux * efficiency(wavelength, "WFM-NOAO-N") * _area(spaxel)
    bright = electrons[(wavelength > 4750.0) & (wavelength < 9350.0)].max()
    return lines_only(wavelength, flux * (ARC_PEAK * LINE_AREA / ARC_TIME[lamp] / bright))


def _lit(effects: Effects) -> Gradient | Uniform:
    """How lamps light the field."""
    return LAMP_GRADIENT if effects.lamp_gradient else Uniform()


def _area(spaxel: float) -> float:
    """Of a spaxel, square arcsec."""
    return SPAXEL_AREA * (spaxel / SPAXEL) ** 2


def _planck(temperature: float) -> Array:
    """Photons per wavelength of a black body, arbitrary unit."""
    return np.asarray(1e14 * FINE**-4 / np.expm1(1.43877e8 / (FINE * temperature)))


def _level(shape: Array, rate: float, spaxel: float) -> Array:
    """Scale a spectrum so that the brightest pixel gets `rate` electrons a second."""
    electrons = shape * efficiency(FINE, "WFM-NOAO-N") * _area(spaxel) * ROW
    return np.asarray(shape * (rate / electrons.max()))
