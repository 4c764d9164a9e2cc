"""The sky of an exposure: what is measured, and what is left of it (truth)."""

import numpy as np
import pytest

from musedeep.reduction.correct.sky import subtract_model
from musedeep.reduction.rows.source import corrected
from musedeep.reduction.sky.exposure import SkyChoice, measure_sky
from tests.makers.field_tables import observation
from tests.makers.row_sources import RowsInMemory
from tests.makers.sky_exposures import FACTORS, SHIFT, UNITS, line_table, lsf_of, sky_rows

IFUS = (12, 13)
LSFS = {ifu: lsf_of(ifu) for ifu in IFUS}


def sources_of(noise, cosmics=1e-3):
    return [RowsInMemory(sky_rows(ifu, LSFS, noise, cosmics), UNITS) for ifu in IFUS]


@pytest.fixture(scope="module")
def sources():
    return sources_of(12.0)


@pytest.fixture(scope="module")
def measured(sources):
    return measure_sky(sources, (53.0, -27.0), SkyChoice(fraction=0.3))


def left_of(sources, model):
    """Mean of what is left, in bins of 0.5 Angstrom, and the wavelengths."""
    one = observation(ESO_DRS_MUSE_PIXTABLE_FLUXCAL=True)
    wavelength, left = [], []
    for source in sources:
        rows = corrected(source, subtract_model(one, sources, model, LSFS)).read(
            np.array([[0, source.n_rows]]), ("lambda", "data")
        )
        wavelength.append(rows["lambda"])
        left.append(rows["data"])
    wavelength, left = np.concatenate(wavelength).astype(float), np.concatenate(left).astype(float)
    good = np.abs(left) < 100.0
    place = np.rint((wavelength[good] - 6275.0) / 0.5).astype(int)
    inside = (place >= 0) & (place < 220)
    number = np.maximum(np.bincount(place[inside], minlength=220), 1)
    return np.bincount(place[inside], left[good][inside], 220) / number


def test_what_is_measured(measured):
    share = measured.region.mask.sum() / np.isfinite(measured.image).sum()
    assert share == pytest.approx(0.3 * 0.95, abs=0.005)
    assert measured.spectrum.step == 0.3125
    assert measured.spectrum.image_covariance == pytest.approx(0.85 * 12.0**2 / 96.0, rel=0.15)
    # 95 percent of a normal distribution's darker third
    assert measured.bias < -0.5


def test_the_choice_of_dark_pixels_does_not_leave_sky(sources, measured):
    left = {}
    for unbiased in (True, False):
        choice = SkyChoice(fraction=0.3, unbiased=unbiased)
        model, fit = measured.model(line_table(), LSFS, choice)
        left[unbiased] = left_of(sources, model)
    # of a continuum of 25
    assert abs(left[True].mean()) < 0.005 * 25
    assert left[False].mean() > 0.02 * 25
    flux = {int(g): fit.lines.flux[fit.lines.group == g] / fit.table.flux[fit.lines.group == g] for g in (1, 2)}
    for group, factor in FACTORS.items():
        np.testing.assert_allclose(flux[group], factor, rtol=0.01)
    assert fit.ends[0][1] == pytest.approx(SHIFT, abs=4e-3)


def test_lines_go_without_a_trace_where_there_is_no_noise():
    """Truth: 0.3 percent in lines, whatever their profiles in the slices."""
    sources = sources_of(0.2, cosmics=0.0)
    measured = measure_sky(sources, (53.0, -27.0), SkyChoice(fraction=0.9))
    model, _ = measured.model(line_table(), LSFS, SkyChoice(unbiased=False))
    left = left_of(sources, model)
    assert np.abs(left).max() < 0.003 * np.nanmax(measured.spectrum.data)


def test_wavelengths_of_skew_lines_are_those_of_their_light(measured):
    lsfs = {ifu: lsf_of(ifu, skew=0.03) for ifu in IFUS}
    model, fit = measured.model(line_table(), lsfs, SkyChoice(), None)
    assert model.lines.wavelength - fit.lines.wavelength == pytest.approx(0.055, abs=0.01)


def test_other_bins(sources):
    choice = SkyChoice(sampling=0.625, csampling=1.25)
    measured = measure_sky(sources, (53.0, -27.0), choice)
    model, _ = measured.model(line_table(), LSFS, choice)
    assert np.diff(measured.spectrum.wavelength) == pytest.approx(0.625)
    assert np.diff(model.continuum.wavelength) == pytest.approx(1.25)
