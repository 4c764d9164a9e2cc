"""Places of stars: right where stars are alone, near others, beside the edge, and within their errors."""

import numpy as np
import pytest

from musedeep.kernels.field.star_profile import box_centroids, fit_stars, light, widths
from tests.makers.star_fields import FWHM, star_image

SHAPE = (40, 60)


@pytest.mark.parametrize("moffat", [True, False])
def test_places_are_right_within_their_errors(moffat):
    rng = np.random.default_rng(3)
    places = np.stack([rng.uniform(8, 52, 12), np.tile([8.3, 20.6, 32.1], 4)], axis=1)
    places[:, 0] = np.repeat([9.2, 23.5, 37.8, 51.1], 3) + rng.uniform(-0.5, 0.5, 12)
    pulls = []
    for seed in range(8):
        image, variance = star_image(places, np.full(12, 400.0), SHAPE, noise=1.5, seed=seed)
        fits, errors, good = fit_stars(image, variance, np.rint(places), 5, moffat)
        assert good.all()
        pulls.append((fits[:, 2:4] - places) / errors)
    assert 0.8 < np.std(pulls) < 1.25
    assert abs(np.mean(pulls)) < 0.15


def test_moffat_profiles_have_the_light_and_width_of_the_stars():
    places = np.array([[20.3, 19.8]])
    image, variance = star_image(places, np.array([5000.0]), SHAPE, noise=0.1)
    fits, _, good = fit_stars(image, variance, places, 8, True)
    assert good.all()
    core = 0.5 * FWHM / np.sqrt(2.0 ** (1.0 / 2.8) - 1.0)
    np.testing.assert_allclose(light(fits), 5000.0 * np.pi * core**2 / 1.8, rtol=0.01)
    np.testing.assert_allclose(widths(fits), [[FWHM, FWHM]], rtol=0.01)
    np.testing.assert_allclose(fits[0, 7], 2.8, rtol=0.03)


def test_a_bright_neighbour_does_not_move_a_star():
    places = np.array([[20.3, 19.8], [29.7, 21.4]])
    image, variance = star_image(places, np.array([200.0, 8000.0]), SHAPE, noise=0.3)
    fits, _, good = fit_stars(image, variance, np.rint(places), 5, True)
    assert good.all()
    assert (np.abs(fits[:, 2:4] - places) < 0.02).all()


def test_stars_at_the_edge_and_where_there_are_no_data():
    places = np.array([[57.6, 20.2], [30.0, 20.0]])
    image, variance = star_image(places[:1], np.array([900.0]), SHAPE, noise=0.5)
    image[:, 24:36] = np.nan
    fits, _, good = fit_stars(image, variance, places, 4, True)
    assert good[0] and (np.abs(fits[0, 2:4] - places[0]) < 0.03).all()
    assert not good[1]  # hardly any pixels with data


def test_centroids_do_not_depend_on_where_the_box_is_cut():
    places = np.array([[20.3, 19.8], [44.5, 20.5]])
    image, _ = star_image(places, np.array([900.0, 2000.0]), SHAPE, noise=0.5)
    for half in (5, 6, 7):
        found, flux = box_centroids(image, np.rint(places), half, 60.0)
        assert (np.abs(found - places) < 0.05).all()
        assert (flux > 0).all()
    found, flux = box_centroids(image, np.array([[5.0, 30.0]]), 4, 60.0)
    assert flux[0] == 0.0
    np.testing.assert_array_equal(found, [[5.0, 30.0]])
