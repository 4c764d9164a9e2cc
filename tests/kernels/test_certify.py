"""Certificates that a voxel holds nothing to reject: never wrong, and given where it matters."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musedeep.kernels.certify import BIN, BINS, MOST, add_planes, add_sample, count_plane, nothing_above, plane_scale


def histogram_of(values, low, width):
    counts = np.empty((1, BINS), np.uint16)
    values = np.asarray(values, np.float32)
    assert count_plane(values, np.array([0, values.size]), 0, 1, low, width, counts) == values.size
    return counts[0]


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
        if nothing_above(histogram, low, width, float(largest), crsigma):
            assert largest <= threshold


def test_noise_is_certified_and_a_hit_is_not():
    values = np.random.default_rng(1).normal(size=400).astype("f4")
    low, width = edges(values)
    histogram = histogram_of(values, low, width)
    assert nothing_above(histogram, low, width, 3.0, 10.0)
    assert not nothing_above(histogram, low, width, 8.0, 10.0)
    assert not nothing_above(np.zeros(BINS, np.uint16), low, width, 0.0, 10.0)


def test_counts_leave_out_bad_rows_and_keep_all_others():
    values = np.array([-1e30, -0.6, 0.0, 0.1, np.nan, 1e30, np.inf], np.float32)
    histogram = histogram_of(values, -0.5, 0.1)
    assert histogram.sum() == 6
    assert histogram[0] == 2 and histogram[-1] == 2 and histogram[6] == 1 and histogram[7] == 1


def test_samples_are_sums_of_cells():
    rng = np.random.default_rng(2)
    ny, nx = 4, 5
    counts = rng.integers(0, MOST, (3, ny * nx, BINS)).astype(np.uint16) // BINS
    total = np.empty((ny * nx, BINS), np.uint16)
    add_planes(counts, np.array([2, 0, 1]), 3, ny * nx, total)
    cube = counts.reshape(3, ny, nx, BINS).astype(int)
    for direction in (0, 1, 2):
        for y, x in ((0, 0), (1, 2), (3, 4)):
            found = np.empty(BINS, np.uint16)
            add_sample(total, counts[1], y, x, ny, nx, direction, found)
            expected = np.zeros(BINS, int)
            for dz, dy, dx in np.ndindex(3, 3, 3):
                yy, xx = y + dy - 1, x + dx - 1
                own = (dz, dy, dx) == (1, 1, 1)
                along = (direction == 1 and yy == y) or (direction == 2 and xx == x)
                if 0 <= yy < ny and 0 <= xx < nx and (own or not along):
                    expected += cube[dz, yy, xx]
            assert (found == expected).all()
