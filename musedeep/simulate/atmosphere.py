"""The air above the telescope: what it absorbs, how it bends and how it blurs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.statics.load import load_extinction
from musedeep.statics.telluric import telluric_transmission

Array = NDArray[np.float64]

HPA_IN_MMHG = 760.0 / 1013.25
ARCSEC = 180.0 * 3600.0 / np.pi


@dataclass(frozen=True)
class Atmosphere:
    """The state of the air during an exposure.

    Attributes
    ----------
    airmass : sec z
    seeing : full width at half maximum at 5000 Angstrom at the zenith, arcsec
    precipitable_water_mm : column of water above the site at the zenith
    transparency : what clouds leave; 1 is photometric
    temperature_c, humidity_percent, pressure_hpa : of the air at the telescope
    with_extinction, with_telluric, with_refraction : switches
    """

    airmass: float = 1.0
    seeing: float = 0.7
    precipitable_water_mm: float = 2.5
    transparency: float = 1.0
    temperature_c: float = 11.5
    humidity_percent: float = 14.5
    pressure_hpa: float = 743.5
    with_extinction: bool = True
    with_telluric: bool = True
    with_refraction: bool = True

    def extinction(self, wavelength: Array) -> Array:
        """Part of the light that scattering and continuous absorption leave: 10 ** (-0.4 k X), k of Patat et al. 2011.

        Wavelengths in Angstrom, air, any shape; float64 of that shape. So for `telluric` and `transmission`.
        """
        wavelength = np.asarray(wavelength, np.float64)
        if not self.with_extinction:
            return np.ones(wavelength.shape)
        return np.asarray(10.0 ** (-0.4 * self.airmass * load_extinction().at(wavelength)))

    def telluric(self, wavelength: Array) -> Array:
        """Part of the light that the lines of O2 and H2O leave."""
        wavelength = np.asarray(wavelength, np.float64)
        if not self.with_telluric:
            return np.ones(wavelength.shape)
        return telluric_transmission(wavelength, self.airmass, self.precipitable_water_mm)

    def transmission(self, wavelength: Array) -> Array:
        """Part of the light that reaches the telescope: extinction, telluric lines and clouds."""
        return self.transparency * self.extinction(wavelength) * self.telluric(wavelength)

    def seeing_fwhm(self, wavelength: Array) -> Array:
        """Full width at half maximum of a star, arcsec: seeing (lambda / 5000)^-0.2 X^0.6 (Kolmogorov turbulence)."""
        chromatic = (np.asarray(wavelength, np.float64) / 5000.0) ** -0.2
        return np.asarray(self.seeing * self.airmass**0.6 * chromatic)

    def refraction(self, wavelength: Array, reference: float = 7000.0) -> Array:
        """How much closer to the zenith light appears than light of the reference wavelength (both in Angstrom).

        Filippenko 1982 (PASP 94, 715): 206265 (n(lambda) - n(reference)) tan z, float64, arcsec, of the shape of
        `wavelength`: positive for blue light, 0 with refraction switched off.
        """
        wavelength = np.asarray(wavelength, np.float64)
        if not self.with_refraction:
            return np.zeros(wavelength.shape)
        tan_z = np.sqrt(max(self.airmass**2 - 1.0, 0.0))
        water = self.humidity_percent / 100.0 * saturation_pressure(self.temperature_c)
        index, index_reference = (
            refractive_index(w, self.temperature_c, self.pressure_hpa, water) for w in (wavelength, np.array(reference))
        )
        return np.asarray(ARCSEC * (index - index_reference) * tan_z)


def saturation_pressure(temperature_c: float) -> float:
    """Saturation pressure of water vapour, hPa (Buck 1981, J. Appl. Meteorol. 20, 1527)."""
    return float(6.1121 * np.exp((18.678 - temperature_c / 234.5) * temperature_c / (257.14 + temperature_c)))


def refractive_index(wavelength: Array, temperature_c: float, pressure_hpa: float, water_hpa: float) -> Array:
    """Refractive index of air (Edlen 1953, Barrell 1951, as collected by Filippenko 1982).

    Angstrom, degrees Celsius, hPa of the air and of the water vapour in it; of the shape of `wavelength`.
    """
    inverse_square = (np.asarray(wavelength, np.float64) / 1e4) ** -2.0
    pressure, water = pressure_hpa * HPA_IN_MMHG, water_hpa * HPA_IN_MMHG
    expansion = 1.0 + 0.003661 * temperature_c
    standard = 64.328 + 29498.1 / (146.0 - inverse_square) + 255.4 / (41.0 - inverse_square)
    dry = standard * pressure * (1.0 + (1.049 - 0.0157 * temperature_c) * 1e-6 * pressure) / (720.883 * expansion)
    wet = (0.0624 - 0.000680 * inverse_square) / expansion * water
    return np.asarray(1.0 + 1e-6 * (dry - wet))
