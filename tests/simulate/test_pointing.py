"""Where the field lies on the sky."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.pointing import (
    Pointing,
    airmass,
    field_to_sky,
    local_sidereal_time,
    parallactic_angle,
    point,
    zenith_distance,
)
from musedeep.simulate.scene import make_scene

MJD = 57002.10184147
RA, DEC = 53.16, -27.787
SITE = EarthLocation(lon=LONGITUDE * u.deg, lat=LATITUDE * u.deg, height=ELEVATION * u.m)


def test_sidereal_time_and_zenith_distance_are_astropys():
    with iers.conf.set_temp("auto_download", False):
        time = Time(MJD, format="mjd", scale="utc", location=SITE)
        sidereal = time.sidereal_time("mean").deg
        star = SkyCoord(RA * u.deg, DEC * u.deg).transform_to(AltAz(obstime=time, location=SITE))
    assert abs(local_sidereal_time(MJD) - sidereal) < 0.01
    # precession since 2000 is not taken into account: a fifth of a degree
    assert abs(zenith_distance(RA, DEC, MJD) - (90.0 - star.alt.deg)) < 0.25
    assert abs(airmass(RA, DEC, MJD) * np.cos(np.radians(zenith_distance(RA, DEC, MJD))) - 1.0) < 1e-3


def test_parallactic_angle_is_the_direction_of_the_zenith():
    sidereal = local_sidereal_time(MJD)
    zenith, star = np.radians([sidereal - RA, LATITUDE]), np.radians(DEC)
    # position angle of the zenith from the star, spherical trigonometry another way
    east = np.cos(zenith[1]) * np.sin(zenith[0])
    north = np.sin(zenith[1]) * np.cos(star) - np.cos(zenith[1]) * np.sin(star) * np.cos(zenith[0])
    assert abs(parallactic_angle(RA, DEC, MJD) - np.degrees(np.arctan2(east, north))) < 1e-9


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 215.0])
def test_the_fields_y_axis_points_to_the_position_angle_and_x_to_its_west(angle):
    matrix = field_to_sky(angle, ideal=True)
    turn = np.radians(angle)
    np.testing.assert_allclose(matrix @ [0.0, 1.0], [np.sin(turn), np.cos(turn)], atol=1e-12)
    np.testing.assert_allclose(matrix @ [1.0, 0.0], [-np.cos(turn), np.sin(turn)], atol=1e-12)


def test_blue_light_comes_from_below_where_red_light_comes_from():
    """Blue light is lifted most: what lands at one place was lower on the sky by that much."""
    atmosphere = Atmosphere(airmass=1.5)
    pointing = Pointing((0.0, 0.0), (0.0, 0.0), np.eye(2), np.radians(90.0), 0.0, atmosphere)
    xi, eta = pointing.sky(np.zeros(2), np.zeros(2), np.array([4800.0, 9300.0]))
    assert xi[0] < 0.0 < xi[1] and np.abs(eta).max() < 1e-12
    assert 0.8 < xi[1] - xi[0] < 1.0


def exposure(**change) -> Exposure:
    scene = make_scene("empty")
    values = {"index": 1, "kind": "OBJECT", "date_obs": "2014-12-11T02:26:39.103", "mjd": MJD, "exposure_time": 600.0}
    return Exposure(**{**values, "scene": scene, "ra": scene.ra, "dec": scene.dec, **change})


def test_the_header_position_is_where_the_telescope_aims_but_for_the_error():
    plain = Effects(distortion=False, derotator_wobble=False, geometry_offsets=False, refraction=False)
    one = exposure(dec=exposure().dec + 5.0 / 3600.0, position_angle=90.0, pointing_error=(0.3, -0.2))
    pointing = point(one, Atmosphere(), plain, (1.0, -27.0))
    xi, eta = pointing.sky(np.array(1.0), np.array(-27.0), np.array(7000.0))
    np.testing.assert_allclose([xi, eta], [0.3, 4.8], atol=1e-6)
    higher = pointing.sky(np.array(1.0), np.array(-26.0), np.array(7000.0))
    np.testing.assert_allclose(higher, [1.3, 4.8], atol=1e-6)


def test_wobble_turns_with_the_derotator():
    effects = Effects(distortion=False)
    at = [point(exposure(position_angle=angle), Atmosphere(), effects, (0.0, 0.0)).centre for angle in (0.0, 180.0)]
    assert np.hypot(*np.subtract(at[0], at[1])) == pytest.approx(0.24, abs=0.01)
