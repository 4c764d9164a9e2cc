"""Times of headers and nights of Paranal."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.selection.dates import date_of, mjd_of, night_of


@given(st.floats(45000, 70000))
def test_there_and_back(mjd):
    assert abs(mjd_of(date_of(mjd)) - mjd) < 1e-3 / 86400


def test_forms_of_dates():
    assert mjd_of("2017-06-16T00:00:00.000") == mjd_of("2017-06-16 00:00:00") == mjd_of("2017-06-16") == 57920.0
    assert mjd_of("2017-06-16T02:00:00+02:00") == mjd_of("2017-06-16T00:00:00Z") == 57920.0
    assert math.isnan(mjd_of("yesterday")) and math.isnan(mjd_of(""))
    assert date_of(math.nan) == date_of(math.inf) == date_of(-1.0) == ""


@pytest.mark.parametrize(
    ("date", "night"),
    [
        ("2017-06-16T01:34:56", "2017-06-15"),
        ("2017-06-16T12:16:42", "2017-06-15"),  # flats of the morning
        ("2017-06-16T17:30:00", "2017-06-16"),
        ("2017-06-16T23:59:59", "2017-06-16"),
    ],
)
def test_nights_go_from_noon_to_noon(date, night):
    assert night_of(mjd_of(date)) == night


def test_no_time_no_night():
    assert night_of(math.nan) == night_of(math.inf) == ""
