"""Gain and non-linearity from made-up windows."""

import numpy as np
import pytest

from musedeep.recipes.lingain.recipe import RECIPE
from musedeep.recipes.lingain.relations import binned, fitted_gain, fitted_non_linearity

P = RECIPE.parse({})


def test_a_bin_leaves_out_what_is_far_off():
    place = np.linspace(0.0, 0.999, 1000)
    values = np.ones(1000) + 0.01 * np.random.default_rng(1).standard_normal(1000)
    values[::50] = 9.0
    bins = binned(place, values, 0.0, 1.0, 0.25, 3.0)
    assert bins.centre == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert bins.mean == pytest.approx(1.0, abs=0.003) and (bins.error < 0.001).all()


def seen(q, a, b):
    return q * (1.0 - a * q / 1e5 + b * (q / 1e5) ** 2)


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.03, 0.01), (0.005, -0.01)])
def test_gain_and_curve_of_a_detector_that_loses_charge(a, b):
    rng = np.random.default_rng(2)
    gain, noise = 1.15, 2.5
    seconds = np.geomspace(0.25, 14.4, 12)
    rate = rng.uniform(500.0, 3500.0, 400)
    charge = seconds[:, None] * rate
    slope = 1.0 - 2.0 * a * charge / 1e5 + 3.0 * b * (charge / 1e5) ** 2
    variance = (charge * slope**2) / gain**2 + noise**2
    variance *= 1.0 + rng.standard_normal(charge.shape) * np.sqrt(2.0 / 3500)
    signal = seen(charge, a, b) / gain
    found = fitted_gain(signal.ravel(), variance.ravel(), noise, P, "here")
    assert found.gain == pytest.approx(gain, rel=0.003)
    curve = fitted_non_linearity(signal * gain, seconds, P, "here")
    truth = 100.0 * (seen(charge, a, b) / charge - 1.0)
    level = np.interp(650.0, np.sort(charge.ravel()), truth.ravel()[np.argsort(charge.ravel())])
    expected = np.interp(10.0**curve.bins.at, np.sort(seen(charge, a, b).ravel()), np.sort(truth.ravel())[::-1] - level)
    assert curve.bins.mean == pytest.approx(expected, abs=0.02)
    fitted = np.polynomial.polynomial.polyval(curve.bins.at - curve.middle, curve.coefficients)
    assert fitted == pytest.approx(curve.bins.mean, abs=0.02)
