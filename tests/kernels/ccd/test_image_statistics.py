"""Statistics of images beside plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.ccd.image_statistics import (
    RunningStatistics,
    counts_median,
    mean_deviation,
    median,
    noise_of_difference,
    slopes,
    statistics,
    windows,
)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_statistics_are_those_of_numpy(seed, ny, nx, masked):
    rng = np.random.default_rng(seed)
    image = rng.choice([-3.5, -0.0, 0.0, 1e-30, 2.25, 7.0], (ny, nx)).astype(np.float32)
    image += (rng.random((ny, nx)) * rng.choice([0, 100])).astype(np.float32)
    good = rng.random((ny, nx)) < 0.5 if masked else None
    values = image[good].astype(float) if masked else image.ravel().astype(float)
    found = statistics(image, good)
    if values.size == 0:
        assert np.isnan(found.median) and np.isnan(found.mean)
        return
    assert found.median == pytest.approx(np.median(values)) and median(image, good) == found.median
    assert (
        found.mean == pytest.approx(values.mean()) and found.minimum == values.min() and found.maximum == values.max()
    )
    assert found.stdev == pytest.approx(values.std(ddof=1) if values.size > 1 else 0.0, abs=1e-6)
    if masked:
        assert mean_deviation(image, good, 1.0) == pytest.approx(np.abs(values - 1.0).mean())


def test_a_part_of_an_image_is_an_image():
    image = np.random.default_rng(1).normal(0, 1, (40, 60)).astype(np.float32)
    assert statistics(image[10:30, 20:40]).median == pytest.approx(np.median(image[10:30, 20:40]))


@settings(max_examples=20)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_median_of_counts(values):
    assert counts_median(np.bincount(values, minlength=50)) == np.median(values)


def test_statistics_in_pieces():
    image = np.random.default_rng(2).normal(500.0, 30.0, (64, 50)).astype(np.float32)
    running = RunningStatistics()
    for y in range(0, 64, 10):
        running.add(image[y : y + 10])
    middle, mean, stdev, low, high = running.result()
    assert middle == pytest.approx(np.median(image), abs=0.25) and mean == pytest.approx(image.mean(dtype=float))
    assert stdev == pytest.approx(image.std(dtype=float, ddof=1)) and (low, high) == (image.min(), image.max())


def test_noise_slopes_and_windows():
    rng = np.random.default_rng(3)
    one, two = (np.round(rng.normal(1200, 3.0, (400, 300))).astype(np.uint16) for _ in range(2))
    two[50, 50:80] += np.uint16(3000)
    noise, scatter = noise_of_difference(one, two)
    assert noise == pytest.approx(np.hypot(3.0, 12**-0.5), rel=0.01)
    assert scatter == pytest.approx(noise / np.sqrt(2 * 360), rel=0.2)
    y, x = np.mgrid[:30, :50]
    assert slopes((0.5 * x - 0.25 * y).astype(np.float32)) == pytest.approx((0.5, -0.25))
    assert windows(one).shape == (21 * 15, 19, 19) and (windows(one)[1] == one[:19, 19:38]).all()
