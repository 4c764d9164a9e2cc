"""Velocities of the telescope, of one place and of many."""

import numpy as np
import pytest

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE
from musedeep.reduction.ephemeris import site, velocity

PARANAL = site(LONGITUDE, LATITUDE, ELEVATION)


@pytest.mark.parametrize("kind", ["barycentric", "heliocentric", "geocentric"])
def test_many_places_at_once(kind):
    ra, dec, mjd = np.array([53.16, 150.0]), np.array([-27.78, 2.2]), np.array([57001.12978, 58000.3])
    many = velocity(kind, ra, dec, mjd, PARANAL)
    single = [velocity(kind, *one, PARANAL) for one in zip(ra, dec, mjd, strict=True)]
    assert many == pytest.approx(single, abs=1e-9)


def test_the_rotation_of_the_earth_is_the_smaller_part():
    # a source in the east comes nearer by the rotation alone; its velocity is below 0.465 km/s anywhere
    motion = velocity("geocentric", 53.16, -27.78, 57001.12978, PARANAL)
    assert 0.0 < abs(motion) < 0.465
    # astropy, with the longitude of Paranal
    assert velocity("barycentric", 53.16, -27.78, 57001.12978, PARANAL) == pytest.approx(-12.811, abs=2e-3)
