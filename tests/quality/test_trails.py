"""Satellite trails: found, measured, and none where there are none."""

import math

import pytest

from musedeep.quality.trails import find_trails, findings
from tests.makers.finished_campaign import SPAXEL, Trail
from tests.makers.single_images import made_up_singles

SHAPE = (120, 120)


@pytest.mark.parametrize(("angle", "distance"), [(0.0, 10.0), (37.0, -20.0), (90.0, 0.0), (141.5, 15.0)])
def test_a_trail_is_found_and_measured(angle, distance):
    singles, truth = made_up_singles(5, shape=SHAPE, trail=Trail(2, 40.0, angle, distance))
    (trail,) = find_trails(singles, 2)
    assert abs((trail.angle - angle + 90.0) % 180.0 - 90.0) < 1.0
    assert trail.peak == pytest.approx(40.0 * truth.transparency[2], rel=0.12)
    assert trail.width == pytest.approx(truth.fwhm[2], rel=0.3)
    # both ends lie on it, at the edges of the field
    turn = math.radians(angle)
    for x, y in (trail.start, trail.end):
        away = (y - SHAPE[0] / 2) * math.cos(turn) - (x - SHAPE[1] / 2) * math.sin(turn) - distance
        assert abs(away) < 2.5
        assert min(x, y, SHAPE[1] - x, SHAPE[0] - y) < 8
    assert trail.length == pytest.approx(SPAXEL * math.dist(trail.start, trail.end), rel=1e-6)
    (finding,) = findings([trail])
    assert (finding.kind, finding.exposure) == ("satellite", "E2") and finding.text.endswith("kept")
    (finding,) = findings([trail], limit=5.0)
    assert finding.kind == "extreme satellite" and finding.value > 5.0


def test_a_faint_trail_is_found_and_none_elsewhere():
    for seed in range(3):
        singles, _ = made_up_singles(5, shape=SHAPE, seed=seed, trail=Trail(2, 4.0, 20.0 + 50.0 * seed, 8.0))
        assert [len(find_trails(singles, k)) for k in range(5)] == [0, 0, 1, 0, 0]


def test_an_image_that_is_alone_has_none():
    singles, _ = made_up_singles(1, trail=Trail(0))
    assert find_trails(singles, 0) == []
