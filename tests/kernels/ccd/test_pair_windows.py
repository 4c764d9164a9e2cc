"""Windows of pairs: mean and variance come out whatever the clipping, and cosmic rays do not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import truncnorm

from musedeep.kernels.ccd.pair_windows import kept_variance, pair_windows


@given(st.floats(0.5, 6.0))
def test_the_part_of_the_variance_that_a_cut_leaves(limit):
    assert kept_variance(limit) == pytest.approx(truncnorm.var(-limit, limit), rel=1e-9)


def measured(one, other, good, limit, height=50):
    n = one.shape[0] // height
    spans = np.tile(np.array([2, one.shape[1] - 2]), (n, height, 1))
    out = np.empty((n, 4))
    pair_windows(one, other, good, np.arange(n) * height, spans, limit, out)
    return out


@pytest.mark.parametrize("limit", [1.5, 3.0, 5.0])
def test_mean_and_variance_whatever_the_limit(limit):
    rng = np.random.default_rng(1)
    structure = 1000.0 + 300.0 * np.sin(np.arange(80) / 9.0)
    # the second exposure is 1 % brighter
    one, other = (rng.normal(f * structure, 20.0, (2000, 80)).astype(np.float32) for f in (1.0, 1.01))
    cosmic = rng.integers(0, 2000, 60), rng.integers(0, 80, 60)
    one[cosmic] += 5000.0
    good = np.ones(one.shape, bool)
    good[:, 40] = False
    other[:, 40] = 1e6
    out = measured(one, other, good, limit)
    assert out[:, 0].mean() == pytest.approx(structure[2:-2].mean(), rel=0.01)
    assert (out[:, 1] / out[:, 0]).mean() == pytest.approx(1.01, abs=2e-4)
    # 40 windows of 3750 pixels: 0.37 % is the standard deviation of the mean, 0.9 % with a cut at 1.5
    assert out[:, 2].mean() == pytest.approx(400.0, rel=0.011 if limit > 2 else 0.027)
    assert (out[:, 3] <= 50 * 75).all()


def test_a_window_without_pixels_is_not_a_number():
    out = measured(np.zeros((50, 10), np.float32), np.zeros((50, 10), np.float32), np.zeros((50, 10), bool), 3.0)
    assert np.isnan(out[0, :3]).all() and out[0, 3] == 0
