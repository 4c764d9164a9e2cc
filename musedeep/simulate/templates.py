"""Spectra of stars and galaxies: thermal continua with the absorption lines that a spectrograph notices."""

from functools import lru_cache
from typing import Final

import numpy as np
from astropy import constants
from numpy.typing import NDArray

from musedeep.simulate.spectrum import FINE

Array = NDArray[np.float64]

LIGHT_KM_S: Final = constants.c.to_value("km/s")
"""Speed of light, km/s."""

PHOTONS_PER_ERG: Final = 1e-8 / (constants.h.cgs.value * constants.c.cgs.value)
"""Photons of 1 Angstrom in an erg; those of wavelength w are w times as many."""

AB_ZERO: Final = 3.631e-20
"""Flux density of AB magnitude 0, erg/s/cm2/Hz (Oke & Gunn 1983)."""

V_WAVELENGTH: Final = 5500.0
"""Where magnitudes of the scenes are counted, Angstrom."""

SOLAR_LINES: Final = np.array(
    [
        (4861.34, 3.68, 0.0),  # H beta
        (4920.51, 0.47, 1.0),  # Fe I
        (4957.61, 0.69, 1.0),  # Fe I
        (5167.33, 0.94, 1.0),  # Mg I
        (5172.70, 1.26, 1.0),  # Mg I
        (5183.62, 1.58, 1.0),  # Mg I
        (5227.19, 0.45, 1.0),  # Fe I
        (5269.55, 0.48, 1.0),  # Fe I
        (5328.05, 0.38, 1.0),  # Fe I
        (5371.50, 0.30, 1.0),  # Fe I
        (5405.79, 0.27, 1.0),  # Fe I
        (5446.92, 0.24, 1.0),  # Fe I
        (5528.42, 0.29, 1.0),  # Mg I
        (5615.66, 0.26, 1.0),  # Fe I
        (5889.97, 0.75, 1.0),  # Na I
        (5895.94, 0.56, 1.0),  # Na I
        (6122.23, 0.22, 1.0),  # Ca I
        (6162.18, 0.22, 1.0),  # Ca I
        (6400.02, 0.20, 1.0),  # Fe I
        (6494.99, 0.17, 1.0),  # Fe I
        (6562.81, 4.02, 0.0),  # H alpha
        (7511.03, 0.17, 1.0),  # Fe I
        (8498.06, 1.47, 1.0),  # Ca II
        (8542.14, 3.67, 1.0),  # Ca II
        (8662.17, 2.60, 1.0),  # Ca II
        (8806.78, 0.52, 1.0),  # Mg I
    ]
)
"""Strong lines of the solar spectrum: wavelength in air, equivalent width (Angstrom), 1 for metals and 0 for hydrogen.

Rounded from Moore, Minnaert & Houtgast 1966 (NBS Monograph 61)."""


def planck(wavelength: Array, temperature: float) -> Array:
    """Thermal continuum per Angstrom, 1 at `V_WAVELENGTH`; wavelength in Angstrom, temperature in K."""
    exponent = 1.43877688e8 / temperature
    reference = np.expm1(exponent / V_WAVELENGTH)
    return np.asarray((V_WAVELENGTH / wavelength) ** 5 * reference / np.expm1(exponent / wavelength))


@lru_cache(maxsize=64)
def star_template(temperature: float) -> Array:
    """Spectrum of a star (temperature in K): float64, on the grid `FINE`, per Angstrom, 1 at `V_WAVELENGTH`; read-only.

    A thermal continuum with the Sun's strong lines: those of metals fade and those of hydrogen grow towards 9500 K.
    It is a star to the instrument, not to a stellar physicist.
    """
    hydrogen = np.exp(-0.5 * (np.log(temperature / 9500.0) / 0.35) ** 2) / 0.363
    metals = np.clip((5772.0 / temperature) ** 4, 0.0, 2.5)
    absorption = np.ones(FINE.size)
    for wavelength, width, metal in SOLAR_LINES:
        strength = width * (metals if metal else hydrogen)
        scale = 0.35 + 0.35 * strength if metal else 0.8 + 0.3 * strength
        depth = min(strength / (np.pi * scale), 0.9)
        absorption *= 1.0 - depth / (1.0 + np.square((FINE - wavelength) / scale))
    template = planck(FINE, temperature) * absorption
    template.setflags(write=False)
    return template


