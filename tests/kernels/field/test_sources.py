import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from musedeep.kernels.field.sources import SQUARE, background, bright_regions, find_sources, width_at_half


def field(stars, shape=(60, 80), sigma=1.6, noise=1.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(1).normal(0, noise, shape)
    for cx, cy, peak in stars:
        image += peak * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2)
    return image.astype(np.float32)


def test_stars_are_found_with_their_widths():
    stars = [(20.2, 12.0, 300.0), (55.0, 30.4, 120.0), (10.0, 48.0, 60.0)]
    found = find_sources(field(stars))
    assert [(s.x, s.y) for s in found] == [(20, 12), (55, 30), (10, 48)]
    for source in found[:2]:
        assert source.width_x == pytest.approx(2.355 * 1.6, rel=0.1)
        assert source.width_y == pytest.approx(2.355 * 1.6, rel=0.1)


def test_single_outliers_are_no_sources():
    image = field([])
    image[10, 10] = image[20, 30] = image[20, 31] = 1e4
    assert find_sources(image) == []


@pytest.mark.parametrize("image", [np.full((9, 9), np.nan), np.zeros((9, 9)), np.zeros((0, 9)), np.ones((1, 1))])
def test_nothing_to_find(image):
    assert find_sources(image.astype(np.float32)) == []


def test_nan_is_no_background_and_a_source_at_the_edge_has_no_width():
    image = field([(0.0, 30.0, 200.0)])
    image[50:] = np.nan
    (source,) = find_sources(image)
    assert source.y == 30
    assert not source.valid
    middle, deviation = background(image)
    assert middle == pytest.approx(0, abs=0.1)
    assert deviation == pytest.approx(1, abs=0.1)


def test_width_by_linear_interpolation():
    assert width_at_half(np.array([0, 2, 4, 2, 0.0]), 2) == 2.0
    assert width_at_half(np.array([0, 1, 4, 3, 0.0]), 2) == pytest.approx(2 / 3 + 1 + 1 / 3)
    assert width_at_half(np.array([4.0, 4, 4]), 1) == -1
    assert width_at_half(np.array([0.0, -1, 0]), 1) == -1


@given(
    st.integers(1, 30), st.integers(1, 30), st.floats(0.3, 0.9), st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_regions_are_those_of_scipy(ny, nx, share, square, seed):
    rng = np.random.default_rng(seed)
    image = rng.random((ny, nx))
    image[rng.random((ny, nx)) < 0.02] = np.nan
    opening = SQUARE if square else None
    labels, number = ndimage.label(ndimage.binary_opening(np.nan_to_num(image) > 1.0 - share, opening))
    found = bright_regions(image, 1.0 - share, opening)
    firsts = [tuple(np.argwhere(labels == k)[0].tolist()) for k in range(1, number + 1)]
    centres = ndimage.center_of_mass(image, labels, range(1, number + 1))
    assert [region.first for region in found] == firsts
    np.testing.assert_allclose([(region.y, region.x) for region in found], np.reshape(centres, (-1, 2)).tolist())
