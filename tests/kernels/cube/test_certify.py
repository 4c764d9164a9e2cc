"""Certificates that a voxel holds nothing to reject: never wrong, and given where it matters."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musedeep.kernels.cube.certify import (
    BIN,
    BINS,
    MOST,
    count_plane,
    find_middles,
    nothing_above,
    nothing_above_values,
    plane_scale,
    sum_columns,
    sum_lines,
    sum_planes,
)


def histogram_of(values, low, width):
    """The cumulative histogram of values, and their middles: of one voxel in a line of three."""
    counts = np.empty((1, BINS, 3), np.uint16)
    values = np.asarray(values, np.float32)
    start = np.array([0, 0, 0, values.size, values.size])
    assert count_plane(values, start, 1, low, width, counts) == values.size
    assert (counts[0, :, [0, 2]] == 0).all()
    cumulative = counts[0].cumsum(axis=0).astype(np.uint16)
    lower, upper = np.empty(3, np.uint16), np.empty(3, np.uint16)
    find_middles(cumulative, lower, upper)
    return cumulative, lower, upper, 1


def edges(values):
    centre, spread = plane_scale(values, 0, values.size, np.empty(4096))
    return centre - (BINS // 2 - 1) * BIN * spread, BIN * spread


@given(
    seed=st.integers(0, 2**31),
    n=st.integers(8, 300),
    crsigma=st.sampled_from([1.0, 3.0, 10.0]),
    coarse=st.booleans(),
    shift=st.floats(-3, 3),
)
def test_what_is_certified_is_below_the_threshold(seed, n, crsigma, coarse, shift):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    if coarse:
        # many equal values, on edges of bins too
        values = np.round(values * 4) / 4
    values = values.astype("f4")
    low, width = edges(values)
    if width == 0:
        return
    low += shift * width
    median = np.median(values.astype(float))
    threshold = median + crsigma * np.median(np.abs(values - median))
    histogram = histogram_of(values, low, width)
    for largest in (values.max(), threshold * (1 + 1e-9) + 1e-9, threshold + 0.3, median + 0.5):
        if nothing_above(*histogram, low, width, float(largest), crsigma):
            assert largest <= threshold


@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 300),
    crsigma=st.sampled_from([1.0, 3.0, 10.0]),
    kind=st.sampled_from(["noise", "coarse", "wild", "equal"]),
    level=st.sampled_from([0.0, -3.0, 1e6]),
    guess=st.floats(-50, 50),
    step=st.sampled_from([0.0, 1e-3, 0.3, 1e3]),
)
def test_what_is_counted_from_the_values_is_below_the_threshold(seed, n, crsigma, kind, level, guess, step):
    rng = np.random.default_rng(seed)
    values = {
        "noise": lambda: rng.normal(size=n), "coarse": lambda: np.round(rng.normal(size=n) * 4) / 4,
        "wild": lambda: rng.choice([-np.inf, np.inf, 1e30, 0.0, 1.0, 2.0], n), "equal": lambda: np.ones(n),
    }[kind]()  # fmt: skip
    values = (values + level).astype("f4")
    median = np.median(values.astype(float))
    with np.errstate(invalid="ignore"):  # where the median is infinite
        threshold = median + crsigma * np.median(np.abs(values - median))
    for largest in (values.max(), threshold * (1 + 1e-9) + 1e-9, threshold + 0.3, median + 0.5):
        nothing, middle, half = nothing_above_values(values, n, float(largest), crsigma, level + guess, step)
        if nothing:
            assert largest <= threshold
            assert middle - half <= median <= middle + half


def test_noise_is_certified_from_its_values_far_from_the_guess():
    values = (1000 + np.random.default_rng(1).normal(size=400)).astype("f4")
    for guess in (1000.0, 990.0, 1020.0):
        nothing, middle, half = nothing_above_values(values, 400, 1003.0, 10.0, guess, 0.3)
        assert nothing and abs(middle - 1000.0) < 0.6 and half < 0.6
    assert not nothing_above_values(values, 400, 1009.0, 10.0, 1000.0, 0.3)[0]


def test_noise_is_certified_and_a_hit_is_not():
    values = np.random.default_rng(1).normal(size=400).astype("f4")
    low, width = edges(values)
    histogram = histogram_of(values, low, width)
    assert nothing_above(*histogram, low, width, 3.0, 10.0)
    assert not nothing_above(*histogram, low, width, 8.0, 10.0)
    assert not nothing_above(*histogram[:3], 2, low, width, -1.0, 10.0)  # a voxel without a sample


def test_counts_leave_out_bad_rows_and_keep_all_others():
    values = np.array([-1e30, -0.6, 0.0, 0.1, np.nan, 1e30, np.inf], np.float32)
    cumulative, lower, upper, x = histogram_of(values, -0.5, 0.1)
    assert cumulative[-1, x] == 6 and (lower[x], upper[x]) == (6, 7)
    alone = np.diff(cumulative[:, x].astype(int), prepend=0)
    assert alone[0] == 2 and alone[-1] == 2 and alone[6] == 1 and alone[7] == 1


def test_samples_are_sums_of_cells():
    rng = np.random.default_rng(2)
    ny, nx = 4, 5
    counts = rng.integers(0, MOST, (3, ny, BINS, nx)).astype(np.uint16) // BINS
    lines, columns = np.empty((3, BINS * nx), np.uint16), np.empty(BINS * nx, np.uint16)
    found = np.empty((BINS, nx), np.uint16)
    cube = counts.swapaxes(2, 3).astype(int)
    for direction in (0, 1, 2):
        for y in range(ny):
            for yy in range(max(y - 1, 0), min(y + 2, ny)):
                sum_planes(counts, np.array([2, 0, 1]), 3, yy, lines[yy % 3])
            sum_lines(lines, y, ny, direction, columns)
            sum_columns(columns.reshape(BINS, nx), counts[1, y], direction, found)
            for x in range(nx):
                expected = np.zeros(BINS, int)
                for dz, dy, dx in np.ndindex(3, 3, 3):
                    yy, xx = y + dy - 1, x + dx - 1
                    own = (dz, dy, dx) == (1, 1, 1)
                    along = (direction == 1 and yy == y) or (direction == 2 and xx == x)
                    if 0 <= yy < ny and 0 <= xx < nx and (own or not along):
                        expected += cube[dz, yy, xx]
                assert (found[:, x] == expected.cumsum()).all()
