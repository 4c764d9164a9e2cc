"""The velocity of the telescope, against astropy and the simulator."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

from musedeep.errors import MusedeepError
from musedeep.reduction.correct.velocity import FASTEST, LIGHT, correct_velocity, velocity_to
from musedeep.simulate.velocity import barycentric_velocity
from tests.makers.field_tables import LATITUDE, LONGITUDE, field_rows, observation


def of_astropy(seen, kind):
    site = EarthLocation.from_geodetic(LONGITUDE, LATITUDE, 2648.0)
    time = Time(seen.middle, format="mjd", location=site)
    place = SkyCoord(seen.ra, seen.dec, unit="deg")
    return place.radial_velocity_correction(kind, obstime=time).to_value(units.km / units.s)


@pytest.mark.parametrize(("rvcorr", "kind"), [("bary", "barycentric"), ("helio", "heliocentric")])
@pytest.mark.parametrize("hour_angle", [-4.0, 0.0, 3.0])
def test_velocity_is_that_of_astropy(rvcorr, kind, hour_angle):
    seen = observation(hour_angle=hour_angle)
    assert velocity_to(rvcorr, seen) == pytest.approx(of_astropy(seen, kind), abs=0.001)


def test_velocity_is_that_of_the_simulator():
    seen = observation(ESO_TEL_GEOLAT=None, ESO_TEL_GEOLON=None, ESO_TEL_GEOELEV=None)
    assert velocity_to("bary", seen) == pytest.approx(barycentric_velocity(seen.ra, seen.dec, seen.middle), abs=1e-6)


def test_only_the_rotation_of_the_earth():
    """West of the meridian the telescope moves away from the field; on it, it moves across."""
    turning = 2.0 * np.pi / 86164.0 * 6378.137 * np.cos(np.radians(LATITUDE)) * np.cos(np.radians(-27.78))
    for hour_angle in (-3.0, 0.0, 3.0):
        seen = observation(hour_angle=hour_angle)
        middle = np.radians(15.0 * (hour_angle + seen.exptime / 7200.0))
        assert velocity_to("geo", seen) == pytest.approx(-turning * np.sin(middle), abs=0.005)


@pytest.mark.parametrize(("rvcorr", "frame"), [("bary", "BARYCENT"), ("helio", "HELIOCEN"), ("geo", "GEOCENTR")])
def test_wavelengths_and_header(rvcorr, frame):
    rows = field_rows()
    before = rows["lambda"].copy()
    seen = observation()
    (correction,) = correct_velocity(seen, rvcorr)
    correction.apply(rows)
    cards = {key: value for key, value, _ in correction.cards()}
    assert cards["SPECSYS"] == frame
    assert cards["ESO DRS MUSE PIXTABLE RVCORR MJD"] == seen.middle
    velocity = cards["ESO DRS MUSE PIXTABLE RVCORR"]
    assert rows["lambda"] == pytest.approx(before.astype(np.float64) * (1.0 + velocity / LIGHT), rel=1e-7)
    assert abs(velocity) < FASTEST
    assert np.abs(rows["lambda"] - before).max() < correction.margin


def test_wavelengths_of_the_telescope():
    (correction,) = correct_velocity(observation(), "none")
    assert correction.changes == ()
    assert correction.cards() == [("SPECSYS", "TOPOCENT", "Spectral reference frame")]
    assert correct_velocity(observation(SPECSYS="TOPOCENT"), "bary")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": -3.0}, "velocity is corrected already .*RVCORR is -3.0"),
        ({"SPECSYS": "BARYCENT"}, "velocity is corrected already .*SPECSYS is BARYCENT"),
        ({"MJD-OBS": None}, "MJD-OBS is missing"),
        ({"RA": None}, "RA is missing"),
    ],
)
def test_never_twice_nor_without_what_it_needs(changed, words):
    with pytest.raises(MusedeepError, match=words):
        correct_velocity(observation(**changed), "bary")