@lru_cache(maxsize=256)
def galaxy_template(redshift: float, young: float) -> Array:
    """Continuum of a galaxy: float64, on the grid `FINE`, per Angstrom, 1 at `V_WAVELENGTH` (observed); read-only.

    Old stars: 4700 K with the break at 4000 Angstrom, H and K, G band, Mg b and Na D broadened by motion; young stars,
    which give the part `young` (0 to 1) of the light at the rest wavelength 5500 Angstrom: a slope of lambda^-2 with a
    break at 912 Angstrom and the absorption of the Lyman-alpha forest below 1216.
    """
    rest = FINE / (1.0 + redshift)
    old = planck(rest, 4700.0) * (0.45 + 0.55 / (1.0 + np.exp(-(rest - 4000.0) / 25.0)))
    features = (
        (3933.7, 0.55, 10.0), (3968.5, 0.5, 10.0), (4304.0, 0.25, 14.0), (4861.3, 0.1, 6.0), (5175.0, 0.22, 18.0),
        (5270.0, 0.1, 12.0), (5893.0, 0.18, 7.0), (8542.1, 0.15, 7.0), (8662.1, 0.12, 7.0),
    )  # fmt: skip
    for wavelength, depth, sigma in features:
        old *= 1.0 - depth * np.exp(-0.5 * np.square((rest - wavelength) / sigma))
    recent = (rest / V_WAVELENGTH) ** -2.0 * np.where(rest < 1215.67, 0.6, 1.0) * (rest > 912.0)
    template = (1.0 - young) * old + young * recent
    template = template / np.interp(V_WAVELENGTH, FINE, template)
    template.setflags(write=False)
    return template


def flux_of_magnitude(magnitude: float) -> float:
    """Flux of an AB magnitude at `V_WAVELENGTH`, erg/s/cm2/Angstrom."""
    light = LIGHT_KM_S * 1e13
    return float(AB_ZERO * 10.0 ** (-0.4 * magnitude) * light / V_WAVELENGTH**2)


def photons(flux: Array, wavelength: Array, area: float) -> Array:
    """Photons a second: flux (erg/s/cm2, or per Angstrom) times wavelength (Angstrom) over h c times area (cm2)."""
    return flux * wavelength * PHOTONS_PER_ERG * area


def air_of_vacuum(wavelength: Array) -> Array:
    """Wavelengths in air of wavelengths in vacuum, Angstrom (Morton 2000, ApJS 130, 403, eq. 8)."""
    square = np.square(1e4 / np.asarray(wavelength, np.float64))
    index = 1.0 + 8.34254e-5 + 2.406147e-2 / (130.0 - square) + 1.5998e-4 / (38.9 - square)
    return np.asarray(wavelength / index)


def vacuum_of_air(wavelength: Array) -> Array:
    """Wavelengths in vacuum of wavelengths in air, Angstrom; the inverse of `air_of_vacuum` to 1e-9."""
    wavelength = np.asarray(wavelength, np.float64)
    vacuum = wavelength.copy()
    for _ in range(4):
        vacuum += wavelength - air_of_vacuum(vacuum)
    return vacuum


REST_LINES: Final = {
    "Lya": 1215.670,
    "[OII]3726": 3727.092,
    "[OII]3729": 3729.875,
    "[NeIII]3869": 3869.86,
    "Hgamma": 4341.692,
    "Hbeta": 4862.691,
    "[OIII]4959": 4960.295,
    "[OIII]5007": 5008.240,
    "HeI5876": 5877.243,
    "[OI]6300": 6302.046,
    "[NII]6548": 6549.86,
    "Halpha": 6564.632,
    "[NII]6583": 6585.27,
    "[SII]6716": 6718.294,
    "[SII]6731": 6732.674,
    "[SIII]9069": 9071.1,
}
"""Emission lines: rest wavelength in vacuum, Angstrom (NIST Atomic Spectra Database; van Hoof 2018, Galaxies 6, 63)."""


def emission_lines(fluxes: dict[str, float], redshift: float) -> tuple[Array, Array]:
    """Air wavelengths (Angstrom, rising) and fluxes, float64 (n,), of the lines that fall on the grid `FINE`.

    `fluxes` has the flux, erg/s/cm2, by the name in `REST_LINES`.
    """
    names = sorted(fluxes, key=REST_LINES.__getitem__)
    wavelength = air_of_vacuum(np.array([REST_LINES[name] for name in names]) * (1.0 + redshift))
    flux = np.array([fluxes[name] for name in names])
    inside = (wavelength > FINE[0]) & (wavelength < FINE[-1])
    return wavelength[inside], flux[inside]
