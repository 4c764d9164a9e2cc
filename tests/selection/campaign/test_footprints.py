"""Fields on the sphere: what they share, at 0 h and at the poles, turned and of different sizes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.selection.campaign.footprints import connected, plane_offset, pointings_of, separation, shared

PLACES = [(53.16, -27.78), (0.0, 10.0), (359.9999, -40.0), (120.0, 89.98), (200.0, -89.999), (10.0, 0.0)]


def at(ra, dec, east, north):
    """A place so many arcseconds away, on the sphere itself."""
    distance, angle = math.hypot(east, north) / 3600.0, math.atan2(east, north)
    a, d, r = math.radians(ra), math.radians(dec), math.radians(distance)
    dec2 = math.asin(math.sin(d) * math.cos(r) + math.cos(d) * math.sin(r) * math.cos(angle))
    ra2 = a + math.atan2(math.sin(angle) * math.sin(r) * math.cos(d), math.cos(r) - math.sin(d) * math.sin(dec2))
    return math.degrees(ra2) % 360.0, math.degrees(dec2)


def found(places, angles=None, fields=None):
    n = len(places)
    pointings = pointings_of([p[0] for p in places], [p[1] for p in places], angles or [0.0] * n, fields or ["WFM"] * n)
    return pointings, {(i, j): part for i, j, part in shared(pointings)}


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_dithers_are_one_pointing(ra, dec):
    pointings, _ = found([(ra, dec), at(ra, dec, 3, -4), at(ra, dec, 50, 0), at(ra, dec, 52, 1)])
    assert [one.members for one in pointings] == [(0, 1), (2, 3)]


@pytest.mark.parametrize(("ra", "dec"), [place for place in PLACES if abs(place[1]) < 80])
@pytest.mark.parametrize(("east", "north"), [(50.0, 0.0), (-20.0, 30.0), (59.0, 59.0)])
def test_shared_part_of_two_squares(ra, dec, east, north):
    _, parts = found([(ra, dec), at(ra, dec, east, north)])
    assert parts[0, 1] == pytest.approx((60 - abs(east)) * (60 - abs(north)) / 3600, rel=2e-3)


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_fields_side_by_side_share_nothing(ra, dec):
    _, parts = found([(ra, dec), at(ra, dec, 90, 0)])
    assert not parts


def test_turned_fields_reach_further():
    _, parts = found([(10.0, 0.0), at(10.0, 0.0, 70, 0)], angles=[45.0, 45.0])
    # two corners: diamonds of half diagonal 42.4 arcsec, 70 apart
    overlap = 2 * (30 * math.sqrt(2) - 35) ** 2
    assert parts[0, 1] == pytest.approx(overlap / 3600, rel=1e-3)


def test_narrow_fields_are_pointings_of_their_own():
    pointings, parts = found([(10.0, 0.0)] * 2, fields=["WFM", "NFM"])
    assert len(pointings) == 2 and parts[0, 1] == pytest.approx(1.0)


def test_unknown_angles_and_nothing_at_all():
    pointings, parts = found([(10.0, 0.0)], angles=[math.nan])
    assert pointings[0].angles == (0.0,) and not parts
    assert found([]) == ([], {})


@given(st.floats(0, 360), st.floats(-89.9, 89.9), st.floats(-300, 300), st.floats(-300, 300))
def test_places_on_the_plane(ra, dec, east, north):
    other = at(ra, dec, east, north)
    assert plane_offset(*other, ra, dec) == pytest.approx((east, north), abs=2e-3)
    assert separation(ra, dec, *other) == pytest.approx(math.hypot(east, north), abs=2e-3)


def test_what_hangs_together():
    assert connected(5, [(0, 3), (3, 1)]) == [[0, 1, 3], [2], [4]]
    assert connected(0, []) == []
