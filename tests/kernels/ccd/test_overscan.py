"""The overscan: its level whatever hits it, and a polynomial that follows it and not its noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.ccd.overscan import fit_vertical, level, reject_constant, reject_cosmics

FACTORS = (1.00001, 1.00001, 30.0)


def strip(seed, rows=400, columns=29, mean=1200.0, sigma=2.5):
    return np.round(np.random.default_rng(seed).normal(mean, sigma, (rows, columns)))


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_cosmic_rays_leave_the_overscan_and_nothing_else_does(seed, n):
    values = strip(seed)
    clean = values.copy()
    rng = np.random.default_rng(seed + 1)
    at = rng.integers(0, values.shape[0], n), rng.integers(0, values.shape[1], n)
    values[at] += 300.0
    good = reject_cosmics(values)
    assert not good[at].any()
    assert (~good).sum() - np.unique(np.array(at), axis=1).shape[1] <= 5
    mean, stdev, rejected = level([values], "dcr", 30.0)
    assert mean == pytest.approx(clean.mean(), abs=0.05)
    assert stdev == pytest.approx(clean.std(), rel=0.05)
    assert rejected == (~good).sum()


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.floats(3.0, 8.0))
def test_the_constant_fit_keeps_what_lies_within_its_limit(seed, sigma):
    values = strip(seed)
    values[3, 4] += 500.0
    good = reject_constant(values, sigma)
    kept = values[good]
    assert not good[3, 4]
    assert (np.abs(kept - kept.mean()) <= sigma * kept.std() + 1e-9).all()


def test_without_rejection_every_value_counts():
    values = strip(1)
    other = strip(2, 29, 300)
    mean, stdev, rejected = level([values, other], "none", 3.0)
    every = np.concatenate([values.ravel(), other.ravel()])
    assert (mean, stdev, rejected) == (pytest.approx(every.mean()), pytest.approx(every.std(ddof=1)), 0)


@settings(max_examples=20)
@given(st.lists(st.floats(0.5, 3.0), min_size=1, max_size=5), st.integers(0, 2**31))
def test_a_polynomial_without_noise_comes_back(coefficients, seed):
    rows = np.arange(33.0, 433.0)
    # orthogonal on equal steps: every order makes the scatter smaller, and the search does not end early
    true = 1200.0 + np.polynomial.legendre.legval((rows - 233.0) / 200.0, coefficients)
    noise = np.random.default_rng(seed).normal(0.0, 1e-5, (400, 29))
    fit = fit_vertical(true[:, None] + noise, 33, 15, *FACTORS)
    assert np.abs(fit.polynomial(rows) - true).max() < 1e-4
    assert np.abs(np.polynomial.polynomial.polyval(rows, fit.coefficients) - true).max() < 1e-3
    assert fit.n_rejected == 0


def test_the_order_stays_low_where_noise_dominates_and_never_passes_its_limit():
    rows = np.arange(33.0, 2121.0)
    values = strip(5, 2088) + (0.001 * rows)[:, None]
    free = fit_vertical(values, 33, 15, *FACTORS)
    assert 1 <= free.polynomial.degree() <= 6
    assert fit_vertical(values, 33, 0, *FACTORS).polynomial.degree() == 0
    assert fit_vertical(values, 33, 3, 1.0, 1.0, 30.0).polynomial.degree() == 3


def test_one_row_full_of_charge_does_not_bend_the_polynomial():
    values = strip(6, 2088)
    clean = fit_vertical(values, 33, 2, *FACTORS)
    values[700] = 5000.0
    hit = fit_vertical(values, 33, 2, 1.00001, 1.00001, 5.0)
    rows = np.arange(33.0, 2121.0)
    assert hit.n_rejected >= 29
    assert np.abs(hit.polynomial(rows) - clean.polynomial(rows)).max() < 0.2
