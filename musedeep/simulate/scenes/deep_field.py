"""A field far from the Milky Way: galaxies with emission lines at all redshifts that MUSE sees, and stars."""

import numpy as np

from musedeep.simulate.scenes.layout import FIELD, apart, strewn
from musedeep.simulate.source import Source
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.templates import emission_lines, flux_of_magnitude, galaxy_template, star_template

DISCS = 18
LYMAN_ALPHA_EMITTERS = 14


def deep_field(seed: int, size: float = FIELD) -> tuple[Source, ...]:
    """Sources of the deep field: the same from the same seed.

    About 125 stars and compact galaxies evenly strewn, brighter than magnitude 22; 18 extended discs of magnitudes 21.5
    to 24; 14 Lyman-alpha emitters of 0.5 to 5 1e-17 erg/s/cm2 without continuum. Positions shrink with `size`, the side
    of the field, arcsec.
    """
    generator = np.random.default_rng([seed, 1])
    scale = size / FIELD
    grid = strewn(generator)
    sources = []
    for number, (xi, eta) in enumerate(zip(*grid, strict=True), 1):
        xi, eta = float(xi * scale), float(eta * scale)
        if generator.random() < 0.65:
            sources.append(_star(generator, f"star-{number:03d}", xi, eta))
        else:
            sources.append(_galaxy(generator, f"galaxy-{number:03d}", xi, eta, (20.0, 22.0), (0.2, 0.4)))
    free = apart(generator, DISCS + LYMAN_ALPHA_EMITTERS, grid, 2.8) * scale
    for number, (xi, eta) in enumerate(free[:DISCS], 1):
        sources.append(_galaxy(generator, f"disc-{number:02d}", float(xi), float(eta), (21.5, 24.0), (0.7, 2.0)))
    for number, (xi, eta) in enumerate(free[DISCS:], 1):
        sources.append(_lyman_alpha_emitter(generator, f"lyman-alpha-{number:02d}", float(xi), float(eta)))
    return tuple(sources)


def _star(generator: np.random.Generator, name: str, xi: float, eta: float) -> Source:
    temperature = round(float(generator.triangular(3200.0, 4200.0, 7500.0)))
    return Source(name, xi, eta, star_template(temperature), flux_of_magnitude(generator.uniform(18.5, 21.5)))


def _galaxy(
    generator: np.random.Generator,
    name: str,
    xi: float,
    eta: float,
    magnitudes: tuple[float, float],
    sizes: tuple[float, float],
) -> Source:
    redshift = round(float(generator.uniform(0.08, 1.45)), 5)
    young = round(float(generator.uniform(0.0, 0.9)), 3)
    scale = flux_of_magnitude(generator.uniform(*magnitudes))
    # the width of H alpha grows with the part of young stars
    halpha = scale * (1.0 + redshift) * (8.0 + 90.0 * young * generator.uniform(0.5, 1.0))
    oxygen, nitrogen = generator.uniform(0.4, 3.5), generator.uniform(0.08, 0.42)
    fluxes = {
        "Halpha": halpha,
        "Hbeta": halpha / 3.4,
        "Hgamma": halpha / 7.6,
        "[OIII]5007": halpha / 3.4 * oxygen,
        "[OIII]4959": halpha / 3.4 * oxygen / 2.98,
        "[NII]6583": halpha * nitrogen,
        "[NII]6548": halpha * nitrogen / 3.05,
        "[SII]6716": halpha * 0.16,
        "[SII]6731": halpha * 0.12,
        "[OII]3729": halpha * 0.42,
        "[OII]3726": halpha * 0.30,
        "[NeIII]3869": halpha * 0.06 * oxygen,
    }
    wavelength, flux = emission_lines(fluxes, redshift)
    major = float(generator.uniform(*sizes))
    return Source(
        name, xi, eta, galaxy_template(redshift, young), scale, wavelength, flux, kind="extended",
        line_dispersion=float(generator.uniform(35.0, 110.0)), fwhm_major=major,
        fwhm_minor=major * float(generator.uniform(0.35, 1.0)), angle=float(generator.uniform(0.0, 180.0)),
        profile="exponential", redshift=redshift,
    )  # fmt: skip


def _lyman_alpha_emitter(generator: np.random.Generator, name: str, xi: float, eta: float) -> Source:
    redshift = round(float(generator.uniform(2.95, 6.5)), 5)
    flux = {"Lya": 5e-18 * 10.0 ** generator.uniform(0.0, 1.0)}
    width = float(generator.uniform(0.2, 0.9))
    return Source(
        name, xi, eta, np.zeros(FINE.size), 1.0, *emission_lines(flux, redshift),
        line_dispersion=float(generator.uniform(80.0, 150.0)), kind="extended", fwhm_major=width, fwhm_minor=width,
        profile="exponential", redshift=redshift,
    )  # fmt: skip
