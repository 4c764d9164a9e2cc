"""Stars of an image: found above the level, measured, the brightest first."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.recipes.astrometry.stars import find_stars
from tests.makers.star_fields import FWHM, star_image

PLACES = np.array([[12.3, 11.1], [40.2, 14.8], [25.6, 30.4], [52.0, 28.7]])
PEAKS = np.array([400.0, 3000.0, 150.0, 900.0])
SHAPE = (42, 64)


@pytest.mark.parametrize(("centroid", "limit"), [("moffat", 0.03), ("gaussian", 0.03), ("box", 0.08)])
def test_stars_come_with_their_places_and_widths_the_brightest_first(centroid, limit):
    image, variance = star_image(PLACES, PEAKS, SHAPE, noise=0.5)
    stars = find_stars(image, variance, 1.0, centroid, "exposure")
    order = np.argsort(-PEAKS)
    np.testing.assert_allclose(stars.places, PLACES[order], atol=limit)
    assert (np.diff(stars.flux) < 0).all()
    assert (stars.errors > 0).all()
    np.testing.assert_allclose(stars.widths, FWHM, rtol=0.25)


def test_fainter_stars_are_found_at_a_lower_level():
    image, variance = star_image(PLACES, PEAKS, SHAPE, noise=0.5)
    numbers = [len(find_stars(image, variance, level, "box", "exposure").flux) for level in (1.0, 5.0, 20.0)]
    assert numbers[0] == 4 and numbers[0] > numbers[1] > numbers[2]


def test_the_columns_count_pixels_from_1():
    image, variance = star_image(PLACES, PEAKS, SHAPE, noise=0.5)
    stars = find_stars(image, variance, 1.0, "moffat", "exposure")
    columns = stars.columns(np.array([1, 3]), np.array([10.0, 11.0]), np.array([-1.0, -2.0]))
    assert list(columns) == ["XPOS", "YPOS", "XERR", "YERR", "FLUX", "XFWHM", "YFWHM", "RA", "DEC"]
    np.testing.assert_array_equal(columns["XPOS"], stars.places[[1, 3], 0] + 1.0)


@pytest.mark.parametrize("image", [np.full(SHAPE, np.nan), np.full(SHAPE, 3.0)])
def test_an_image_without_stars(image):
    with pytest.raises(MusedeepError, match=r"exposure: no stars above detsigma=1.5"):
        find_stars(image.astype(np.float32), np.ones(SHAPE, np.float32), 1.5, "moffat", "exposure")
