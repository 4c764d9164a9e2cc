"""Differences of right ascension across the end of its circle."""

import numpy as np
import pytest

from musedeep.sky_angles import ra_difference, ra_on_circle


@pytest.mark.parametrize(
    ("ra", "other", "east"),
    [
        (0.25, 359.75, 0.5), (359.75, 0.25, -0.5), (-0.25, 0.25, -0.5), (359.75, -0.25, 0.0), (720.5, 0.0, 0.5),
        (150.5, 150.25, 0.25), (90.0, 269.0, -179.0), (269.0, 90.0, 179.0), (91.0, 272.0, 179.0), (0.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_the_shorter_way(ra, other, east):
    assert ra_difference(ra, other) == east


def test_differences_that_need_no_turn_keep_every_bit():
    ra, other = np.random.default_rng(3).uniform(0, 180, (2, 1000))
    assert [ra_difference(a, b) for a, b in zip(ra, other, strict=True)] == list(ra - other)


@pytest.mark.parametrize(
    ("ra", "same"),
    [(150.1, 150.1), (0.0, 0.0), (360.0, 0.0), (-0.5, 359.5), (-360.0, 0.0), (725.5, 5.5), (-1e-17, 0.0)],
)
def test_one_number_for_one_place(ra, same):
    assert ra_on_circle(ra) == same
