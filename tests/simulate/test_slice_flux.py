"""Errors of the flux of slices: in the image as in the truth, and in science exposures alone."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.instrument import N_COLUMNS, N_ROWS
from musedeep.simulate.component import Component, Uniform
from musedeep.simulate.effects import effects_without
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import expected_light
from musedeep.simulate.optics import Instrument
from musedeep.simulate.render import Field, render
from musedeep.simulate.slice_flux import SPREAD, flux_factor, slice_flux
from musedeep.simulate.spectrum import FINE, continuum_only
from musedeep.simulate.truth import slice_flux_table


def exposure(index=1):
    return Exposure(index, "OBJECT", "2014-12-10T03:00:00.000", 57001.125, 600.0)


def test_draws_belong_to_exposure_ifu_and_seed():
    one = slice_flux(exposure(), 3, 1)
    assert one.shape == (48, 3)
    np.testing.assert_array_equal(one, slice_flux(exposure(), 3, 1))
    for other in (slice_flux(exposure(2), 3, 1), slice_flux(exposure(), 4, 1), slice_flux(exposure(), 3, 2)):
        assert not np.any(other == one)
    many = np.concatenate([slice_flux(exposure(k), 3, 1) for k in range(30)])
    np.testing.assert_allclose(many.std(0), SPREAD, rtol=0.1)


def test_factor_is_a_polynomial_between_the_limits():
    wavelength = np.array([4300.0, 4650.0, 6975.0, 9300.0, 9900.0])
    np.testing.assert_allclose(
        flux_factor(np.array([0.1, 0.02, 0.003]), wavelength), [1.083, 1.083, 1.097, 1.123, 1.123]
    )


def test_the_light_of_a_slice_is_multiplied():
    optics = Instrument(ifus=(12,), effects=effects_without(["pixel_response", "dead_pixels"])).ifu(12)
    sky = [Component("sky", continuum_only(np.full(FINE.size, 10.0)), Uniform())]
    ones, errors = np.ones((N_ROWS, N_COLUMNS)), slice_flux(exposure(), 12, 1)
    field = Field(optics, None)
    sky = [replace(sky[0], frame="field")]
    plain, wrong = (render(field, sky, 100.0, 12.5, ones, e) for e in (None, errors))
    for index in (0, 20, 47):
        row = 2000
        column = round(float(optics.centre[index](row + 1.0)))
        wavelength = optics.wavelength_at(index, column, row + 1.0)
        factor = wrong[row, column - 1] / plain[row, column - 1]
        assert factor == pytest.approx(float(flux_factor(errors[index], wavelength)), abs=1e-5)


def test_other_kinds_have_none():
    instrument = Instrument(ifus=(12,))
    optics, ones = instrument.ifu(12), np.ones((N_ROWS, N_COLUMNS))
    lamp = Exposure(3, "ILLUM", "2014-12-10T03:00:00.000", 57001.125, 1.155)
    on, off = (
        expected_light(lamp, optics, instrument, effects, 1, ones)
        for effects in (effects_without([]), effects_without(["slice_flux", "raman"]))
    )
    np.testing.assert_array_equal(on, off)


def test_truth_names_every_slice_of_every_exposure():
    table = slice_flux_table([exposure(5), exposure(6)], {5: "a.fits", 6: "b.fits"}, 12, 1)
    assert len(table) == 96 and list(table["file"][[0, 95]]) == ["a.fits", "b.fits"]
    np.testing.assert_array_equal(np.array([table[f"c{k}"][48:] for k in range(3)]).T, slice_flux(exposure(6), 12, 1))
