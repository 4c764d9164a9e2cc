"""The circumstances of an exposure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.observation import sidereal_time
from musedeep.simulate.pointing import airmass, local_sidereal_time
from tests.makers.field_tables import LONGITUDE, observation


def test_what_a_header_tells():
    seen = observation()
    assert (seen.mode, seen.narrow_field, seen.exptime, seen.dec) == ("WFM-NOAO-N", False, 600.0, -27.78)
    assert seen.pressure == 743.0
    assert seen.parallactic_angle == 62.0
    assert seen.position_angle == 20.0
    assert seen.middle == pytest.approx(57001.13 + 300 / 86400, abs=1e-9)


@given(st.floats(-4.5, 4.5))
def test_airmass_is_that_of_the_simulator(hour_angle):
    seen = observation(hour_angle=hour_angle)
    assert seen.airmass == pytest.approx(airmass(seen.ra, seen.dec, seen.middle), rel=2e-3)


def test_airmass_of_the_reference():
    """Its log has 1.6984 and 1.1203 for these exposures."""
    star = observation(RA=98.0, DEC=-26.7, LST=12000.0, **{"MJD-OBS": None}, EXPTIME=40.0)
    zenith = np.arccos(
        np.sin(np.radians(-24.627)) * np.sin(np.radians(-26.7))
        + np.cos(np.radians(-24.627)) * np.cos(np.radians(-26.7)) * np.cos(np.radians(12020 / 240 - 98.0))
    )
    above = 1 / np.cos(zenith) - 1
    hardie = 1 + above - 0.0018167 * above - 0.002875 * above**2 - 0.0008083 * above**3
    assert star.airmass == pytest.approx(hardie, rel=1e-6)


@given(st.floats(50000.0, 65000.0))
def test_sidereal_time_is_that_of_the_simulator(mjd):
    assert sidereal_time(mjd, LONGITUDE) == pytest.approx(local_sidereal_time(mjd), abs=1e-6)


def test_parallactic_angle_goes_the_shorter_way():
    seen = observation(ESO_TEL_PARANG_START=170.0, ESO_TEL_PARANG_END=-170.0)
    assert abs(seen.parallactic_angle) == pytest.approx(180.0)


def test_position_angle_without_tracking_is_the_other_way_round():
    assert observation(ESO_INS_DROT_MODE="STAT").position_angle == -20.0


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"LST": None}, "airmass", "LST is missing"),
        ({"LST": 100.0}, "airmass", "keyword LST is 100.0, but it is"),
        ({"LST": "noon"}, "airmass", "LST is 'noon'"),
        ({"hour_angle": 11.0}, "airmass", "degrees above the horizon"),
        ({"ESO_TEL_PARANG_END": None}, "parallactic_angle", "PARANG END is missing"),
        ({"ESO_INS_DROT_MODE": "ELEV"}, "position_angle", "DROT MODE is ELEV, expected SKY or STAT"),
        ({"ESO_INS_DROT_MODE": None}, "position_angle", "DROT MODE is missing"),
        ({"ESO_TEL_AMBI_PRES_START": None, "ESO_TEL_AMBI_PRES_END": None}, "pressure", "PRES START is missing"),
        ({"ESO_TEL_AMBI_RHUM": 140.0}, "humidity", "RHUM is 140.0"),
        ({"EXPTIME": -1.0}, "exptime", "EXPTIME is -1.0"),
    ],
)
def test_a_header_that_lacks_something(changed, name, words):
    with pytest.raises(MusedeepError, match=words) as error:
        getattr(observation(**changed), name)
    assert str(error.value).startswith("made.fits: ")


def test_lst_is_taken_as_it_is_without_a_date():
    assert observation(LST=100.0, **{"MJD-OBS": None}).lst == 100.0
