"""Predicted size of cubes."""

import math

import pytest

from musedeep.selection.campaign.predicted_size import predicted_size
from tests.makers.campaign_exposures import candidate


def size(*exposures):
    return predicted_size([one.exposure for one in exposures])


@pytest.mark.parametrize("facts", [{}, {"ra": 0.0}, {"ra": 100.0, "dec": -89.99}])
def test_one_field(facts):
    one = size(candidate(**facts))
    assert (one.columns, one.lines, one.planes, one.covered) == (301, 301, 3681, 1.0)
    assert one.bytes == 301 * 301 * 3681 * 8
    assert size(candidate(mode="WFM-AO-E")).planes == 3801
    assert size().bytes == 0


def test_fields_side_by_side_and_turned():
    pair = size(candidate(), candidate(east=50.0))
    assert (pair.columns, pair.lines) == (551, 301) and pair.covered == pytest.approx(1.0, abs=1e-3)
    turned = size(candidate(position_angle=45.0))
    assert turned.columns == round(300 * math.sqrt(2)) + 1 and turned.covered == pytest.approx(0.5, abs=0.01)
    # across 0 h, and at opposite corners
    assert size(candidate(ra=359.999, dec=0.0), candidate(ra=0.001, dec=0.0)).columns == 301 + round(7.2 / 0.2)
    assert size(candidate(), candidate(east=300.0, north=300.0)).covered == pytest.approx(2 * 60**2 / 360**2, abs=1e-3)


def test_the_narrow_field():
    one = size(candidate(mode="NFM-AO-N"))
    assert 290 < one.columns < 310 and 290 < one.lines < 310
