"""Regions of an exposure map."""

import numpy as np
import pytest

from musedeep.quality.figures.fields import regions


def test_four_pointings_that_overlap_have_depths_of_1_2_and_4():
    seconds = np.zeros((110, 110))
    for y in (0, 40):
        for x in (0, 40):
            seconds[y : y + 70, x : x + 70] += 900.0
    seconds *= 1.0 + 0.01 * np.random.default_rng(1).normal(size=seconds.shape)
    found = regions(seconds)
    assert [one.letter for one in found] == ["a", "b", "c"]
    assert [one.seconds for one in found] == pytest.approx([900.0, 1800.0, 3600.0], rel=0.02)
    assert sum(one.share for one in found) == pytest.approx(1.0, abs=0.02)
    for one in found:
        x, y = (round(v) for v in one.place)
        assert seconds[y, x] == pytest.approx(one.seconds, rel=0.1)


def test_a_map_without_data_has_none():
    assert regions(np.zeros((20, 20))) == [] and regions(np.full((20, 20), np.nan)) == []
