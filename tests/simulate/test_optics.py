"""The truth of the instrument: like the real one, and the same whatever else is simulated."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.simulate.effects import Effects, effects_without
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.line_spread import NODES, OVERSAMPLING, full_width, mean_fwhm
from musedeep.simulate.optics import Instrument
from musedeep.simulate.spectrum import STEP


@pytest.fixture(scope="module")
def optics():
    return Instrument(ifus=(12,)).ifu(12)


def test_slices_are_as_wide_and_as_far_apart_as_the_real_ones(optics):
    edges = np.array([optics.edges(index) for index in range(48)])
    widths = edges[:, 1] - edges[:, 0]
    gaps = edges[1:, 0] - edges[:-1, 1]
    assert 74.6 < np.median(widths) < 79.4
    assert gaps.min() > 4.0 and gaps.max() < 10.0
    assert edges.min() > 1.0 and edges.max() < 4096.0
    assert np.abs(np.diff(edges, axis=2)).max() < 0.011


def test_wavelengths_rise_by_about_1_25_angstrom_a_row_and_are_staggered(optics):
    rows = np.arange(1.0, 4113.0)
    for index in range(48):
        x = optics.centre[index](rows)
        wavelength = optics.wavelength_at(index, x, rows)
        assert np.diff(wavelength).min() > 1.2 and np.diff(wavelength).max() < 1.3
        assert wavelength[0] < 4750.0 and wavelength[-1] > 9350.0
    middles = [optics.wavelength[index, 0, 0] for index in range(3)]
    assert middles[0] - middles[1] > 140.0 and middles[1] - middles[2] > 140.0


def test_rows_and_places_give_the_same_wavelength(optics):
    wave = optics.wavelength_rows(7)
    x, y = 620.5, 3000.0
    d = x - optics.origin[7]
    row = int(y) - 1
    assert abs(wave[0, row] + d * (wave[1, row] + d * wave[2, row]) - optics.wavelength_at(7, x, y)) < 1e-9
    step = optics.wavelength_at(7, x, y + 0.5) - optics.wavelength_at(7, x, y - 0.5)
    assert abs(wave[3, row] + d * (wave[4, row] + d * wave[5, row]) - step) < 1e-6


def test_truth_tables_give_the_traces_in_rows(optics):
    trace = optics.truth_tables()["trace"]
    y = 3456.0
    value = sum(trace[f"left{k}"][5] * y**k for k in range(4))
    assert abs(value - optics.left[5](y)) < 1e-6


def test_line_spread_functions_have_unit_integral_and_the_published_width(optics):
    profiles = optics.line_spread.profiles(0)
    np.testing.assert_allclose(profiles.sum(axis=1) * STEP / OVERSAMPLING, 1.0, rtol=1e-12)
    widths = np.array([full_width(profile) for profile in profiles])
    inner = (NODES > 4700) & (NODES < 9400)
    ratio = widths[inner] / (mean_fwhm(NODES[inner]) * optics.line_spread.width[0])
    assert np.all(np.abs(ratio - 1.0) < 0.03)


def test_geometry_tiles_the_field():
    table = Instrument().geometry_table()
    assert len(table) == 1152
    assert abs(float(np.ptp(table["y"])) - 287.0) < 2.0
    for sky in (1, 13, 25, 37):
        chosen = table[table["SliceSky"] == sky]
        assert len(chosen) == 24
    assert set(np.asarray(table["SliceSky"][:12])) == set(range(1, 13))


def test_an_ifu_does_not_depend_on_the_others():
    alone, together = Instrument(ifus=(3,)).ifu(3), Instrument(ifus=(1, 2, 3)).ifu(3)
    assert np.array_equal(alone.wavelength, together.wavelength)
    assert np.array_equal(alone.detector.hot_x, together.detector.hot_x)
    other = Instrument(ifus=(3,), seed=2).ifu(3)
    assert not np.array_equal(alone.wavelength, other.wavelength)


def test_the_telescope_aims_at_the_middle_of_the_ifus_that_there_are():
    x, y = Instrument().aim
    assert abs(x) < 0.2 and abs(y + 0.24) < 0.2
    x, y = Instrument(ifus=(1,)).aim
    assert abs(x) < 0.2 and abs(y + 27.6 + 0.24) < 0.2


def test_switches_take_effects_out():
    plain = Instrument(effects=effects_without(["slice_throughput", "illumination", "wavelength_drift"])).ifu(1)
    assert np.all(plain.slice_factors(3.0) == 1.0)
    assert plain.drift(3.0) == 0.0
    assert Instrument(effects=Effects()).ifu(1).drift(3.0) != 0.0


@pytest.mark.parametrize("number", [0, 25, -1])
def test_an_ifu_that_does_not_exist_is_refused(number):
    with pytest.raises(MusedeepError, match="1 to 24"):
        Instrument(ifus=(number,))


def test_an_unknown_mode_is_refused():
    with pytest.raises(MusedeepError, match="WFM-NOAO-N"):
        Instrument(mode="WFM")


def test_an_unknown_effect_is_refused():
    with pytest.raises(MusedeepError, match="cosmic_rays"):
        effects_without(["cosmics"])


def test_efficiency_is_that_of_the_real_instrument_and_has_the_notch():
    np.testing.assert_allclose(
        efficiency(np.array([5000.0, 7000.0, 8000.0, 9000.0]), "WFM-NOAO-N"), [0.221, 0.328, 0.246, 0.157], rtol=1e-3
    )
    sodium = np.array([5893.0])
    assert efficiency(sodium, "WFM-AO-N") < 1e-3 < 0.2 < efficiency(sodium, "WFM-NOAO-N")
    assert efficiency(np.array([4620.0]), "WFM-NOAO-N") < 0.3 * efficiency(np.array([4620.0]), "WFM-NOAO-E")
