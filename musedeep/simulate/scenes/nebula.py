"""A nebula that fills the field: an excited core, a shell, filaments, and stars in front of it."""

import numpy as np

from musedeep.simulate.scenes.layout import FIELD, strewn
from musedeep.simulate.source import Source
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.templates import LIGHT_KM_S, emission_lines, flux_of_magnitude, star_template

HIGH = {"[OIII]5007": 8.0, "[NII]6583": 0.6, "[SII]6716": 0.10, "[SII]6731": 0.13, "[OI]6300": 0.01}
"""Lines of gas near the star, in units of H beta; doublets follow from atomic physics."""

LOW = {"[OIII]5007": 1.6, "[NII]6583": 3.4, "[SII]6716": 0.65, "[SII]6731": 0.55, "[OI]6300": 0.35}
"""The same of the shell and the filaments."""

SHELL = 14
FILAMENTS = 8
FEW_STARS = 8


def nebula(seed: int, size: float = FIELD) -> tuple[Source, ...]:
    """Sources of the nebula: the same from the same seed.

    A core of 24 x 18 arcsec, 14 clumps on a ring of radius 18 arcsec, 8 filaments, the hot central star, and about 125
    stars of magnitudes 17.5 to 20.5 evenly strewn (in a smaller field 8). Positions and widths shrink with `size`, the
    side of the field, arcsec.
    """
    generator = np.random.default_rng([seed, 2])
    scale = size / FIELD
    sources = [
        Source("central-star", 0.0, 0.0, star_template(60000), flux_of_magnitude(17.0)),
        _gas("core", (0.0, 0.0), (24.0, 18.0, 35.0), 6e-14, HIGH, 0.0, scale),
    ]
    for number, angle in enumerate(np.linspace(0.0, 2.0 * np.pi, SHELL, endpoint=False), 1):
        place = 18.0 * np.array([np.sin(angle), np.cos(angle)]) + generator.uniform(-1.0, 1.0, 2)
        axes = (float(generator.uniform(5.0, 9.0)), float(generator.uniform(2.5, 4.0)), float(np.degrees(angle)) + 90.0)
        # the shell expands along a tilted axis: one side comes nearer
        velocity = 25.0 * float(np.sin(angle))
        flux = 6e-15 * float(generator.uniform(0.5, 1.5))
        sources.append(_gas(f"shell-{number:02d}", (place[0], place[1]), axes, flux, LOW, velocity, scale))
    for number in range(1, FILAMENTS + 1):
        place = generator.uniform(-28.0, 28.0, 2)
        length, width, angle = generator.uniform((10.0, 0.8, 0.0), (20.0, 1.6, 180.0))
        axes = (float(length), float(width), float(angle))
        flux = 3e-15 * float(generator.uniform(0.4, 1.6))
        velocity = float(generator.normal(0.0, 15.0))
        sources.append(_gas(f"filament-{number}", (place[0], place[1]), axes, flux, LOW, velocity, scale))
    places = list(zip(*strewn(generator), strict=True))
    # stars do not shrink with the field
    for number, (xi, eta) in enumerate(places if size >= FIELD else places[:: len(places) // FEW_STARS], 1):
        temperature = round(float(generator.triangular(3500.0, 5000.0, 9500.0)))
        flux = flux_of_magnitude(generator.uniform(17.5, 20.5))
        sources.append(Source(f"star-{number:03d}", xi * scale, eta * scale, star_template(temperature), flux))
    return tuple(sources)


def _gas(
    name: str,
    place: tuple[float, float],
    axes: tuple[float, float, float],
    hbeta: float,
    ratios: dict[str, float],
    velocity: float,
    scale: float,
) -> Source:
    fluxes = {line: ratio * hbeta for line, ratio in ratios.items()}
    fluxes |= {"Hbeta": hbeta, "Halpha": 2.87 * hbeta, "HeI5876": 0.14 * hbeta, "[SIII]9069": 0.25 * hbeta}
    fluxes |= {"[OIII]4959": fluxes["[OIII]5007"] / 2.98, "[NII]6548": fluxes["[NII]6583"] / 3.05}
    redshift = velocity / LIGHT_KM_S
    # gas of 10000 K shines in the continuum with about a thousandth of H beta an Angstrom (Osterbrock & Ferland 2006)
    continuum = np.full(FINE.size, 1e-3)
    return Source(
        name, place[0] * scale, place[1] * scale, continuum, hbeta, *emission_lines(fluxes, redshift),
        line_dispersion=10.0, kind="extended", fwhm_major=axes[0] * scale, fwhm_minor=axes[1] * scale, angle=axes[2],
        redshift=redshift,
    )  # fmt: skip
