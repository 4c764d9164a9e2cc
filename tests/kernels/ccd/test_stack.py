"""Stacking: every method beside plain numpy, with flags and variances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.ccd.stack import METHODS, MOST_SORTED, TILE, stack


def images(seed, n, flagged=0.2):
    rng = np.random.default_rng(seed)
    data = rng.normal(0.0, 3.0, (n, 6, 7)).astype(np.float32)
    data[rng.random(data.shape) < 0.15] += 500.0
    stat = rng.uniform(1.0, 5.0, data.shape).astype(np.float32)
    dq = np.where(rng.random(data.shape) < flagged, rng.choice([32, 512, -(2**31)], data.shape), 0).astype(np.int32)
    return data, dq, stat


def plain(values, variances, method, limits):
    """One pixel, by the definitions in the documentation."""
    order = np.argsort(values, kind="stable")
    values, variances = values[order].astype(float), variances[order].astype(float)
    n = values.size
    if method == "median":
        keep = np.arange((n - 1) // 2, n // 2 + 1)
    elif method == "minmax":
        high = min(limits["n_high"], max(n - limits["n_keep"] - limits["n_low"], 0))
        low = min(limits["n_low"], max(n - limits["n_keep"] - high, 0))
        keep = np.arange(low, n - high)
    elif method == "sigclip" and n > 2:
        off = values - np.median(values)
        spread = np.abs(off).mean() * (1 + 1e-5)
        keep = np.flatnonzero((off >= -limits["low_sigma"] * spread) & (off <= limits["high_sigma"] * spread))
    else:
        keep = np.arange(n)
    return values[keep].mean(), variances[keep].sum() / keep.size**2


@settings(max_examples=40)
@given(
    st.integers(0, 2**31), st.integers(1, 11), st.sampled_from(sorted(METHODS)), st.integers(0, 3), st.integers(0, 3),
    st.integers(1, 3), st.floats(1.2, 5.0), st.floats(1.2, 5.0),
)  # fmt: skip
def test_every_method_is_what_its_definition_says(seed, n, method, n_low, n_high, n_keep, low_sigma, high_sigma):
    limits = {"n_low": n_low, "n_high": n_high, "n_keep": n_keep, "low_sigma": low_sigma, "high_sigma": high_sigma}
    data, dq, stat = images(seed, n)
    out, out_dq, out_stat = stack(data, dq, stat, method, **limits)
    for y in range(6):
        for x in range(7):
            good = dq[:, y, x] == 0
            if good.any():
                value, variance = plain(data[good, y, x], stat[good, y, x], method, limits)
                assert out_dq[y, x] == 0
            else:
                best = int(np.argmin(dq[:, y, x].view(np.uint32)))
                value, variance = data[best, y, x], stat[best, y, x]
                assert out_dq[y, x] == dq[best, y, x]
            assert out[y, x] == pytest.approx(value, rel=1e-5, abs=1e-4)
            assert out_stat[y, x] == pytest.approx(variance, rel=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(sorted(METHODS)))
def test_the_order_of_the_images_does_not_matter(seed, method):
    data, dq, stat = images(seed, 7)
    dq[dq != 0] = 512
    some = (dq == 0).any(0)
    turn = np.random.default_rng(seed).permutation(7)
    one, other = stack(data, dq, stat, method), stack(data[turn], dq[turn], stat[turn], method)
    np.testing.assert_allclose(one[0][some], other[0][some], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(one[1], other[1])


@settings(max_examples=30)
@given(st.lists(st.floats(-1e4, 6e4, width=32), min_size=3, max_size=3))
def test_three_values_are_never_clipped_at_three_deviations(values):
    data = np.array(values, np.float32).reshape(3, 1, 1)
    out, _, stat = stack(data, np.zeros((3, 1, 1), np.int32), np.ones((3, 1, 1), np.float32), "sigclip")
    assert out[0, 0] == pytest.approx(np.mean(values), rel=1e-5, abs=1e-2)
    assert stat[0, 0] == pytest.approx(1 / 3)


def test_a_cosmic_ray_goes_with_enough_images():
    data = np.random.default_rng(1).normal(100.0, 1.0, (8, 1, 50)).astype(np.float32)
    data[2] += 1000.0
    out, _, stat = stack(data, np.zeros(data.shape, np.int32), np.ones_like(data), "sigclip")
    assert np.abs(out - 100.0).max() < 2.0
    assert (stat > 1 / 8).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_pixels_side_by_side_have_the_bits_of_pixels_one_by_one(method, n):
    rng = np.random.default_rng(n)
    shape = n, 2, TILE + 77
    data = np.round(rng.normal(0.0, 30.0, shape), rng.integers(0, 6)).astype(np.float32)
    data[rng.random(shape) < 0.05] = np.nan
    stat = (rng.uniform(1.0, 5.0, shape) * 10.0 ** rng.integers(-9, 9, shape)).astype(np.float32)
    dq = np.where(rng.random(shape) < 0.1, 32, 0).astype(np.int32)
    # images that are flagged everywhere change nothing, but so many are combined pixel by pixel
    more = [np.concatenate([part, np.full((MOST_SORTED, *shape[1:]), fill, part.dtype)])
            for part, fill in ((data, 7.0), (dq, 2**30), (stat, 1.0))]  # fmt: skip
    together, one_by_one = stack(data, dq, stat, method), stack(*more, method)
    for found, expected in zip(together, one_by_one, strict=True):
        assert found.tobytes() == expected.tobytes()
