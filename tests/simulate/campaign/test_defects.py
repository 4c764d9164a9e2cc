"""What defects do to pixels: one IFU and one exposure each, with a single star."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.instrument import N_COLUMNS, N_ROWS
from musedeep.simulate.campaign.defects import DRIFTED, TURN, temperature_of_drift
from musedeep.simulate.detector import FULL_WELL
from musedeep.simulate.effects import effects_without
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import expected_light
from musedeep.simulate.optics import Instrument
from musedeep.simulate.scene import Scene, Source
from musedeep.simulate.templates import flux_of_magnitude, star_template

IFU = 5
BARE = effects_without(["sky", "slice_flux", "slice_throughput", "illumination", "geometry_offsets", "distortion"])
INSTRUMENT = Instrument(ifus=(IFU,), effects=BARE)
ONES = np.ones((N_ROWS, N_COLUMNS))
SPECTRUM = star_template(6000.0)


def scene(magnitude=16.0, xi=0.0):
    return Scene("star", 60.0, -25.0, (Source("star", xi, 0.0, SPECTRUM, flux_of_magnitude(magnitude)),))


def light(of=None, **facts):
    taken = Exposure(
        index=1, kind="OBJECT", date_obs="2017-11-18T04:00:00.000", mjd=58075.1666, exposure_time=900.0,
        scene=of or scene(), ra=60.0, dec=-25.0,
    )  # fmt: skip
    return expected_light(replace(taken, **facts), INSTRUMENT.ifu(IFU), INSTRUMENT, BARE, 1, ONES)


@pytest.fixture(scope="module")
def usual():
    return light()


def test_ten_times_fewer_electrons_of_the_standard(usual):
    np.testing.assert_allclose(light(transparency=0.1).sum(), 0.1 * usual.sum(), rtol=1e-6)


def test_a_bright_star_saturates(usual):
    assert usual.max() < 0.5 * FULL_WELL
    assert (light(scene(10.0)) > FULL_WELL).sum() > 300


def test_a_satellite_adds_a_line_across_the_slices(usual):
    added = light(satellite=True) - usual
    lit = [added[:, round(float(INSTRUMENT.ifu(IFU).centre[k](2000.0))) - 30 :][:, :60].sum() for k in range(48)]
    assert min(added.min(), 0.0) > -1e-6 and added.sum() > 1e4
    assert np.count_nonzero(np.array(lit) > 100.0) >= 6


def test_a_field_that_turns_spreads_a_star_far_from_its_axis():
    away = scene(xi=20.0)
    still, turned = light(away), light(away, field_rotation=TURN)
    # across the slices: what was in the brightest has gone to others
    assert turned.max() < 0.7 * still.max()
    assert turned.sum() > 0.3 * still.sum()


def test_wavelengths_drift_with_temperature_and_jump():
    optics = INSTRUMENT.ifu(IFU)
    assert optics.drift(temperature_of_drift(DRIFTED)) == pytest.approx(0.3, abs=1e-9)
    moved = optics.wavelength_rows(7, 12.5, 6.0) - optics.wavelength_rows(7, 12.5)
    assert (moved[0] == pytest.approx(6.0)) and not moved[1:].any()
