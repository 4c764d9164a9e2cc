"""Background, threshold and choice of sources, as the ESO pipeline 2.8.7 was seen to do it."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.recipes.exp_align.recipe import RECIPE
from musedeep.recipes.exp_align.sources import background, detected, listed, threshold
from musedeep.storage.source_list import SourceList
from tests.makers.field_views import star_image


def parameters(**given):
    return RECIPE.parse(given)


def test_background_is_the_dark_part_without_its_ends():
    values = np.arange(3000.0)[::-1]
    # pixels 39 to 976 of 3000: between numbers round(0.013 n) and round((0.013 + 0.317 * 0.987) n), without these
    median, deviation = background(values, 0.013, 0.317)
    chosen = np.arange(39.0, 977.0)
    assert median == np.median(chosen)
    assert deviation == np.median(np.abs(chosen - median))
    assert background(np.full(50, 3.0), 0.05, 0.1) == (3.0, 0.0)


def test_threshold_moves_in_steps_until_the_number_fits():
    heights = np.array([1.0, 2.0, 3.0, 10.0, 20.0, 30.0])
    assert threshold(heights, 15.0, parameters(srcmin=2)) == (15.0, 2)
    assert threshold(heights, 15.0, parameters(srcmin=3, step=2)) == (9.0, 3)
    assert threshold(heights, 15.0, parameters(srcmin=1, srcmax=1, step=2)) == (21.0, 1)
    assert threshold(heights, 15.0, parameters(srcmin=6, step=2)) == (1.0, 5)
    assert threshold(heights, 15.0, parameters(srcmin=6, step=2, iterations=2)) == (13.0, 2)


def test_a_step_that_is_too_large_does_not_swing_for_ever():
    heights = np.arange(1.0, 21.0)
    level, n = threshold(heights, 15.0, parameters(srcmin=8, srcmax=9, step=10))
    assert n == 9 and level == 11.0


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(3)
    x, y = np.array([(20.0 + 20 * i, 20.0 + 20 * j) for i in range(5) for j in range(5)]).T
    return star_image(x + rng.uniform(-2, 2, 25), y, np.linspace(100, 2500, 25), 0.1, 1)


def test_sources_above_a_level_or_above_deviations(image):
    found = detected(image, parameters())
    assert found.origin == "detection" and found.threshold == 15.0 and not found.trouble
    assert (found.found.height > 15).all()
    low = detected(image, parameters(threshold=-60))
    assert low.threshold == pytest.approx(low.median + 60 * low.deviation)
    assert low.number >= found.number


def test_limits_of_shape(image):
    assert detected(image, parameters(sharpmin=0.9, srcmin=1)).trouble.startswith("0 sources")
    assert detected(image, parameters(roundmin=0.9, srcmin=1)).trouble.startswith("0 sources")


def test_numbers_of_sources(image):
    few = detected(image, parameters(srcmin=26, srcmax=27, step=20))
    assert not few.number and "at least 26 are needed (srcmin)" in few.trouble
    many = detected(image, parameters(srcmax=8))
    assert many.number == 8 and many.threshold > 15
    assert "at most 5 are wanted" in detected(image, parameters(srcmax=5, iterations=2)).trouble


def test_sources_near_gaps_are_left_out(image):
    gap = image.copy()
    gap[60:64, 20:25] = np.nan
    near, all_of_them = detected(gap, parameters()), detected(gap, parameters(bpixdistance=0))
    assert near.number < all_of_them.number
    distance = np.hypot(np.maximum(0, np.abs(near.found.x - 22) - 2), np.maximum(0, np.abs(near.found.y - 61.5) - 1.5))
    assert (distance > 4).all()
    assert "are within 200 pixels of a gap" in detected(gap, parameters(bpixdistance=200)).trouble


def test_no_data():
    assert detected(np.full((30, 30), np.nan), parameters()).trouble == "no pixel has data"


def test_errors_grow_with_noise(image):
    found = detected(image, parameters())
    errors = found.errors(5.0)
    assert (np.diff(errors[np.argsort(found.found.height)]) <= 0).all() and errors.min() >= 0.01
    assert (replace(found, noise=0.0).errors(5.0) == 0.01).all()


def test_listed_sources():
    given = SourceList("s.fits", 57000.0, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    found = listed(given)
    assert found.origin == "catalog" and found.number == 2 and np.isnan(found.found.height).all()
    assert "empty" in listed(replace(given, x=np.empty(0), y=np.empty(0))).trouble
