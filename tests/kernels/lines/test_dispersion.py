"""The wavelength solution: polynomials come back, deviant positions and lines do not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.lines.dispersion import WEIGHTINGS, clip_line, fit_dispersion, weights_of

N_ROWS = 4112


def wavelength(x, y, x0):
    u, d = (y - 2056.5) / 2056.0, x - x0
    return 7000 + 2580 * u - 60 * u**2 + 25 * u**3 - 4 * u**5 + (0.02 + 0.01 * u) * d + 2e-4 * d * d


def measured(rng, x0, n_lines=60, noise=0.01):
    """Positions, wavelengths, line numbers and errors (Angstrom) of lines along a slice, without wide gaps."""
    x, lines = np.meshgrid(np.arange(x0 - 37, x0 + 38), np.arange(n_lines))
    places = np.linspace(90, 4020, n_lines) + rng.uniform(-25, 25, n_lines)
    y = np.repeat(places[:, None], x.shape[1], 1) + 0.02 * (x - x0)
    own = noise * rng.choice([0.3, 1.0, 3.0], n_lines)[lines]
    waves = wavelength(x, y, x0)
    # where a line is seen deviates, its wavelength does not
    y = y + rng.normal(0, own) / 1.25
    return x.ravel() + 0.0, y.ravel(), waves.ravel(), lines.ravel(), own.ravel()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([90.0, 2000.0, 4050.0]), st.sampled_from(WEIGHTINGS))
def test_the_polynomial_comes_back(seed, x0, weighting):
    x, y, waves, lines, own = measured(np.random.default_rng(seed), x0)
    found = fit_dispersion(x, y, waves, lines, own, own, weighting, 2, 6, 3.0, N_ROWS)
    assert found is not None and found.used.mean() > 0.85
    at = np.linspace(200, 3900, 50)
    for d in (-30.0, 0.0, 30.0):
        column = np.full(at.size, x0 + d)
        assert np.abs(found.at(column, at) - wavelength(column, at, x0)).max() < 0.012
        step = found.dispersion(column, at)
        assert step == pytest.approx(found.at(column, at + 0.5) - found.at(column, at - 0.5), abs=1e-6)
    assert np.sqrt(found.mean_square) < 0.05


def test_weights_make_it_better():
    rng = np.random.default_rng(5)
    off = {}
    for weighting in WEIGHTINGS:
        total = 0.0
        for _ in range(6):
            x, y, waves, lines, own = measured(rng, 2000.0, noise=0.03)
            found = fit_dispersion(x, y, waves, lines, own, own, weighting, 2, 6, 3.0, N_ROWS)
            at = np.linspace(200, 3900, 50)
            total += np.abs(found.at(np.full(50, 2000.0), at) - wavelength(2000.0, at, 2000.0)).mean()
        off[weighting] = total
    assert off["cerr"] < 0.8 * off["uniform"] and off["cerrscatter"] < 0.8 * off["uniform"]


def test_wrong_positions_and_a_wrong_line_are_left_out():
    rng = np.random.default_rng(8)
    x, y, waves, lines, own = measured(rng, 2000.0)
    wrong = rng.uniform(size=x.size) < 0.02
    y[wrong] += 3.0
    waves[lines == 17] += 0.2
    found = fit_dispersion(x, y, waves, lines, own, own, "cerrscatter", 2, 6, 3.0, N_ROWS)
    assert not found.used[wrong].any() and not found.used[lines == 17].any()
    assert found.used.mean() > 0.92
    at = np.linspace(200, 3900, 50)
    assert np.abs(found.at(np.full(50, 2000.0), at) - wavelength(2000.0, at, 2000.0)).max() < 0.01
    assert len(found.history) >= 2 and found.history[0].used.size == x.size
    last = found.history[-1]
    assert (np.abs(last.residual) <= last.limit).all() and last.used.size == found.used.sum()


def test_too_few_lines_have_no_solution():
    x, y, waves, lines, own = measured(np.random.default_rng(1), 2000.0, n_lines=6)
    assert fit_dispersion(x, y, waves, lines, own, own, "uniform", 2, 6, 3.0, N_ROWS) is None


@given(st.integers(0, 2**31), st.integers(0, 8), st.integers(1, 3))
def test_deviant_centres_of_a_line_are_rejected(seed, wrong, order):
    rng = np.random.default_rng(seed)
    x = np.arange(75.0)
    centres = 1000.0 + 0.02 * x + (1e-4 * x**2 if order > 1 else 0.0) + rng.normal(0, 0.01, x.size)
    at = rng.choice(75, wrong, replace=False)
    centres[at] += rng.choice([-1.0, 1.0], wrong) * rng.uniform(0.5, 0.7, wrong)
    centres[rng.choice(75, 5)] = np.nan
    good = np.empty(75, bool)
    scatter = clip_line(centres, order, 2.5, good)
    assert not good[at].any() and not good[np.isnan(centres)].any()
    assert good.sum() > 45 and 0.004 < scatter < 0.014


def test_a_line_of_few_centres_is_none():
    centres = np.full(75, np.nan)
    centres[:4] = 10.0
    good = np.empty(75, bool)
    assert np.isnan(clip_line(centres, 2, 2.5, good)) and not good.any()


def test_weights():
    errors, scatters = np.array([0.3, 0.4]), np.array([0.4, 0.3])
    assert list(weights_of("uniform", errors, scatters)[0]) == [1.0, 1.0]
    assert weights_of("cerrscatter", errors, scatters)[1] == pytest.approx([0.5, 0.5])
    assert weights_of("cerr", errors, scatters)[1] == pytest.approx(errors)
    assert weights_of("scatter", errors, scatters)[0] == pytest.approx(scatters**-2.0)
