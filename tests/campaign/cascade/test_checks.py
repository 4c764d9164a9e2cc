import numpy as np
import pytest

from musedeep.campaign.cascade.checks import (
    correlated_shift,
    disagreements,
    headers_only,
    matches,
    overlap_groups,
    planes_with,
    sharpness,
)
from musedeep.storage.cubes.field_view import read_field_view
from tests.makers.field_views import CENTRE, star_image, stars, write_views

ERRORS = [(0.0, 0.0), (0.5, -0.3), (-0.8, 0.9)]
TRUE = np.array([(east / 3600 / np.cos(np.radians(CENTRE[1])), north / 3600) for east, north in ERRORS])


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    place = tmp_path_factory.mktemp("views")
    return [read_field_view(path) for path in write_views(place, stars(15, 3, width=18.0), ERRORS)]


def test_true_offsets_leave_no_distances_and_headers_do(views):
    sky = stars(15, 3, width=18.0)
    places = [view.plane.to_pixels(*sky[:2]) for view in views]
    places = [(x, y) for x, y in places]
    for k, (east, north) in enumerate(ERRORS):  # measured places: where the images show the stars
        places[k] = (places[k][0] - east / 0.2, places[k][1] + north / 0.2)
    right = matches(places, planes_with(views, TRUE), 0.8)
    assert all(one.number == 15 and one.residual < 0.01 for one in right)
    wrong = matches(places, planes_with(views, headers_only(views)), 0.8)
    assert wrong[1].residual > 0.4


def test_the_sum_with_true_offsets_is_sharper(views):
    assert sharpness(views, TRUE) > 1.2 * sharpness(views, headers_only(views))


def test_the_second_method_agrees_with_the_truth_and_not_with_headers(views):
    assert max(disagreements(views, TRUE, 3.0)) < 0.05
    left = disagreements(views, headers_only(views), 3.0)
    assert left[2] == pytest.approx(np.hypot(0.8 + 0.25, 0.9 + 0.15), abs=0.3)


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (3.3, -2.4), (-7.6, 9.1)])
def test_a_shift_is_measured_by_correlation(dx, dy):
    rng = np.random.default_rng(4)
    x, y, flux = rng.uniform(15, 105, 12), rng.uniform(15, 105, 12), 10 ** rng.uniform(2.5, 3.5, 12)
    first, second = star_image(x, y, flux, 0.5, 1, sky=20.0), star_image(x - dx, y - dy, flux, 0.5, 2, sky=35.0)
    assert correlated_shift(first, second, 15.0) == pytest.approx((dx, dy), abs=0.1)


def test_noise_has_no_shift():
    none = np.empty(0)
    first, second = star_image(none, none, none, 1.0, 1), star_image(none, none, none, 1.0, 2)
    assert correlated_shift(first, second, 15.0) is None
    assert correlated_shift(first, np.full_like(first, np.nan), 15.0) is None


def test_images_hang_together_by_others(tmp_path):
    width = 20.0
    dithers = [(0.0, 0.0), (2 * width, 0.0), (width, 0.0), (0.0, 500.0)]
    views = [read_field_view(p) for p in write_views(tmp_path, stars(3, 1), [(0.0, 0.0)] * 4, dithers=dithers)]
    assert overlap_groups(views, 3.0) == [[0, 1, 2], [3]]
