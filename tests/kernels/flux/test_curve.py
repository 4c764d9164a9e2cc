"""Smoothing of curves: cubic polynomials stay, outliers go, ends do not move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.flux.curve import fit_clipped, fit_polynomial, smooth_curve

WAVES = np.arange(4700.0, 5700.0, 1.25)


def smoothed(wavelength, values, reach=150.0, mean_reach=15.0):
    """Smooth curve and its spread."""
    smooth, spread = np.empty(wavelength.size), np.empty(wavelength.size)
    smooth_curve(wavelength, values, reach, mean_reach, smooth, spread)
    return smooth, spread


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_polynomials_are_fitted_as_numpy_does(coefficients, degree):
    x = np.linspace(-1, 1, 60)
    y = np.polynomial.polynomial.polyval(x, coefficients) + np.sin(7 * x)
    used, found = np.ones(60, bool), np.empty(degree + 1)
    used[5:9] = False
    rms = fit_polynomial(x, y, used, degree, found)
    expected = np.polynomial.polynomial.polyfit(x[used], y[used], degree)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
    left = y[used] - np.polynomial.polynomial.polyval(x[used], expected)
    assert rms == pytest.approx(np.sqrt(np.mean(left**2)))


def test_too_few_points_lower_the_degree():
    found = np.empty(4)
    fit_polynomial(np.array([0.5, 0.7]), np.array([1.0, 1.0]), np.ones(2, bool), 3, found)
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0, 0.0], atol=1e-12)


def test_outliers_are_left_out():
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 1, 100)
    y = 2.0 + x + 0.01 * rng.normal(size=100)
    y[[10, 50]] += 5.0
    used, found = np.ones(100, bool), np.empty(2)
    fit_clipped(x, y, used, 1, found)
    assert not used[[10, 50]].any() and used.sum() > 90
    np.testing.assert_allclose(found, [2.0, 1.0], atol=0.01)


def test_a_line_stays_to_its_ends_and_across_gaps():
    wavelength = np.delete(WAVES, slice(300, 320))
    values = 41.0 + 1e-3 * (wavelength - 5000)
    smooth, spread = smoothed(wavelength, values)
    np.testing.assert_allclose(smooth, values, atol=1e-9)
    assert spread[0] == 0.0 and spread[100] == pytest.approx(1e-3 * 1.25 * np.std(np.arange(25), ddof=1), rel=1e-6)


def test_noise_and_single_points_are_smoothed_away():
    rng = np.random.default_rng(4)
    truth = 41.0 + 1e-3 * (WAVES - 5200) - 1e-6 * (WAVES - 5200) ** 2
    values = truth + 0.01 * rng.normal(size=WAVES.size)
    values[::97] += 0.5
    smooth, _ = smoothed(WAVES, values)
    assert np.abs(smooth - truth)[20:-20].max() < 0.005
