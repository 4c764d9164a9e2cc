"""Lines and continuum of a spectrum."""

from pathlib import Path

import numpy as np
import pytest

from musedeep.reduction.sky.model import noise_share, sky_model
from musedeep.storage.calibrations.sky_continuum import SkyContinuumTable
from tests.makers.sky_exposures import continuum_of, line_table, lsf_of
from tests.reduction.sky.test_line_fit import spectrum_of

LSFS = {12: lsf_of(12)}


def test_the_continuum_is_what_the_lines_leave():
    spectrum, light = spectrum_of()
    model, fit = sky_model(spectrum, line_table(), LSFS)
    np.testing.assert_allclose(model.continuum.flux, spectrum.data - fit.spectrum)
    away = light < 1.0
    np.testing.assert_allclose(model.continuum.flux[away], continuum_of(spectrum.wavelength)[away], rtol=0.03)


def test_a_bias_is_taken_off_by_the_share_of_the_noise():
    spectrum, _ = spectrum_of()
    spectrum.scatter[:200] *= 3.0
    share = noise_share(spectrum)
    assert share.mean() == pytest.approx(1.0) and share[0] == pytest.approx(1.5)
    plain, _ = sky_model(spectrum, line_table(), LSFS)
    better, _ = sky_model(spectrum, line_table(), LSFS, bias=-0.2)
    np.testing.assert_allclose(better.continuum.flux - plain.continuum.flux, 0.2 * share)


def test_a_known_continuum_stays():
    spectrum, _ = spectrum_of()
    known = SkyContinuumTable(Path("x"), np.array([6000.0, 7000.0]), np.array([25.0, 25.0]))
    model, _ = sky_model(spectrum, line_table(), LSFS, known, bias=-0.2)
    assert model.continuum is known


def test_bins_without_data_are_bridged():
    spectrum, _ = spectrum_of()
    spectrum.data[10:20] = np.nan
    model, _ = sky_model(spectrum, line_table(), LSFS)
    assert np.isfinite(model.continuum.flux).all()
    assert np.ptp(np.diff(model.continuum.flux[9:21])) == pytest.approx(0.0, abs=1e-9)
