"""Identification: lines are named rightly with lines missing, others added, and the dispersion not quite known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.lines.line_patterns import chain, identify, robust_polynomial
from musedeep.statics.load import load_arc_lines

LAMPS = ("Ne", "Xe", "HgCd")


def listed():
    """Lines of all lamps as the project has them, with quality above 0."""
    lines = load_arc_lines()
    parts = [lines.of_lamp(lamp) for lamp in LAMPS]
    wave = np.concatenate([p.wavelength for p in parts])
    lamp = np.concatenate([np.full(p.wavelength.size, i) for i, p in enumerate(parts)])
    quality = np.concatenate([p.quality for p in parts])
    keep = quality > 0
    order = np.argsort(wave[keep])
    return wave[keep][order], lamp[keep][order]


def place(wave, start, scale):
    """Row of a wavelength on a CCD whose dispersion changes by 4 percent."""
    u = (wave - 7000.0) / 2500.0
    return 2056.0 + start + (wave - 7000.0) / (1.25 * scale) + 25.0 * u**2 - 8.0 * u**3


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31), st.floats(-250, 250), st.floats(0.975, 1.01), st.floats(0.0, 0.3), st.integers(0, 40),
    st.booleans(),
)  # fmt: skip
def test_lines_are_named_rightly(seed, start, scale, missing, added, lampwise):
    rng = np.random.default_rng(seed)
    waves, lamps = listed()
    rows = place(waves, start, scale) + rng.normal(0, 0.03, waves.size)
    keep = (rows > 1) & (rows < 4112) & (rng.uniform(size=rows.size) > missing)
    # of lines that run together one is seen
    keep &= np.concatenate([[True], np.diff(rows) > 3.0])
    places = np.concatenate([rows[keep], rng.uniform(1, 4112, added)])
    seen = np.concatenate([lamps[keep], rng.integers(0, 3, added)])
    true = np.concatenate([np.flatnonzero(keep), np.full(added, -1)])
    order = np.argsort(places)
    seen = seen[order] if lampwise else np.full(places.size, -1)
    found = identify(places[order], seen, waves, lamps, 1.25, 0.05, 0.1, 6)
    assert found is not None
    matched, fit = found
    true = true[order]
    named = matched >= 0
    # an added line may lie on a listed one
    assert (matched[named & (true >= 0)] == true[named & (true >= 0)]).mean() > 0.97
    assert (named & (true >= 0)).sum() > 0.6 * (true >= 0).sum()
    inside = (waves > 4800) & (waves < 9300)
    assert np.abs(fit(waves[inside]) - place(waves[inside], start, scale)).max() < 0.3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 120))
def test_noise_has_no_pattern(seed, n):
    rng = np.random.default_rng(seed)
    waves, lamps = listed()
    assert identify(np.sort(rng.uniform(1, 4112, n)), rng.integers(0, 3, n), waves, lamps, 1.25, 0.05, 0.1, 6) is None


def test_another_dispersion_is_refused():
    waves, lamps = listed()
    rows = 100.0 + (waves - waves[0]) / 1.5
    assert identify(rows, lamps, waves, lamps, 1.25, 0.05, 0.1, 6) is None


def test_the_chain_rises():
    scores = np.zeros((4, 5))
    scores[0, 3], scores[1, 1], scores[2, 2], scores[3, 4], scores[2, 0] = 5.0, 3.0, 3.0, 3.0, 0.5
    assert list(chain(scores, 1.0)) == [-1, 1, 2, 4]


@given(st.integers(0, 1000), st.integers(0, 9))
def test_wrong_values_do_not_bend_the_polynomial(seed, wrong):
    """Of 60 values; with ten and more wrong ones 11 of 3003 cases go wrong."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 10.0, 60)
    y = 3.0 + x - 0.02 * x**2 + rng.normal(0, 0.01, x.size)
    at = rng.choice(x.size, wrong, replace=False)
    y[at] += rng.choice([-1, 1], wrong) * rng.uniform(2.0, 9.0, wrong)
    fit, good = robust_polynomial(x, y, 2, 0.1)
    assert not good[at].any()
    assert np.abs(fit(x) - (3.0 + x - 0.02 * x**2)).max() < 0.05
    assert good.sum() == pytest.approx(x.size - wrong, abs=3)
