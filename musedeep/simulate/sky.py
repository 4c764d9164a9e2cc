"""The light of the night sky."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import COLLECTING_AREA
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component, Uniform
from musedeep.simulate.spectrum import FINE, Spectrum
from musedeep.simulate.templates import photons
from musedeep.statics.load import load_sky_continuum, load_sky_lines

Array = NDArray[np.float64]

TABLE_UNIT: Final = 1e-20
"""Unit of the tables, erg/s/cm2/arcsec2."""

AIRGLOW_HEIGHT, EARTH_RADIUS = 90.0, 6371.0
"""Layer that glows, and the Earth, km."""

AIRGLOW_PART: Final = 0.4
"""Part of the dark sky's continuum that comes from the upper atmosphere (Noll et al. 2012, A&A 543, A92)."""

AVERAGE: Final = 1.25
"""Continuum of an average dark night over the table's, which is that of the ecliptic pole with least zodiacal light.

With the lines this gives V = 21.69; Paranal has 21.61 on average (Patat 2008, A&A 481, 575)."""

VARIATION: Final = {"OH": 0.05, "[OI]": 0.3, "Na D": 0.3, "O2": 0.15}
"""Scatter of a group of lines from exposure to exposure, by what its description says; relative."""

OTHER_VARIATION: Final = 0.15
HYDROXYL_VARIATION: Final = 0.15
"""Scatter that all groups of OH have in common (their bands rise and fall together)."""


def sky_components(atmosphere: Atmosphere, brightness: float = 1.0, seed: int | None = None) -> list[Component]:
    """The night sky: one uniform component, photons a second, Angstrom and arcsec2.

    Parameters
    ----------
    atmosphere : its airmass lengthens the way through the glowing layer; its molecules absorb
    brightness : factor of everything; 1 is a dark night
    seed : of the factors of groups of lines (see `line_factors`); None: all 1
    """
    factors = line_factors(seed) if seed is not None else {}
    path = glowing_path(atmosphere.airmass)
    table = load_sky_lines()
    wavelength = table.wavelength
    inside = (wavelength > FINE[0]) & (wavelength < FINE[-1])
    scale = np.array([factors.get(int(group), 1.0) for group in table.group])
    # what is scattered out of the way is about made up for by what is scattered in, whatever the airmass (Noll et al.
    # 2012): the extinction is that of the zenith, from which the fluxes were freed
    zenith = Atmosphere(airmass=1.0, with_extinction=atmosphere.with_extinction)
    absorption = zenith.extinction(wavelength) * atmosphere.telluric(wavelength)
    common = brightness * atmosphere.transparency
    flux = (TABLE_UNIT * common * path) * table.flux * scale * absorption
    continuum = common * sky_continuum(path) * atmosphere.telluric(FINE)
    spectrum = Spectrum(
        photons(continuum, FINE, COLLECTING_AREA),
        wavelength[inside],
        photons(flux[inside], wavelength[inside], COLLECTING_AREA),
    )
    return [Component("night sky", spectrum, Uniform())]


def sky_continuum(path: float = 1.0) -> Array:
    """Continuum of the dark sky at the telescope without absorption by molecules, on the grid `FINE`.

    Float64 (55501,), erg/s/cm2/Angstrom/arcsec2; `path` is the way through the glowing layer in units of its thickness.
    """
    table = load_sky_continuum()
    dark = (1.0 + AIRGLOW_PART * (path - 1.0)) * table.flux
    return TABLE_UNIT * np.interp(FINE, table.wavelength, AVERAGE * dark)


def glowing_path(airmass: float) -> float:
    """Way through a thin layer at the height of the airglow in units of its thickness (van Rhijn 1921)."""
    sine_squared = 1.0 - 1.0 / airmass**2
    ratio = EARTH_RADIUS / (EARTH_RADIUS + AIRGLOW_HEIGHT)
    return float(1.0 / np.sqrt(1.0 - ratio**2 * sine_squared))


def line_factors(seed: int) -> dict[int, float]:
    """Factors, by group, by which lines differ from the table in the exposure of a seed.

    They are log-normal: the bands of OH vary together by 15 percent and each by 5 more, the lines of atomic oxygen and
    sodium by 30, others by 15.
    """
    generator = np.random.default_rng([seed, 4])
    hydroxyl = generator.normal(0.0, HYDROXYL_VARIATION)
    factors = {}
    for group, text in sorted(load_sky_lines().groups.items()):
        species = next((known for known in VARIATION if known in text), "")
        scatter = generator.normal(0.0, VARIATION.get(species, OTHER_VARIATION))
        factors[group] = float(np.exp(scatter + (hydroxyl if species == "OH" else 0.0)))
    return factors
