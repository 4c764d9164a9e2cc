"""Tracing: edges that are put in come out, and what is no flat is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ
from musedeep.kernels.ccd.bad_pixels import bad_columns, flat_pixels, hot_pixels
from musedeep.kernels.slices.trace import locate, trace
from tests.makers.raw_frames import flat_light, slice_edges

ROWS = 320


@pytest.fixture(scope="module")
def flat():
    return flat_light(ROWS).astype(np.float32) / 17000


@settings(max_examples=3)
@given(st.integers(0, 2**31), st.floats(0.0, 0.02))
def test_edges_and_centres_come_back(seed, noise):
    image = flat_light(ROWS).astype(np.float32) / 17000
    image += np.random.default_rng(seed).normal(0.0, noise, image.shape).astype(np.float32) * np.sqrt(np.abs(image))
    slices = trace(image, None, 16, 3, 0.5)
    y = np.arange(1.0, ROWS + 1)
    left, right = slice_edges(y, ROWS)
    assert [s.number for s in slices] == list(range(1, 49))
    for one, a, b in zip(slices, left, right, strict=True):
        centre, first, last = one.at(y)
        limit = 0.006 + noise
        assert np.abs(first - a).max() < limit and np.abs(last - b).max() < limit
        assert np.abs(centre - 0.5 * (a + b)).max() < limit
        assert one.width == pytest.approx(75.7, abs=limit)


def test_a_bad_column_at_an_edge_does_not_move_the_trace(flat):
    image = flat.copy()
    image[100:116, 19:23] = 0.0
    slices = trace(image, None, 16, 3, 0.5)
    y = np.arange(1.0, ROWS + 1)
    assert np.abs(slices[0].at(y)[1] - slice_edges(y, ROWS)[0][0]).max() < 0.1


def test_a_dead_column_in_the_middle_divides_no_slice(flat):
    left, _ = slice_edges(np.array([ROWS / 2]), ROWS)
    image = flat.copy()
    for k, width in ((3, 1), (20, 2)):
        x = int(left[k][0]) + 30
        image[ROWS // 2 - 40 : ROWS // 2 + 40, x : x + width] *= 0.05
    slices, whole = (trace(one, None, 16, 3, 0.5) for one in (image, flat))
    for one, other in zip(slices, whole, strict=True):
        assert np.array_equal(one.coefficients, other.coefficients)


def test_rows_without_light_do_not_lead_the_trace_away(flat):
    """As where the notch filter of the adaptive optics blocks the lamps: in the dark, noise has edges everywhere."""
    image, dark = flat.copy(), slice(32, 128)
    image[dark] = 0.0
    image += np.random.default_rng(3).normal(0.0, 0.01, image.shape).astype(np.float32)
    slices = trace(image, None, 16, 3, 0.5)
    y = np.arange(1.0, ROWS + 1)
    left, right = slice_edges(y, ROWS)
    for one, a, b in zip(slices, left, right, strict=True):
        assert np.isnan(one.left[2:8]).all() and np.isnan(one.right[2:8]).all()
        assert np.isfinite(one.left[8:]).all() and np.isfinite(one.right[:2]).all()
        assert np.abs(one.at(y)[1] - a).max() < 0.05 and np.abs(one.at(y)[2] - b).max() < 0.05
    assert sum(np.isfinite(one.left + one.right).sum() for one in slices) == 48 * (ROWS // 16 - 6)


def test_flagged_pixels_do_not_count(flat):
    image, good = flat.copy(), np.ones(flat.shape, bool)
    image[3::16] = 50.0
    good[3::16] = False
    y = np.arange(1.0, ROWS + 1)
    assert np.abs(trace(image, good, 16, 3, 0.5)[7].at(y)[1] - slice_edges(y, ROWS)[0][7]).max() < 0.01


@pytest.mark.parametrize("image", [np.zeros((ROWS, 4096)), np.ones((ROWS, 4096)), flat_light(ROWS)[:, :2000]])
def test_what_is_no_flat_is_refused(image):
    with pytest.raises(MusedeepError, match="slices found"):
        trace(image.astype(np.float32), None, 16, 3, 0.5)


def test_too_few_samples_are_refused(flat):
    with pytest.raises(MusedeepError, match="lower --nsum"):
        trace(flat, None, 100, 5, 0.5)


def test_slices_are_located_where_the_profile_crosses_the_limit(flat):
    edges = locate(flat[160].astype(float), 0.5)
    left, right = slice_edges(np.array([161.0]), ROWS)
    assert np.abs(edges - 1.0 - np.stack([left[:, 0], right[:, 0]], 1) + 2.0).max() < 0.2


def test_pixels_of_a_flat_are_flagged_inside_slices_only(flat):
    image = flat + np.random.default_rng(1).normal(0, 0.003, flat.shape).astype(np.float32)
    left, right = (np.ascontiguousarray(e - 1.0) for e in slice_edges(np.arange(1.0, ROWS + 1), ROWS))
    image[50, 60], image[51, 60], image[52, 60] = 0.5, 0.05, 3.0
    image[53, 60] = -1.0
    image[54, int(np.ceil(left[0, 54]))] = 0.0
    dq = np.zeros(image.shape, np.int32)
    n_dark, n_hot = flat_pixels(image, left, right, 5.0, 5.0, 0.2, dq)
    assert dq[50, 60] == DQ.DARK and dq[51, 60] == DQ.DARK | DQ.LOW_EFFICIENCY and dq[52, 60] == DQ.HOT
    assert dq[53, 60] == DQ.DARK | DQ.LOW_EFFICIENCY | DQ.OTHER
    assert dq[54, int(np.ceil(left[0, 54]))] == DQ.OTHER
    assert ((dq & DQ.OTHER) != 0).sum() == (image <= 0).sum()
    assert n_dark >= 3 and n_hot >= 1 and n_dark + n_hot < 300


def test_bad_columns_and_hot_pixels():
    rng = np.random.default_rng(2)
    image = rng.normal(0.0, 1.4, (500, 300)).astype(np.float32)
    image[200:, 40] += 40.0
    image[:100, 80] -= 200.0
    image[:, 120] += 40.0
    flags, n_low, n_high = bad_columns(image, 2.8, 30.0, 3.0)
    assert set(np.flatnonzero(flags.any(0))) == {40, 80}
    assert n_low == 100 and 300 <= n_high < 500 and flags.sum() == n_low + n_high
    image[7, 9] = 30.0
    hot = hot_pixels(image, np.ones(image.shape, bool), 5.0)
    assert hot[7, 9] and hot[300, 40] and not hot[80, 20:30].any()
