"""Shifts by voting: true ones are found among others, chance ones are told."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.field.source_pairs import agreement, likely_shift, log_tail


def field(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-30, 30, (n, 2))


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 60), st.integers(0, 1000), st.floats(-20, 20), st.floats(-20, 20))
def test_a_shift_is_found(n, seed, east, north):
    first = field(n, seed)
    second = first + (east, north) + np.random.default_rng(seed + 1).normal(0, 0.02, (n, 2))
    shift = likely_shift(first, second, 30.0, 60, 0.4)
    assert shift.matches >= 4 and shift.chance < -2.5
    assert math.hypot(shift.east - east, shift.north - north) < 0.1


def test_few_real_sources_are_found_among_noise_that_is_fainter():
    real = field(4, 0)
    first = np.concatenate([real, field(76, 1)])
    second = np.concatenate([real + (11.0, -9.0), field(76, 2)])
    shift = likely_shift(first, second, 30.0, 60, 0.4)
    assert shift.chance < -3
    assert math.hypot(shift.east - 11, shift.north + 9) < 0.1


@pytest.mark.parametrize("n", [1, 2, 5, 20, 80])
def test_nothing_in_common_is_chance(n):
    trusted = 0
    for seed in range(20):
        shift = likely_shift(field(n, 2 * seed), field(n, 2 * seed + 1), 30.0, 60, 0.4)
        trusted += shift is not None and shift.chance < -2
    assert trusted <= 1


def test_too_far_is_none():
    assert likely_shift(np.zeros((3, 2)), np.full((3, 2), 100.0), 30.0, 60, 0.4) is None
    assert likely_shift(np.zeros((0, 2)), np.zeros((3, 2)), 30.0, 60, 0.4) is None


def test_an_outlier_hardly_moves_an_agreement():
    first = field(15, 3)
    second = first + (0.1, -0.2)
    second[0] += (0.5, 0.0)
    errors = (np.full(15, 0.01), np.full(15, 0.01))
    found = agreement(first, second, errors, 0.8)
    assert found.matches == 15
    np.testing.assert_allclose(found.shift, (0.1, -0.2), atol=2e-3)
    assert agreement(first, second + 5000.0, errors, 0.8) is None


def test_bright_sources_count_more():
    first = field(10, 4)
    noise = np.linspace(-0.2, 0.2, 10)[:, None]
    errors = np.where(np.arange(10) == 9, 1e-3, 1.0)
    found = agreement(first, first + noise, (errors, errors), 0.8)
    np.testing.assert_allclose(found.shift, 0.2, atol=1e-3)


@given(st.integers(1, 40), st.floats(1e-4, 30))
def test_tails_of_the_poisson_distribution(least, mean):
    direct = 1 - sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(least))
    if direct > 1e-9:
        assert abs(10 ** log_tail(least, mean) - direct) < 1e-9 + 1e-6 * direct
    assert log_tail(least, mean) <= 0
