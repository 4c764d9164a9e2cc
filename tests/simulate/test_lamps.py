"""Lamps and the light of an exposure."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.instrument import N_COLUMNS, N_ROWS
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.effects import Effects, effects_without
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import expected_light, light_of, simulate_ifu
from musedeep.simulate.lamps import ARC_TIME, FLAT_PEAK, arc_lamp, twilight, vignetting
from musedeep.simulate.optics import Instrument
from musedeep.simulate.spectrum import FINE

FLAT = Exposure(7, "FLAT", "2014-12-11T12:00:00.000", 57002.5, 1.155)


def test_hgcd_has_the_green_line_and_neon_has_not():
    assert np.abs(arc_lamp("HgCd", Effects())[0].spectrum.line_wavelength - 5460.75).min() < 0.02
    assert np.abs(arc_lamp("Ne", Effects())[0].spectrum.line_wavelength - 5460.75).min() > 1.0
    assert set(ARC_TIME) == {"Ne", "Xe", "HgCd"}


def test_an_unknown_lamp_is_refused():
    with pytest.raises(MusedeepError, match="HgCd"):
        arc_lamp("Th", Effects())


def test_the_twilight_has_solar_and_telluric_lines():
    spectrum = twilight(Atmosphere(), Effects())[0].spectrum.continuum

    def at(wavelength):
        return spectrum[np.argmin(np.abs(FINE - wavelength))]

    assert at(6562.8) < 0.6 * at(6600.0)
    assert at(7605.0) < 0.7 * at(7550.0)


def test_vignetting_darkens_one_corner_alone():
    x, y = np.meshgrid(np.linspace(-30, 30, 61), np.linspace(-30, 30, 61))
    passed = vignetting(x, y)
    assert passed[0, -1] == pytest.approx(0.88) and passed.max() == 1.0
    assert np.mean(passed < 1.0) < 0.04


def test_light_of_a_flat_is_rendered_once_and_noise_differs():
    instrument = Instrument(ifus=(4,))
    frames = list(simulate_ifu([FLAT, replace(FLAT, index=8)], 4, instrument, Effects(), 1))
    assert [exposure.index for exposure, _ in frames] == [7, 8]
    one, two = (raw.astype(float) for _, raw in frames)
    lit = one > 10000
    assert 0.5 < lit.mean() < 0.95
    difference = (one - two)[lit]
    assert 0.0 < np.abs(difference.mean()) < 5.0
    assert difference.std() == pytest.approx(np.sqrt(2.0 * (one[lit].mean() - 1200.0) / 1.15), rel=0.1)


def test_the_same_exposure_is_the_same_bits_whatever_came_before():
    instrument = Instrument(ifus=(4,))
    [(_, alone)] = simulate_ifu([replace(FLAT, index=8)], 4, instrument, Effects(), 1)
    *_, (_, after) = simulate_ifu([FLAT, replace(FLAT, index=8)], 4, instrument, Effects(), 1)
    assert np.array_equal(alone, after)


def test_the_continuum_lamp_has_its_level():
    instrument = Instrument(effects=effects_without(["lamp_gradient", "slice_throughput", "illumination"]), ifus=(4,))
    light = expected_light(FLAT, instrument.ifu(4), instrument, instrument.effects, 1, np.ones((N_ROWS, N_COLUMNS)))
    assert light.max() == pytest.approx(FLAT_PEAK, rel=0.05)


@pytest.mark.parametrize(("kind", "word"), [("OBJECT", "scene"), ("NONSENSE", "table 6.1")])
def test_what_cannot_be_simulated_is_refused(kind, word):
    with pytest.raises(MusedeepError, match=word):
        light_of(replace(FLAT, kind=kind), Instrument(), Effects(), 1)
