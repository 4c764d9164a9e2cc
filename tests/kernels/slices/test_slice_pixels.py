"""Pixels of slices beside a plain computation of the formulas, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.slices.slice_pixels import (
    count_pixels,
    pixels_of_origin,
    row_wavelengths,
    slice_field_limits,
    slice_limits,
    slice_spectrum,
    trace_edges,
    x_offsets,
)

N_ROWS, N_COLUMNS = 60, 200


def made_up(seed, curvature=3e-3, order=2):
    """Edges of one slice, wavelengths, and a place in the field."""
    rng = np.random.default_rng(seed)
    left = np.array([[rng.uniform(-3, 90), rng.uniform(-0.1, 0.1), rng.uniform(-1e-3, 1e-3)]])
    right = left + np.array([[75.5, rng.uniform(-0.01, 0.01), 0.0]])
    edges = trace_edges(np.stack([left, right], axis=1), N_ROWS)
    wavelength = np.zeros((order + 1, 4))
    wavelength[0] = 4700.0, 1.25, rng.uniform(-1e-3, 1e-3), 1e-6
    wavelength[1, :2] = rng.uniform(-0.05, 0.05), 1e-5
    wavelength[2, 0] = rng.uniform(-curvature, curvature)
    return edges[0], wavelength, np.array([rng.uniform(-150, 150), 3.0, rng.uniform(-0.01, 0.01), 75.0])


def plain(edges, wavelength, geometry, offset, shift, low, high):
    """The rows that the formulas give: x, y, lambda, origin and the CCD pixel."""
    rows = []
    for y in range(1, edges.shape[1] + 1):
        left, right = edges[:, y - 1]
        for x in range(1, N_COLUMNS + 1):
            if not left <= x <= right:
                continue
            value = np.float32(np.polynomial.polynomial.polyval2d(float(x), float(y), wavelength)) + np.float32(shift)
            if not np.float32(low) <= value <= np.float32(high):
                continue
            r = (x - (left + right) / 2) / (right - left)
            field = [geometry[i] - r * geometry[3] * f(geometry[2]) for i, f in enumerate((np.cos, np.sin))]
            rows.append((*field, value, (x - offset) << 24 | y << 11 | 5 << 6 | 7, y - 1, x - 1))
    return np.array(rows).reshape(-1, 6)


def filled(edges, wavelength, geometry, offset, shift, low, high, image):
    """All columns, made whole; pieces of them and their limits have to be the same."""
    move = np.float32(shift), np.float32(low), np.float32(high), N_COLUMNS
    counts = np.zeros(N_ROWS, np.int64)
    count_pixels(edges, wavelength, *move, counts)
    # as slice 7 of seven, the others of which have no pixels
    all_edges = np.full((7, *edges.shape), np.nan)
    all_edges[6] = edges
    terms, places, offsets = (np.repeat(np.array(one)[None], 7, axis=0) for one in (wavelength, geometry, offset))
    starts = np.concatenate([np.zeros(6 * N_ROWS + 1, np.int64), np.cumsum(counts)])
    n = int(starts[-1])
    values, origin = np.zeros(n, "f4"), np.zeros(n, "i4")
    row_wavelengths(5, all_edges, terms, offsets, *move, starts, 0, values, origin)
    for first, last in ((0, n // 3), (n // 3, n - n // 5), (n - n // 5, n)):
        some, codes = np.zeros(last - first, "f4"), np.zeros(last - first, "i4")
        row_wavelengths(5, all_edges, terms, offsets, *move, starts, first, some, codes)
        assert np.array_equal(some, values[first:last]) and np.array_equal(codes, origin[first:last])
    columns = [np.zeros(n, kind) for kind in ("f4", "f4", "f4", "i4", "f4")]
    pixels_of_origin(origin, all_edges, places, offsets, image, *columns)
    limits = slice_field_limits(edges, wavelength, geometry, *move)
    if n:
        assert np.array_equal(limits.T, [(c.min(), c.max()) for c in (columns[0], columns[1], values)])
    xpos, ypos, data, dq, stat = columns
    return xpos, ypos, values, data, dq, stat, origin


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6), st.floats(-0.2, 0.2), st.floats(4650, 4800), st.floats(4700, 4900), st.sampled_from([2, 3])
)
def test_rows_are_those_of_the_formulas(seed, shift, low, high, order):
    edges, wavelength, geometry = made_up(seed, order=order)
    rng = np.random.default_rng(seed)
    image = (
        rng.normal(0, 1, (N_ROWS, N_COLUMNS)).astype("f4"),
        rng.integers(0, 600, (N_ROWS, N_COLUMNS)).astype("i4"),
        rng.uniform(0, 1, (N_ROWS, N_COLUMNS)).astype("f4"),
    )
    offset = int(x_offsets(edges[None])[0])
    expected = plain(edges, wavelength, geometry, offset, shift, low, high)
    xpos, ypos, values, data, dq, stat, origin = filled(edges, wavelength, geometry, offset, shift, low, high, image)
    # a sum in another order may fall on the other side of a limit
    assert abs(len(expected) - xpos.size) <= 2
    if len(expected) == xpos.size:
        y, x = expected[:, 4].astype(int), expected[:, 5].astype(int)
        assert np.array_equal(origin, expected[:, 3].astype(int))
        assert np.abs(xpos - expected[:, 0]).max(initial=0) < 2e-5
        assert np.abs(ypos - expected[:, 1]).max(initial=0) < 1e-6
        assert np.abs(values - expected[:, 2]).max(initial=0) < 1e-3
        for column, source in zip((data, dq, stat), image, strict=True):
            assert np.array_equal(column, source[y, x])


def test_offsets_keep_x_in_its_seven_bits():
    coefficients = np.array([[[48.7, 0.0], [124.2, 0.0]], [[-2.5, 0.001], [73.0, 0.001]]])
    edges = trace_edges(coefficients, N_ROWS)
    assert x_offsets(edges).tolist() == [28, -23]


def test_slice_without_a_trace_has_no_pixels():
    edges, wavelength, geometry = made_up(1)
    image = tuple(np.zeros((N_ROWS, N_COLUMNS), kind) for kind in ("f4", "i4", "f4"))
    edges[:] = np.nan
    assert filled(edges, wavelength, geometry, 0, 0.0, 0.0, 1e6, image)[0].size == 0
    assert slice_limits(edges, wavelength, N_COLUMNS) == (np.inf, -np.inf)


@pytest.mark.parametrize("order", [2, 3])
def test_limits_and_spectrum_of_a_slice(order):
    edges, wavelength, _ = made_up(4, order=order)
    y, x = np.indices((N_ROWS, N_COLUMNS)) + 1.0
    true = np.polynomial.polynomial.polyval2d(x, y, wavelength).astype("f4")
    inside = (x >= edges[0][:, None]) & (x <= edges[1][:, None])
    low, high = slice_limits(edges, wavelength, N_COLUMNS)
    assert low == pytest.approx(true[inside].min(), abs=1e-3)
    assert high == pytest.approx(true[inside].max(), abs=1e-3)
    # a straight line is what it was, whatever is flagged
    data, dq = true.copy(), np.zeros(true.shape, "i4")
    dq[::7, ::5], data[::7, ::5] = 256, 1e6
    sums = np.zeros((2, int((high - low) / 1.25) + 2))
    for first in (0, 25):
        some = slice(first, 25 if first == 0 else N_ROWS)
        slice_spectrum(edges, wavelength, data[some], dq[some], first, low, 1.25, sums)
    assert sums[0].sum() == pytest.approx((inside & (dq == 0)).sum())
    middle = slice(3, -3)
    assert (sums[1] / sums[0])[middle] == pytest.approx((low + 1.25 * np.arange(sums.shape[1]))[middle], abs=0.1)
