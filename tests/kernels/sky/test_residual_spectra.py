"""Filter of continua, fit of components, figures of planes: against numpy, and lines of sources."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.kernels.sky import residual_spectra as kernels

seeds = st.integers(0, 2**32 - 1)


def components(rng, planes, number):
    return np.linalg.qr(rng.normal(size=(planes, number)))[0].astype(np.float32)


def fit(spectra, vectors, prior, threshold=1e9, scales=None):
    out = np.empty((len(spectra), vectors.shape[1]), np.float32)
    scales = np.ones(len(spectra), np.float32) if scales is None else scales
    kernels.fit_components(spectra, scales, vectors, np.ascontiguousarray(vectors.T), prior, threshold, out)
    return out


@given(seeds, st.integers(1, 300), st.floats(0, 0.9))
def test_figures_of_a_plane(seed, n, empty):
    rng = np.random.default_rng(seed)
    values = rng.normal(3.0, 2.0, n).astype(np.float32)
    values[rng.random(n) < empty] = np.nan
    chosen = rng.random(n) < 0.7
    centre, spread, number = kernels.plane_figures(values, chosen, np.empty(n, np.float32))
    known = np.sort(values[chosen & np.isfinite(values)])
    assert number == known.size
    if not known.size:
        assert np.isnan(centre) and np.isnan(spread)
        return
    assert centre == pytest.approx(np.median(known), abs=1e-6)
    low, high = (known[int(share * (known.size - 1))] for share in (0.1587, 0.8413))
    assert spread == pytest.approx((high - low) / 2, abs=1e-6)


@given(seeds, st.integers(150, 700))
def test_a_straight_continuum_leaves_nothing(seed, planes):
    rng = np.random.default_rng(seed)
    line = rng.normal(scale=100) + rng.normal() * np.arange(planes)
    level, sigma = rng.normal(size=planes).astype(np.float32), rng.uniform(1, 5, planes).astype(np.float32)
    spectra = (line + level).astype(np.float32)[None]
    scales = np.empty(1, np.float32)
    kernels.filter_spectra(spectra, level, sigma, planes, scales)
    # in the first and last three bins the window is not symmetrical; the middle of a bin is off by up to a plane
    inner = spectra[0, 60:-60] * sigma[60:-60]
    assert np.abs(inner).max() < 1.1 * abs(line[1] - line[0]) + 2e-6 * np.abs(line).max() + 1e-5


def test_filter_keeps_lines_and_marks_what_is_missing():
    planes = 600
    rng = np.random.default_rng(1)
    line = 30 * np.exp(-0.5 * ((np.arange(planes) - 300) / 2) ** 2)
    spectra = np.tile(50 + line + rng.normal(size=planes), (3, 1)).astype(np.float32)
    spectra[1, 100:120] = np.nan
    spectra[2, 200:] = np.nan
    sigma = np.full(planes, 2.0, np.float32)
    sigma[500:] = np.nan
    scales = np.empty(3, np.float32)
    kernels.filter_spectra(spectra, np.zeros(planes, np.float32), sigma, 500, scales)
    assert spectra[0, 300] == pytest.approx(15.0, abs=1.5)
    assert np.isnan(spectra[0, 500:]).all() and np.isfinite(spectra[0, :500]).all()
    assert np.isnan(spectra[1, 100:120]).all() and np.isfinite(spectra[1, 120:500]).all()
    np.testing.assert_allclose(scales, [0.5, 0.5, 0.0], atol=0.06)


@given(seeds, st.integers(0, 8), st.booleans())
def test_coefficients_are_those_of_least_squares_with_a_prior(seed, number, holes):
    rng = np.random.default_rng(seed)
    vectors = components(rng, 90, number)
    prior = rng.uniform(0.0, 2.0, number)
    spectra = rng.normal(scale=3, size=(5, 90)).astype(np.float32)
    if holes:
        spectra[rng.random(spectra.shape) < 0.3] = np.nan
    found = fit(spectra, vectors, prior)
    for spectrum, own in zip(spectra, found, strict=True):
        known = np.isfinite(spectrum)
        part = vectors[known].astype(float)
        expected = np.linalg.solve(part.T @ part + np.diag(prior), part.T @ spectrum[known])
        np.testing.assert_allclose(own, expected, atol=2e-3)


def test_a_line_of_a_source_is_left_out_of_the_fit():
    rng = np.random.default_rng(2)
    vectors = components(rng, 400, 6)
    truth = rng.normal(scale=20, size=(50, 6))
    line = 40 * np.exp(-0.5 * ((np.arange(400) - 211) / 1.5) ** 2)
    spectra = (truth @ vectors.T + rng.normal(size=(50, 400)) + line).astype(np.float32)
    prior = np.zeros(6)
    disturbed, clean = (np.abs(fit(spectra, vectors, prior, limit) - truth) for limit in (1e9, 4.0))
    assert clean.mean() < 0.3 * disturbed.mean()
    assert clean.std() < 1.1


def test_empty_and_short_spectra_get_no_components():
    rng = np.random.default_rng(3)
    vectors = components(rng, 50, 3)
    spectra = rng.normal(size=(3, 50)).astype(np.float32)
    spectra[0] = np.nan
    spectra[1, :30] = np.nan
    assert not fit(spectra, vectors, np.zeros(3), scales=np.array([1, 1, 0], np.float32)).any()


def test_values_for_the_covariance():
    spectra = np.array([[1.0, -9.0, np.nan, 9.0], [1, 1, 1, 1]], np.float32)
    kernels.prepare_for_covariance(spectra, np.array([2, 0], np.float32), np.array([3, 3, 3, np.nan], np.float32))
    np.testing.assert_array_equal(spectra[:, :3], [[0.5, -3, 0], [0, 0, 0]])


def test_components_are_subtracted():
    rng = np.random.default_rng(4)
    plane, columns = rng.normal(size=30).astype(np.float32), rng.normal(size=4).astype(np.float32)
    coefficients = rng.normal(size=(4, 30)).astype(np.float32)
    expected = plane - 2.0 - columns @ coefficients
    kernels.subtract_components(plane, np.float32(2.0), columns, coefficients)
    np.testing.assert_allclose(plane, expected, atol=1e-5)
