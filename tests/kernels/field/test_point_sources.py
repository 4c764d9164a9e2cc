"""DAOFIND: heights, places and shapes of sources that are known; gaps; edges; what the ESO pipeline measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.field.point_sources import SIGMA, find_candidates, profile_of


def gaussian(x: float, y: float, height: float, fwhm: float, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    return height * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / (fwhm / SIGMA) ** 2)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(10, 39), st.floats(10, 29), st.floats(1e-3, 1e6), st.floats(2.5, 7.0), st.floats(-1e3, 1e3)
)  # fmt: skip
def test_a_gaussian_on_a_level_is_found_where_it_is(x, y, height, fwhm, level):
    found, _ = find_candidates(gaussian(x, y, height, fwhm) + level * height, fwhm)
    best = found.height.argmax()
    assert abs(found.x[best] - x) < 0.09 and abs(found.y[best] - y) < 0.09
    # between pixels, what is seen of a narrow source is less than its height
    off = (x - round(x)) ** 2 + (y - round(y)) ** 2
    seen = np.exp(-0.5 * off / (fwhm / SIGMA) ** 2)
    assert 0.9 * height * seen < found.height[best] < 1.05 * height
    assert abs(found.roundness[best]) < 0.2


def test_height_of_a_source_on_a_pixel_is_that_of_the_gaussian():
    found, noise = find_candidates(gaussian(20, 20, 7.0, 5.0) + 3.0, 5.0)
    best = found.height.argmax()
    np.testing.assert_allclose((found.x[best], found.y[best], found.height[best]), (20, 20, 7), atol=1e-9)
    assert noise >= 0


def test_shapes_tell_hot_pixels_and_rows():
    image = np.zeros((40, 50))
    image[20, 20] = 100.0
    found, _ = find_candidates(image, 5.0)
    assert found.sharpness[found.height.argmax()] > 1
    image = gaussian(25, 20, 10.0, 5.0) + gaussian(25, 23, 10.0, 5.0) + gaussian(25, 17, 10.0, 5.0)
    found, _ = find_candidates(image, 5.0)
    assert found.roundness[found.height.argmax()] > 0.5  # long in y


def test_pixels_without_data_take_no_part():
    whole = gaussian(20.3, 19.8, 50.0, 5.0) + 60.0
    gaps = whole.copy()
    gaps[18, 21] = gaps[22, 19] = np.nan
    gaps[:, 30:] = np.nan
    a, b = find_candidates(whole, 5.0)[0], find_candidates(gaps, 5.0)[0]
    i, j = a.height.argmax(), b.height.argmax()
    assert abs(a.height[i] - b.height[j]) < 0.5
    assert np.hypot(a.x[i] - b.x[j], a.y[i] - b.y[j]) < 0.05
    assert (b.height < 1).sum() == len(b.height) - 1, "no source at the edge of the gap"


def test_sources_beyond_the_edge_are_none():
    found, _ = find_candidates(gaussian(49.5, 20, 10.0, 5.0), 5.0)
    assert not (found.height > 1).any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (0, 0)])
def test_images_too_small_or_empty_have_none(shape):
    found, noise = find_candidates(np.ones(shape), 5.0)
    assert not len(found.x) and noise == 0
    found, noise = find_candidates(np.full((30, 30), np.nan), 5.0)
    assert not len(found.x) and noise == 0


def test_the_circle_and_its_box():
    assert [profile_of(fwhm).half for fwhm in (2, 3, 5, 8)] == [2, 2, 3, 5]
    assert [int(profile_of(fwhm).inside.sum()) for fwhm in (2, 4, 5, 8)] == [13, 21, 37, 81]
