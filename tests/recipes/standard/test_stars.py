"""Stars of a field: found, placed on the sky, chosen."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.recipes.standard.stars import FieldPlace, Star, Stars, choose_star, find_stars
from musedeep.storage.calibrations.std_flux_table import Standard
from tests.makers.field_tables import observation

PLACES = [(20.3, 15.6), (50.1, 30.2)]


def field(places=PLACES, peaks=(2000.0, 500.0), noise=1.0):
    """An image of stars."""
    y, x = np.indices((45, 70)).astype(float)
    image = 10.0 + noise * np.random.default_rng(1).normal(size=x.shape)
    for (x0, y0), peak in zip(places, peaks, strict=True):
        image += peak * (1.0 + ((x - x0) ** 2 + (y - y0) ** 2) / 2.0**2) ** -2.8
    return image.astype(np.float32)


def place(**changed):
    """A field whose pointing is in the middle."""
    return FieldPlace(observation(**changed), (0.0, 0.0), (-34.5, -22.0))


def test_stars_are_found_and_placed():
    found = find_stars(field(), place())
    assert len(found.stars) == 2
    for star, (x, y) in zip(found.stars, PLACES, strict=True):
        assert (star.x, star.y) == pytest.approx((x, y), abs=0.1)
    assert found.width == pytest.approx(4.0 * np.sqrt(2.0 ** (1.0 / 2.8) - 1.0), rel=0.12)


@pytest.mark.parametrize(("angle", "east", "north"), [(0.0, -2.0, 1.0), (90.0, 1.0, 2.0), (180.0, 2.0, -1.0)])
def test_places_on_the_sky(angle, east, north):
    where = place(**{"ESO_INS_DROT_POSANG": angle})
    ra, dec = where.sky(34.5 + 10.0, 22.0 + 5.0)
    cosine = np.cos(np.radians(where.observation.dec))
    assert ((ra - where.observation.ra) * 3600 * cosine, (dec - where.observation.dec) * 3600) == pytest.approx(
        (east, north), abs=1e-3
    )


def test_fields_without_a_star():
    with pytest.raises(MusedeepError, match=r"made\.fits: no whole star in the field, 5 standard deviations"):
        find_stars(field((), ()), place())
    with pytest.raises(MusedeepError, match=r"made\.fits: the field has no data"):
        find_stars(np.full((20, 30), np.nan, np.float32), place())


def _standard(ra, dec):
    none = np.empty(0)
    return Standard("HD1", ra, dec, none, none, none)


def test_the_nearest_or_the_brightest_is_chosen():
    stars = Stars((Star(1, 1, 10.0, -30.0), Star(5, 5, 10.002, -30.0)), 4.0)
    fluxes, seen = np.array([9e5, 1e5]), observation()
    assert choose_star(stars, fluxes, _standard(10.0021, -30.0), "distance", seen) == 1
    assert choose_star(stars, fluxes, _standard(10.0021, -30.0), "flux", seen) == 0
    assert choose_star(stars, np.array([9e5, np.nan]), _standard(10.0021, -30.0), "distance", seen) == 0
    with pytest.raises(MusedeepError, match=r"the star nearest to HD1 is 28\.\d arcsec away"):
        choose_star(stars, fluxes, _standard(10.011, -30.0), "distance", seen)
    with pytest.raises(MusedeepError, match="no flux could be measured of 2 stars"):
        choose_star(stars, np.full(2, np.nan), _standard(10.0, -30.0), "flux", seen)
