"""Histograms of fluxes."""

import numpy as np
import pytest

from musedeep.quality.histogram import FluxHistogram


def filled(*parts):
    histogram = FluxHistogram()
    for part in parts:
        histogram.add(part)
    return histogram


@pytest.mark.parametrize(("level", "noise"), [(0.0, 3.0), (-30.0, 3.0), (12.0, 20.0)])
def test_mode_fall_and_width_of_noise(level, noise):
    rng = np.random.default_rng(1)
    values = rng.normal(level, noise, (40, 100, 100)).astype(np.float32)
    sources = rng.exponential(300.0, 20_000).astype(np.float32)
    one = filled(values, sources, np.array([np.nan, np.inf, 1e6]))
    assert one.mode() == pytest.approx(level, abs=0.25 * noise)
    # a Gaussian has fallen by 1.7 dex at 2.798 standard deviations
    assert one.histo_17() == pytest.approx(level - 2.798 * noise, abs=0.1 * noise)
    assert one.width() == pytest.approx(noise, rel=0.1)
    edges, counts = one.whole()
    assert counts.sum() == values.size + sources.size + 1 and edges.size == counts.size + 1
    assert edges[0] < values.min() and edges[-1] > 1e6


def test_portions_do_not_matter():
    values = np.random.default_rng(2).normal(size=(6, 50, 50)).astype(np.float32)
    one, two = filled(values), filled(*values)
    assert (one.fine == two.fine).all() and (one.wide == two.wide).all()


def test_too_few_values_tell_nothing():
    one = filled(np.zeros(5))
    assert one.mode() is None and one.histo_17() is None and one.width() is None
    assert filled(np.full(3, np.nan)).whole()[0].size == 0


def test_a_level_without_noise():
    one = filled(np.full(1000, 3.0))
    assert one.histo_17() == pytest.approx(3.0, abs=0.1) and one.width() == pytest.approx(0.0, abs=0.1)
