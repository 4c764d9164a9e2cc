"""The sum of images: where and how much; images that are far away; which images show the same sky."""

import numpy as np

from musedeep.recipes.exp_align.mosaic import mosaic, overlap
from tests.makers.field_views import CENTRE, plane_at

FIRST = plane_at(*CENTRE, size=20)


def beside(pixels: float):
    """Coordinates of an image that lies some pixels to the right."""
    ra, dec = FIRST.to_sky(np.array(9.5 + pixels), np.array(9.5))
    return plane_at(float(ra), float(dec), size=20)


def test_pixels_are_added_where_they_are():
    one, two = np.full((20, 20), 1.0), np.full((20, 20), 10.0)
    two[:, 0] = np.nan
    found = mosaic([one, two], [FIRST, beside(5.0)], [100.0, 200.0])
    assert found.data.shape == (20, 25) and not found.left_out
    row = found.data[10]
    assert (row[:6] == 1).all() and (row[6:20] == 11).all() and (row[20:] == 10).all()
    assert (found.seconds[10][[0, 10, 22]] == (100, 300, 200)).all()
    assert found.plane.crval == FIRST.crval and found.plane.crpix == FIRST.crpix


def test_the_sum_grows_to_all_sides():
    one = np.ones((20, 20))
    found = mosaic([one, one, one * 5], [FIRST, beside(-7.0), beside(30.0)], [1.0, 1.0, 1.0])
    assert found.data.shape == (20, 57)
    np.testing.assert_array_equal(found.data[3, [0, 10, 30, 50]], [1, 2, np.nan, 5])
    assert found.plane.crpix[0] == FIRST.crpix[0] + 7


def test_images_far_away_are_left_out():
    one = np.ones((20, 20))
    away = [plane_at(CENTRE[0], CENTRE[1] + 1.5, size=20), plane_at(CENTRE[0] + 180, -CENTRE[1], size=20)]
    found = mosaic([one, one, one], [FIRST, *away], [1.0, 1.0, 1.0])
    assert found.left_out == [1, 2] and found.data.shape == (20, 20)


def test_images_that_may_show_the_same_sky():
    one, empty = np.ones((20, 20)), np.full((20, 20), np.nan)
    opposite = plane_at(CENTRE[0] + 180, -CENTRE[1], size=20)
    planes, images = [FIRST, beside(25.0), beside(500.0), opposite, FIRST], [one, one, one, one, empty]
    assert overlap(images, planes, 0, 1, 3.0) and overlap(images, planes, 1, 0, 3.0)
    assert not overlap(images, planes, 0, 1, 0.5)
    assert not any(overlap(images, planes, 0, k, 3.0) for k in (2, 3, 4))
