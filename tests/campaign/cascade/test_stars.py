import numpy as np
import pytest

from musedeep.campaign.cascade.stars import aperture, flux_scales, nearest_pairs, same_stars, stars_of
from musedeep.storage.cubes.field_view import read_field_view
from tests.makers.field_views import stars, write_views

ERRORS = [(0.0, 0.0), (0.5, -0.3), (-0.8, 0.9), (0.2, 0.7), (0.0, 0.4)]
SCALES = [1.0, 0.9, 10.0, 1.1, 1.0]


def scaled_views(directory, scales, errors=ERRORS, n=15):
    views = [read_field_view(path) for path in write_views(directory, stars(n, 3, width=18.0), errors[: len(scales)])]
    for view, scale in zip(views, scales, strict=True):
        view.data[:] *= scale
    return views


def scales_of(views):
    return flux_scales([stars_of(view, 2.0) for view in views], 6.0, 3, 2.0)


def test_a_wrong_scale_is_found_with_its_ratio(tmp_path):
    scales = scales_of(scaled_views(tmp_path, SCALES))
    assert scales.ratios[2] == pytest.approx(10.0, rel=0.05)
    assert scales.wrong == [2] and not scales.undecided
    assert scales.ratios[0] == pytest.approx(1.0, rel=0.1) and scales.ratios[1] == pytest.approx(0.9, rel=0.06)


@pytest.mark.parametrize("values", [[1.0, 0.1, 1.0, 1.0], [1.0, 0.1, 1.0], [0.1, 10.0, 1.0, 1.0, 1.0]])
def test_scales_are_found_as_long_as_most_are_right(tmp_path, values):
    scales = scales_of(scaled_views(tmp_path, values))
    assert scales.wrong == [k for k, one in enumerate(values) if one != 1.0]
    for ratio, value in zip(scales.ratios, values, strict=True):
        assert ratio == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize("values", [[1.0, 10.0], [1.0, 10.0, 10.0, 1.0]])
def test_where_half_are_off_nobody_can_say_which(tmp_path, values):
    scales = scales_of(scaled_views(tmp_path, values))
    assert scales.undecided and scales.wrong == []


def test_too_few_stars_say_nothing(tmp_path):
    scales = scales_of(scaled_views(tmp_path, [1.0, 10.0, 1.0], n=2))
    assert scales.ratios == [None] * 3 and scales.wrong == [] and not scales.undecided
    empty = scaled_views(tmp_path, [1.0, 1.0], n=0)
    assert [stars_of(view, 2.0).x.size for view in empty] == [0, 0]
    assert scales_of(empty).ratios == [None, None]


def test_the_light_in_an_aperture_does_not_depend_on_the_seeing():
    rows, columns = np.mgrid[:60, :60].astype(float)
    for sigma in (1.4, 2.5):
        light = 1000 / (2 * np.pi * sigma**2) * np.exp(-0.5 * ((columns - 30) ** 2 + (rows - 28) ** 2) / sigma**2)
        assert aperture(light + 50.0, 30.0, 28.0, 10.0) == pytest.approx(1000, rel=0.02)
    assert np.isnan(aperture(np.full((60, 60), np.nan), 30.0, 30.0, 5.0))


def test_stars_of_two_images_are_told_to_be_the_same(tmp_path):
    views = scaled_views(tmp_path, SCALES)
    one, other = stars_of(views[0], 2.0), stars_of(views[2], 2.0)
    a, b = same_stars(one, other, 6.0)
    assert len(a) >= 8
    moved = other.places(one.plane.crval)[b] - one.places(one.plane.crval)[a]
    assert np.abs(moved - (-0.8, 0.9)).max() < 0.1


def test_pairs_are_nearest_both_ways():
    first = np.array([[0.0, 0.0], [0.3, 0.0], [5.0, 5.0]])
    second = np.array([[0.1, 0.0], [9.0, 9.0]])
    a, b = nearest_pairs(first, second, 1.0)
    assert a.tolist() == [0] and b.tolist() == [0]
    assert nearest_pairs(first, np.empty((0, 2)), 1.0)[0].size == 0
