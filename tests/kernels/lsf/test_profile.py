"""Kernels of the line-spread function: pixels of lines, their fluxes, and the regression, beside plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from musedeep.kernels.lsf.hermite import fit_hermite, hermite_profiles
from musedeep.kernels.lsf.lines import CORE, gather, measure_lines
from musedeep.kernels.lsf.profile import _regression, full_widths, normalised, profile_image, scaled

GRID = np.linspace(-7.5, 7.5, 150)
STEP = GRID[1] - GRID[0]


def samples(seed, n=20_000, lines=12):
    rng = np.random.default_rng(seed)
    waves = np.sort(rng.uniform(4700.0, 9300.0, lines))[rng.integers(0, lines, n)]
    return rng.uniform(-8.2, 8.2, n), scaled(waves), rng


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), half=st.floats(0.3, 1.5))
def test_the_regression_is_that_of_the_window(seed, half):
    """Moments of cells give what a least-squares fit of the samples of each window gives."""
    offsets, u, rng = samples(seed, 6000)
    values = rng.normal(size=offsets.size)
    found = _regression(offsets, u, values, GRID, half, 3)
    for i in (0, 1, 70, 149):
        near = np.abs(offsets - GRID[i]) < half
        t = (offsets[near] - GRID[i]) / half
        terms = np.stack([t**a * u[near] ** b for a in range(3) for b in range(4)], 1)
        expected = np.linalg.lstsq(terms, values[near], rcond=None)[0][:4]
        assert found[:, i] == pytest.approx(expected, rel=1e-6, abs=1e-7)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), lines=st.integers(1, 8))
def test_polynomials_come_back(seed, lines):
    """Second order in the offset, in the wavelength what that many lines determine."""
    offsets, u, rng = samples(seed, lines=lines)
    order = min(3, np.unique(u).size - 1)
    c = rng.normal(size=(3, order + 1))
    values = np.polynomial.polynomial.polyval2d(offsets, u, c)
    waves = np.unique(u) * 2350.0 + 7000.0
    found = profile_image(offsets, u, values, GRID, 0.7, waves)
    expected = np.polynomial.polynomial.polyval2d(*np.meshgrid(GRID, scaled(waves)), c)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.abs(expected).max())


def test_a_line_spread_function_comes_back():
    """Gaussians whose width changes with wavelength: shape to 0.2 % of the peak, width to 0.1 %."""
    offsets, u, rng = samples(1, 120_000, 60)

    def sigma(v):
        return 1.1 - 0.12 * v + 0.05 * v**2

    values = norm.pdf(offsets, 0.0, sigma(u)) + rng.normal(0.0, 0.002, offsets.size)
    waves = np.linspace(4750.0, 9250.0, 20)
    image = normalised(profile_image(offsets, u, values, GRID, 0.7, waves), STEP)
    true = norm.pdf(GRID, 0.0, sigma(scaled(waves))[:, None])
    assert np.abs(image - true).max() < 0.002 * true.max() + 0.0007
    assert image.sum(1) * STEP == pytest.approx(np.ones(20))
    assert full_widths(image, STEP) == pytest.approx(2.3548 * sigma(scaled(waves)), rel=2e-3)


def test_windows_without_samples_are_empty():
    image = profile_image(np.full(500, 2.0), np.zeros(500), np.ones(500), GRID, 0.7, np.array([7000.0]))
    assert (image[0, np.abs(GRID - 2.0) > 0.7] == 0).all()
    assert (profile_image(*np.empty((3, 0)), GRID, 0.7, np.array([7000.0])) == 0).all()
    assert np.isnan(full_widths(np.zeros((1, 150)), STEP)).all()
    assert (normalised(np.zeros((2, 150)), STEP) == 0).all()


def test_pixels_of_windows():
    """Every good pixel in a window, in each of the windows that overlap there."""
    rows, columns = 300, 40
    edges = np.stack([np.linspace(5.2, 7.9, rows), np.linspace(33.1, 36.0, rows)])
    wavelength = np.array([[7000.0, 1.25], [0.03, 1e-4], [4e-3, 0.0]])
    lines = np.array([7050.0, 7060.0, 7150.0, 9000.0])
    low, high = np.array([-8.0, -4.0, -8.0, -8.0]), np.array([8.0, 8.0, 5.0, 8.0])
    data = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    dq = np.zeros((rows, columns), np.int32)
    dq[45, 20] = 1
    where, members, offsets = np.empty(5000, np.int64), np.empty(5000, np.int64), np.empty(5000)
    expected = np.empty(4, np.int64)
    n = gather(edges, wavelength, lines, low, high, data, dq, where, offsets, members, expected)
    y, x = np.mgrid[1 : rows + 1, 1 : columns + 1]
    waves = np.polynomial.polynomial.polyval2d(x, y, wavelength)
    inside = (x >= edges[0][:, None]) & (x <= edges[1][:, None])
    for k, line in enumerate(lines):
        window = inside & (waves - line >= low[k]) & (waves - line <= high[k])
        mine = members[:n] == k
        assert sorted(where[:n][mine]) == list(np.flatnonzero(window & (dq == 0)))
        assert offsets[:n][mine] == pytest.approx(waves.ravel()[where[:n][mine]] - line, abs=1e-8)
        assert expected[k] == (window & (np.abs(waves - line) < CORE)).sum()
    # what does not fit is counted
    few = np.empty(10, np.int64), np.empty(10), np.empty(10, np.int64)
    assert gather(edges, wavelength, lines, low, high, data, dq, *few, expected) == n


def test_lines_are_measured():
    rng = np.random.default_rng(3)
    offsets = rng.uniform(-8.2, 8.2, (4, 900))
    values = np.array([12.0, -3.0, 0.0, 0.0])[:, None] + np.array([5e4, 800.0, 9e3, 0.0])[:, None] * norm.pdf(
        offsets, np.array([0.1, -0.3, 0.0, 0.0])[:, None], 1.05
    )
    values += rng.normal(0.0, 0.5, values.shape)
    members = np.repeat(np.arange(4), 900)
    results = np.empty((4, 4))
    expected = np.array([250, 250, 900, 250])
    measure_lines(members, offsets.ravel(), values.ravel(), expected, results)
    assert results[0] == pytest.approx([12.0, 5e4, 0.1, 1.05], rel=1e-3, abs=0.2)
    assert results[1] == pytest.approx([-3.0, 800.0, -0.3, 1.05], rel=5e-3, abs=0.2)
    # too few good pixels in the core; no light
    assert np.isnan(results[2:]).all()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gauss_hermite_profiles_come_back(seed):
    """Profiles that the model makes are fitted to a thousandth of their peak; without series they are Gaussians."""
    rng = np.random.default_rng(seed)
    waves = np.linspace(4650.0, 9300.0, 30)
    p = np.array([1.3, 0.93, -0.12, 0.19, 0.01, 0.02, 0.3, 0.05, -0.02, -0.03, 0.3, 0.05])
    p += rng.normal(0.0, 0.02, p.size)
    images = hermite_profiles(p, waves, GRID)
    assert images.sum(1) * STEP == pytest.approx(np.ones(30), abs=1e-3)
    found = fit_hermite(images, waves, GRID)
    assert np.abs(hermite_profiles(found, waves, GRID) - images).max() < 1e-3 * images.max()
    p[4:] = 0.0
    plain = hermite_profiles(p, np.array([7000.0]), GRID)[0]
    sigma = np.sqrt(p[1] ** 2 + 2.0 * p[0] ** 2 / 12.0)
    assert np.sqrt((plain * GRID**2).sum() * STEP) == pytest.approx(sigma, rel=2e-3)


def test_no_profiles_no_parameters():
    assert fit_hermite(np.zeros((30, 150)), np.linspace(4650.0, 9300.0, 30), GRID) is None
