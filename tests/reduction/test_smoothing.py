"""Smoothing of spectra of the instrument."""

import numpy as np
import pytest

from musedeep.reduction.smoothing import NOTCH, SMOOTHED_FROM, smooth_spectrum

WAVES = 4700.0 + 1.25 * np.arange(3700)


def test_parabolas_stay_and_noise_goes():
    parabola = 3.0 + 1e-3 * (WAVES - 7000.0) - 2e-7 * (WAVES - 7000.0) ** 2
    smooth, _ = smooth_spectrum(WAVES, parabola, "WFM-NOAO-E")
    assert smooth[20:-20] == pytest.approx(parabola[20:-20], abs=1e-3)
    noise = np.random.default_rng(1).normal(0.0, 0.01, WAVES.size)
    smooth, spread = smooth_spectrum(WAVES, parabola + noise, "WFM-NOAO-E")
    assert np.std((smooth - parabola)[20:-20]) < 0.002 and (spread >= 0).all()
    short, _ = smooth_spectrum(WAVES[:5], np.ones(5), "")
    assert short == pytest.approx(np.ones(5))


@pytest.mark.parametrize("mode", list(NOTCH))
def test_notch_and_blue_edge_stay_and_do_not_blur(mode):
    low, high = NOTCH[mode]
    inside = (low < WAVES) & (high > WAVES)
    values = np.where(inside, 0.01 * (1.0 + np.sin(WAVES)), 2.0)
    values[SMOOTHED_FROM.get(mode, 0.0) > WAVES] = 1.0
    smooth, _ = smooth_spectrum(WAVES, values, mode)
    np.testing.assert_allclose(smooth, values, atol=1e-12)


def test_spectra_of_flats_of_the_narrow_field_are_smoothed_across_the_notch():
    low, high = NOTCH["NFM-AO-N"]
    values = np.where((low < WAVES) & (high > WAVES), 0.0, 1.0)
    apart, across = (smooth_spectrum(WAVES, values, "NFM-AO-N", flat=flat)[0] for flat in (False, True))
    beside = (low - 60.0 < WAVES) & (low > WAVES)
    assert np.abs(apart[beside] - 1.0).max() < 1e-9 and across[beside].min() < 0.8
    # that of the wide field is not
    for mode in ("WFM-AO-N", "WFM-AO-E"):
        assert np.array_equal(*(smooth_spectrum(WAVES, values, mode, flat=flat)[0] for flat in (False, True)))


def test_values_that_are_not_finite_have_no_influence():
    values = np.ones(WAVES.size)
    values[[100, 2000]] = np.nan
    smooth, _ = smooth_spectrum(WAVES, values, "WFM-NOAO-N")
    assert np.flatnonzero(np.isnan(smooth)).tolist() == [100, 2000]
    assert np.nanmax(np.abs(smooth - 1.0)) < 1e-12
