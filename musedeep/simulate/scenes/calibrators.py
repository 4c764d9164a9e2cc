"""What is observed to calibrate: a spectrophotometric standard, a field of stars with known places."""

import numpy as np

from musedeep.kernels.field.tangent import tangent_offsets
from musedeep.simulate.scenes.cluster import TEMPERATURES
from musedeep.simulate.source import Scene, Source
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.templates import flux_of_magnitude, star_template
from musedeep.statics.fields import field_names, load_astrometric_field
from musedeep.statics.load import load_standard, standard_names


def standard_star(name: str, star: str) -> Scene:
    """A standard star, the first if empty, in the middle of the field; MusedeepError if `load_standard` has none."""
    standard = load_standard(star or standard_names()[0])
    flux = np.interp(FINE, standard.wavelength, standard.flux)
    return Scene(name, standard.ra, standard.dec, (Source(standard.name, 0.0, 0.0, flux),))


def astrometric_stars(name: str, field: str) -> Scene:
    """The stars of an astrometric field, the first if empty; MusedeepError if `load_astrometric_field` has none."""
    stars = load_astrometric_field(field or field_names()[0])
    xi, eta = tangent_offsets(stars.star_ra, stars.star_dec, stars.ra, stars.dec)
    kinds = np.random.default_rng([len(stars.source), 5]).integers(0, len(TEMPERATURES) - 3, len(stars.source))
    sources = tuple(
        Source(label, float(x), float(y), star_template(TEMPERATURES[kind]), flux_of_magnitude(float(magnitude)))
        for label, x, y, kind, magnitude in zip(stars.source, xi, eta, kinds, stars.magnitude, strict=True)
    )
    return Scene(name, stars.ra, stars.dec, sources)
