"""Fluxes and shifts of lines that are known."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.kernels.sky.line_spectrum import add_lines
from musedeep.reduction.sky.line_fit import HALF_SPAN, PIVOT, fit_lines
from musedeep.reduction.sky.line_spread import mean_profiles
from musedeep.reduction.sky.spectrum import MeanSpectrum
from tests.makers.sky_exposures import FACTORS, continuum_of, line_table, lsf_of

ROWS = np.ones((25, 64), np.int64)
PROFILES = mean_profiles({12: lsf_of(12)}, ROWS, 0.3125)


def spectrum_of(shift=0.02, slope=0.0, noise=0.0, factors=None):
    start, n = 6265.0, 400
    wavelength = start + 0.3125 * np.arange(n)
    lines = line_table()
    places = lines.wavelength + shift + slope * (lines.wavelength - PIVOT) / HALF_SPAN
    flux = lines.flux * np.array([(factors or FACTORS)[int(g)] for g in lines.group])
    light = np.zeros(n)
    add_lines(places, flux, PROFILES, start, 0.3125, light)
    data = continuum_of(wavelength) + light + noise * np.random.default_rng(1).standard_normal(n)
    variance = np.full(n, max(noise, 0.1) ** 2)
    return MeanSpectrum(start, 0.3125, data, variance * 100, variance, variance * 100, np.zeros(n), ROWS), light


def fluxes(fit):
    return {int(g): fit.lines.flux[fit.lines.group == g] / fit.table.flux[fit.lines.group == g] for g in (1, 2)}


@pytest.mark.parametrize(("shift", "slope"), [(0.0, 0.0), (0.03, 0.0), (-0.1, 0.02)])
def test_fluxes_and_shift_come_back(shift, slope):
    spectrum, light = spectrum_of(shift, slope)
    fit = fit_lines(spectrum, line_table(), PROFILES)
    for group, factor in FACTORS.items():
        np.testing.assert_allclose(fluxes(fit)[group], factor, rtol=2e-3)
    places = line_table().wavelength
    moved = shift + slope * (places - PIVOT) / HALF_SPAN
    np.testing.assert_allclose(fit.lines.wavelength - places, moved, atol=2e-3)
    assert np.abs(fit.spectrum - light).max() < 0.005 * light.max()
    assert fit.ends[0] == (places[0], pytest.approx(moved[0], abs=2e-3))


def test_wavelengths_off_by_more_than_a_line_do_not_converge():
    for shift, converged in ((0.0, True), (0.3, True), (1.0, True), (4.0, False), (6.0, False)):
        fit = fit_lines(spectrum_of(shift=shift)[0], line_table(), PROFILES)
        assert fit.converged is converged


def test_noise_and_outliers():
    spectrum, _ = spectrum_of(noise=2.0)
    spectrum.data[[50, 51, 300]] += 500.0
    fit = fit_lines(spectrum, line_table(), PROFILES)
    assert not fit.used[[50, 51, 300]].any()
    np.testing.assert_allclose(fluxes(fit)[1], 0.8, rtol=0.01)
    np.testing.assert_allclose(fluxes(fit)[2], 1.3, rtol=0.02)


def test_a_known_continuum_is_subtracted_first():
    spectrum, light = spectrum_of()
    fit = fit_lines(spectrum, line_table(), PROFILES, continuum_of(spectrum.wavelength))
    assert np.abs(fit.spectrum - light).max() < 1e-3 * light.max()


def test_fluxes_are_not_negative():
    spectrum, _ = spectrum_of(factors={1: 0.8, 2: -0.2})
    fit = fit_lines(spectrum, line_table(), PROFILES)
    assert not fluxes(fit)[2].any()
    assert fluxes(fit)[1][0] > 0.5


def test_lines_where_there_are_no_data():
    spectrum, _ = spectrum_of()
    table = line_table()
    lone = replace(table, group=np.where(np.abs(table.wavelength - 6379) < 1, 3, table.group))
    gap = np.abs(spectrum.wavelength - 6379.0) < 15.0
    spectrum.data[gap] = np.nan
    fit = fit_lines(spectrum, lone, PROFILES)
    assert np.isfinite(fit.spectrum).all()
    assert not fit.lines.flux[fit.lines.group == 3].any()
    np.testing.assert_allclose(
        fit.lines.flux[fit.lines.group == 1] / fit.table.flux[fit.lines.group == 1], 0.8, rtol=5e-3
    )


def test_no_line_in_the_range():
    spectrum, _ = spectrum_of()
    with pytest.raises(MusedeepError, match="no line from"):
        fit_lines(spectrum, replace(line_table(), wavelength=line_table().wavelength + 500.0), PROFILES)
