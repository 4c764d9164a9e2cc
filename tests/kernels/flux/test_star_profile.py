"""Fits of profiles to planes: exact profiles come back, whatever the start, and noise does not bias them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad

from musedeep.kernels.flux.star_profile import (
    BETA,
    DRIZZLE_NODE,
    FLUX,
    GAUSS,
    MOFFAT,
    RUN,
    fit_fluxes,
    fit_planes,
)

SHAPE = 27, 31
ALL = np.ones(8, bool)


def shape(kind, p, x, y):
    """The shape by the formulas of the module."""
    u, v, t = (x - p[2]) / p[4], (y - p[3]) / p[5], 1.0 - p[6] ** 2
    q = (u * u - 2.0 * p[6] * u * v + v * v) / t
    if kind == MOFFAT:
        return (p[7] - 1.0) / (np.pi * p[4] * p[5] * np.sqrt(t)) * (1.0 + q) ** -p[7]
    return np.exp(-0.5 * q) / (2.0 * np.pi * p[4] * p[5] * np.sqrt(t))


def plane(kind, p, node=0.0):
    """A plane of a star."""
    y, x = np.indices(SHAPE).astype(float)
    places = [(0.0, 0.0)] if node == 0.0 else [(a, b) for a in (-node, node) for b in (-node, node)]
    return p[0] + p[1] * np.mean([shape(kind, p, x + a, y + b) for a, b in places], axis=0)


def fitted(kind, data, guess, weights=None, node=0.0, free=ALL):
    """Parameters, errors and success of fits to planes."""
    n = len(data)
    parameters, errors, good = np.empty((n, 8)), np.empty(n), np.empty(n, bool)
    weights = np.ones(data.shape) if weights is None else weights
    arguments = np.asarray(data, np.float32), np.asarray(weights, np.float32), free, node, np.asarray(guess, float)
    fit_planes(kind, *arguments, parameters, errors, good)
    return parameters, errors, good


MOFFAT_STAR = np.array([20.0, 1e5, 14.7, 13.2, 4.1, 3.6, 0.15, 2.8])
GAUSS_STAR = np.array([-3.0, 2e4, 15.4, 12.9, 2.2, 1.7, -0.2, 2.8])


@pytest.mark.parametrize(("kind", "truth"), [(MOFFAT, MOFFAT_STAR), (GAUSS, GAUSS_STAR)])
def test_the_integral_of_a_shape_is_one(kind, truth):
    total, _ = dblquad(lambda y, x: shape(kind, truth, x, y), -400, 430, -400, 430, epsabs=1e-3)
    assert total == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("node", [0.0, DRIZZLE_NODE])
@pytest.mark.parametrize(("kind", "truth"), [(MOFFAT, MOFFAT_STAR), (GAUSS, GAUSS_STAR)])
def test_exact_profiles_come_back(kind, truth, node):
    free = ALL.copy()
    free[BETA] = kind == MOFFAT
    guess = truth * np.array([0, 0.5, 1.02, 0.98, 1.3, 0.8, 0, 1]) + np.array([0, 0, 0, 0, 0, 0, 0, 0.6 * free[BETA]])
    found, errors, good = fitted(kind, plane(kind, truth, node)[None], guess, node=node, free=free)
    assert good.all() and (errors > 0).all()
    np.testing.assert_allclose(found[0], truth, rtol=2e-4, atol=2e-3)


@given(beta=st.floats(1.8, 6.0), width=st.floats(2.5, 5.5), x=st.floats(12, 18), y=st.floats(11, 15))
@settings(max_examples=25, deadline=None)
def test_the_flux_of_any_exact_star_is_right(beta, width, x, y):
    truth = np.array([5.0, 3e4, x, y, width, 0.9 * width, 0.1, beta])
    guess = np.array([0.0, 1.0, 15.0, 13.0, 4.0, 4.0, 0.0, 2.8])
    found, _, good = fitted(MOFFAT, plane(MOFFAT, truth)[None], guess)
    assert good[0]
    assert found[0, FLUX] == pytest.approx(3e4, rel=3e-3)


def test_missing_pixels_and_planes_without_a_star():
    data = np.stack([plane(MOFFAT, MOFFAT_STAR), np.zeros(SHAPE), plane(MOFFAT, MOFFAT_STAR)])
    weights = np.ones(data.shape)
    weights[:, 10:14, 3:9] = 0.0
    data[:, 10:14, 3:9] = 1e7
    found, _, good = fitted(MOFFAT, data, MOFFAT_STAR, weights)
    assert good.tolist() == [True, False, True]
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2], FLUX], 1e5, rtol=1e-4)
    _, _, good = fitted(MOFFAT, data, MOFFAT_STAR, np.zeros(data.shape))
    assert not good.any()


def test_results_do_not_depend_on_the_planes_of_other_runs():
    rng = np.random.default_rng(1)
    data = plane(MOFFAT, MOFFAT_STAR) + 20.0 * rng.normal(size=(2 * RUN + 5, *SHAPE))
    whole, _, _ = fitted(MOFFAT, data, MOFFAT_STAR)
    last, _, _ = fitted(MOFFAT, data[2 * RUN :], MOFFAT_STAR)
    np.testing.assert_array_equal(whole[2 * RUN :], last)
    assert whole[:, FLUX].mean() == pytest.approx(1e5, rel=2e-3)


@pytest.mark.parametrize("free", [True, False])
def test_fluxes_of_given_shapes(free):
    rng = np.random.default_rng(2)
    data = (plane(MOFFAT, MOFFAT_STAR) + 30.0 * rng.normal(size=(400, *SHAPE))).astype(np.float32)
    parameters = np.tile(MOFFAT_STAR, (400, 1))
    parameters[:, 1] = 0.0
    parameters[:, 0] = 0.0 if free else 20.0
    errors, good, chosen = np.empty(400), np.empty(400, bool), ALL.copy()
    chosen[0] = free
    weights = np.full(data.shape, 1 / 900.0, np.float32)
    fit_fluxes(MOFFAT, data, weights, chosen, 0.0, parameters, errors, good)
    assert good.all()
    assert parameters[:, FLUX].mean() == pytest.approx(1e5, abs=4 * errors[0] / 20)
    assert parameters[:, FLUX].std() == pytest.approx(errors[0], rel=0.15)
