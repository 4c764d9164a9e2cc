"""The smooth illumination of a plane: what is put in comes out, and what is not light does not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.field.twilight_fit import (
    EDGE_COLUMNS,
    fit_surface,
    fit_vignetting,
    gaussian_smooth,
    illuminated,
    lower_right,
    masked_median,
    on_field,
    smooth_plane,
    strong_edges,
    upper_edge,
)

SHAPE = 30, 60
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
EVERYWHERE = np.ones(SHAPE, bool)
NOWHERE = np.zeros(SHAPE, bool)


def surface(coefficients):
    """A polynomial of second order in x and y, around the middle of the field."""
    x, y = X / SHAPE[1] - 0.5, Y / SHAPE[0] - 0.5
    return sum(c * x**i * y**j for c, (i, j) in zip(coefficients, np.ndindex(3, 3), strict=True))


COEFFICIENTS = st.lists(st.floats(-0.3, 0.3), min_size=9, max_size=9)


@settings(max_examples=40, deadline=None)
@given(COEFFICIENTS, st.integers(2, 4), st.integers(2, 4))
def test_a_polynomial_is_its_own_fit(coefficients, x_order, y_order):
    truth = 3.0 + surface(coefficients)
    used = (X + Y) % 3 > 0
    found = fit_surface(truth, used, x_order, y_order)
    assert found == pytest.approx(truth, abs=1e-8)


def test_pixels_that_are_not_used_do_not_count():
    truth = 3.0 + surface(np.linspace(-0.3, 0.3, 9))
    used = (X > 5) & (Y < 25)
    values = np.where(used, truth, np.nan)
    assert fit_surface(values, used, 2, 2) == pytest.approx(truth, abs=1e-8)


def test_last_row_and_column_are_not_fitted():
    values = np.ones(SHAPE)
    values[-1], values[:, -1] = 50.0, 50.0
    assert fit_surface(values, EVERYWHERE, 2, 2) == pytest.approx(1.0, abs=1e-9)


def test_too_few_pixels():
    used = NOWHERE.copy()
    used[3, 3:11] = True
    with pytest.raises(ValueError, match="8 pixels for 9 coefficients"):
        fit_surface(np.ones(SHAPE), used, 2, 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 3))
def test_median_of_good_pixels(seed, half_y, half_x):
    rng = np.random.default_rng(seed)
    image, good = rng.normal(size=(9, 11)), rng.random((9, 11)) > 0.6
    found = masked_median(image, good, half_y, half_x)
    for y, x in np.ndindex(image.shape):
        at = (slice(max(y - half_y, 0), y + half_y + 1), slice(max(x - half_x, 0), x + half_x + 1))
        values = image[at][good[at]]
        expected = np.median(values) if values.size else np.nan
        assert found[y, x] == pytest.approx(expected, nan_ok=True)


def test_illuminated_area():
    white = np.ones((5, 20))
    white[2, 9] = np.nan
    lit = illuminated(white)
    assert not lit[:, [0, -1]].any()
    assert np.flatnonzero(~lit[2]).tolist() == [0, *range(9 - EDGE_COLUMNS, 10 + EDGE_COLUMNS), 19]
    assert np.flatnonzero(~lit[1]).tolist() == [0, 19]
    # next to the border it is not made smaller
    white[4, 0] = np.nan
    assert illuminated(white)[4, 1]


@settings(max_examples=15, deadline=None)
@given(COEFFICIENTS, st.floats(1e-3, 1e9), st.integers(0, 2**32 - 1))
def test_plane_with_stars_and_gaps(coefficients, level, seed):
    """A smooth field, in whatever unit, comes out with mean 1 however noisy; outliers and gaps change little."""
    rng = np.random.default_rng(seed)
    truth = 2.0 + surface(coefficients)
    plane = truth * (1.0 + rng.normal(0.0, 2e-3, SHAPE))
    hit = rng.random(SHAPE) < 0.01
    plane[hit] *= 30.0
    plane[rng.random(SHAPE) < 0.02] = np.nan
    smooth, area = smooth_plane(plane * level, EVERYWHERE, NOWHERE, 2, 2)
    assert area.all() and smooth[area].mean() == pytest.approx(1.0, abs=1e-12)
    # a median leans a little where the surface is bent, and in corners, where it has neighbours on two sides only, more
    off = np.abs(smooth / (truth / truth.mean()) - 1.0)
    assert off.max() < 0.03 and off[3:-3, 3:-3].max() < 0.015 and np.sqrt((off**2).mean()) < 0.005


def test_vignetted_pixels_are_not_fitted():
    plane = np.ones(SHAPE)
    dark = (X > 40) & (Y < 10)
    plane[dark] = 0.5
    smooth, area = smooth_plane(plane, EVERYWHERE, dark, 2, 2)
    assert not area[dark].any()
    assert smooth[5, 50] == pytest.approx(1.0, abs=0.02)
    assert smooth_plane(plane, EVERYWHERE, NOWHERE, 2, 2)[0][5, 50] < 0.8


def test_a_dark_plane_is_refused():
    with pytest.raises(ValueError, match="no light"):
        smooth_plane(np.zeros(SHAPE), EVERYWHERE, NOWHERE, 2, 2)


def test_masks():
    mask = np.ones((6, 8), bool)
    assert lower_right(mask).sum(1).tolist() == [8, 8, 8, 0, 0, 0]
    mask = np.zeros((6, 8), bool)
    mask[0, 7] = True
    for shape in ((4, 5), (9, 12), (6, 8)):
        moved = on_field(mask, shape)
        assert moved.shape == shape and np.argwhere(moved).tolist() == [[0, shape[1] - 1]]


def test_upper_edge():
    assert np.flatnonzero(upper_edge((30, 40), 5).all(axis=1)).tolist() == list(range(24, 30))
    assert not upper_edge((30, 40), 5)[:24].any() and not upper_edge((30, 40), 0).any()
    assert upper_edge((4, 40), 22).all()


def test_strong_edges_lie_on_the_dark_side():
    image = np.ones(SHAPE)
    image[:, 40:] = 0.9
    edges = strong_edges(image, 0.02)
    assert np.unique(np.nonzero(edges)[1]).tolist() == [40] and edges[:, 40].all()
    assert strong_edges(image, 0.2).sum() == strong_edges(image, 0.0).sum() == 0
    assert np.array_equal(edges.T, strong_edges(np.ascontiguousarray(image.T), 0.02))


@pytest.mark.parametrize(("method", "x_size", "y_size"), [("polyfit", 4, 4), ("gaussian", 6, 6), ("median", 5, 5)])
def test_vignetting_is_measured_in_its_area_alone(method, x_size, y_size):
    area = (X > 35) & (Y < 12)
    truth = 1.0 - 0.2 * ((X - 35) / 25) * ((12 - Y) / 12)
    image = np.where(area, truth, 1.0)
    image[area & ((X + Y) % 7 == 0)] = 40.0
    used = area & ((X + Y) % 7 != 0)
    found = fit_vignetting(image, area, used, method, x_size, y_size)
    assert (found[~area] == 1.0).all()
    # filters lean at the corners of the area
    assert found[area] == pytest.approx(truth[area], abs=1e-9 if method == "polyfit" else 0.05)
    # with a lowest value, what is darker does not count
    assert (fit_vignetting(image, area, used, method, x_size, y_size, (1.0, np.inf))[area] == 1.0).all()


def test_smoothing_keeps_a_constant():
    used = (X * Y) % 4 > 0
    used[:, :10] = False
    found = gaussian_smooth(np.where(used, 2.5, np.nan_to_num(np.inf)), used, 4.0)
    assert found[np.isfinite(found)] == pytest.approx(2.5)
    assert np.isnan(found[:, 0]).all() and np.isfinite(found[:, 10:]).all()
