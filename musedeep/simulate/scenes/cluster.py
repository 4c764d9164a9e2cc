"""A crowded star cluster."""

import numpy as np

from musedeep.simulate.scenes.layout import FIELD
from musedeep.simulate.source import Source
from musedeep.simulate.templates import flux_of_magnitude, star_template

TEMPERATURES = tuple(round(float(value)) for value in np.geomspace(3600.0, 11000.0, 16))
"""Stars share these spectra, K."""

CORE_RADIUS = 14.0
"""Scale radius of the surface density (Plummer), arcsec."""


def cluster(seed: int, size: float = FIELD, stars: int = 600) -> tuple[Source, ...]:
    """Stars of magnitudes 15 to 23.5, more of them the fainter; giants, a horizontal branch and a main sequence.

    The same seed gives the same stars; `size` is the side of the field, arcsec, with which positions shrink.
    """
    generator = np.random.default_rng([seed, 3])
    scale = size / FIELD
    # number per magnitude grows as 10 ** (0.22 m)
    low, high = 10.0 ** (0.22 * 15.0), 10.0 ** (0.22 * 23.5)
    magnitudes = np.log10(generator.uniform(low, high, stars)) / 0.22
    # a Plummer profile cut where it leaves the field
    inside = 45.0**2 / (45.0**2 + CORE_RADIUS**2)
    part = generator.uniform(0.0, inside, stars)
    radius = CORE_RADIUS * np.sqrt(part / (1.0 - part)) * scale
    angle = generator.uniform(0.0, 2.0 * np.pi, stars)
    found = []
    for number, magnitude in enumerate(magnitudes, 1):
        temperature = _temperature(generator, float(magnitude))
        nearest = min(TEMPERATURES, key=lambda value: abs(np.log(value / temperature)))
        xi = float(radius[number - 1] * np.sin(angle[number - 1]))
        eta = float(radius[number - 1] * np.cos(angle[number - 1]))
        found.append(Source(f"star-{number:04d}", xi, eta, star_template(nearest), flux_of_magnitude(float(magnitude))))
    return tuple(found)


def _temperature(generator: np.random.Generator, magnitude: float) -> float:
    """Temperature of a star of the cluster, K, with the turn-off at magnitude 19."""
    scatter = float(generator.normal(1.0, 0.015))
    if 16.0 < magnitude < 16.8 and generator.random() < 0.6:
        return float(generator.uniform(5800.0, 10500.0))
    if magnitude < 18.5:
        return scatter * float(np.interp(magnitude, [15.0, 18.5], [4200.0, 5300.0]))
    return scatter * float(np.interp(magnitude, [18.5, 19.0, 23.5], [5500.0, 6300.0, 3900.0]))
