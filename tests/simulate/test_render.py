"""The light of a component on the CCD: flux and place."""

from dataclasses import dataclass

import numpy as np
import pytest

from musedeep.instrument import N_COLUMNS, N_ROWS
from musedeep.simulate.component import Component, Uniform
from musedeep.simulate.effects import effects_without
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import light_of
from musedeep.simulate.lamps import arc_lamp, continuum_lamp
from musedeep.simulate.optics import Instrument
from musedeep.simulate.pointing import Pointing
from musedeep.simulate.render import Field, render
from musedeep.simulate.spectrum import FINE, continuum_only, lines_only

PLAIN = effects_without(["slice_throughput", "illumination", "geometry_offsets", "pixel_response", "dead_pixels"])
ONES = np.ones((N_ROWS, N_COLUMNS))


@pytest.fixture(scope="module")
def optics():
    return Instrument(ifus=(12,), effects=PLAIN).ifu(12)


@dataclass(frozen=True)
class Blob:
    """A Gaussian of unit integral."""

    x: float
    y: float
    sigma: float

    def density(self, x, y, wavelength):
        distance = (x - self.x) ** 2 + (y - self.y) ** 2 + 0.0 * wavelength
        return np.exp(-0.5 * distance / self.sigma**2) / (2.0 * np.pi * self.sigma**2)

    def bounds(self):
        return self.x, self.y, 6.0 * self.sigma


def still_pointing(optics) -> Pointing:
    """Sky offsets are field positions."""
    return Pointing((0.0, 0.0), (0.0, 0.0), np.eye(2), 0.0, 0.0, None)


def test_a_uniform_line_gives_its_electrons_in_every_slice(optics):
    spectrum = lines_only(np.array([7000.0]), np.array([1000.0]))
    image = render(Field(optics, None), [Component("line", spectrum, Uniform(), "field")], 10.0, 12.5, ONES)
    expected = 1000.0 * 10.0 * float(efficiency(np.array(7000.0), optics.mode)) * 0.2 * 0.2 * 75.0 * 48
    assert abs(image.sum() / expected - 1.0) < 1e-3
    rows = np.arange(1.0, N_ROWS + 1.0)
    column = round(float(optics.centre[20](2000.0)))
    light = image[:, column - 1]
    row = float(np.sum(light * rows) / light.sum())
    assert abs(optics.wavelength_at(20, column, row) - 7000.0) < 0.01


@pytest.mark.parametrize("place", [(0.3, -1.13), (7.4, 0.05)])
def test_a_source_inside_the_field_gives_all_its_electrons(optics, place):
    """Also where it lies over the seam of two stacks."""
    x, y = place[0], 0.2 * 12.0 * (12 - 12.5) + 0.1 * place[1]
    spectrum = continuum_only(np.where((FINE > 6000.0) & (FINE < 6200.0), 50.0, 0.0))
    component = Component("blob", spectrum, Blob(x, y, 0.25), "sky")
    image = render(Field(optics, still_pointing(optics)), [component], 10.0, 12.5, ONES)
    inside = (FINE > 6000.0) & (FINE < 6200.0)
    expected = 50.0 * 10.0 * np.sum(efficiency(FINE[inside], optics.mode)) * 0.1
    assert abs(image.sum() / expected - 1.0) < 0.01


def test_light_falls_where_the_geometry_says(optics):
    row = optics.geometry[30]
    x, y = 0.2 * float(row["x"]) + 3.0, 0.2 * float(row["y"])
    spectrum = continuum_only(np.full(FINE.size, 10.0))
    image = render(
        Field(optics, still_pointing(optics)), [Component("blob", spectrum, Blob(x, y, 0.3), "sky")], 1.0, 12.5, ONES
    )
    left, right = optics.edges(30)
    columns = np.arange(int(left[2000]), int(right[2000]) + 2)
    light = image[2000, columns - 1]
    place = np.sum(light * columns) / light.sum()
    r = (place - 0.5 * (left[2000] + right[2000])) / (right[2000] - left[2000])
    assert abs(0.2 * (float(row["x"]) - r * float(row["width"])) - x) < 0.004


def test_light_adds_up_and_scales_with_time(optics):
    lamp = continuum_lamp(PLAIN)
    arc = arc_lamp("HgCd", PLAIN)
    field = Field(optics, None)
    one, two = render(field, lamp, 1.0, 12.5, ONES), render(field, arc, 2.0, 12.5, ONES)
    both = render(field, [*lamp, *arc], 2.0, 12.5, ONES)
    np.testing.assert_allclose(both, 2.0 * one + two, rtol=1e-9, atol=1e-6)


def test_lamps_are_as_bright_in_the_small_spaxels_of_the_narrow_field():
    """The calibrations of either field fill the detector."""
    light = []
    for mode in ("WFM-NOAO-N", "NFM-AO-N"):
        instrument = Instrument(ifus=(12,), mode=mode, effects=PLAIN)
        for kind in ("FLAT", "ARC", "SKYFLAT"):
            exposure = Exposure(0, kind, "2014-12-10T00:00:00.000", 57001.0, 1.0, mode, lamp="HgCd")
            components = light_of(exposure, instrument, PLAIN, 1).components
            image = render(Field(instrument.ifu(12), None), components, 1.0, 12.5, ONES)
            light.append(float(image[2500:3500].mean()))
    assert light[3:] == pytest.approx(light[:3], rel=0.15)


def test_wavelengths_drift_with_the_temperature():
    optics = Instrument(ifus=(12,)).ifu(12)
    spectrum = lines_only(np.array([7000.0]), np.array([1000.0]))
    component = Component("line", spectrum, Uniform(), "field")
    rows = np.arange(1.0, N_ROWS + 1.0)
    places = []
    for temperature in (12.5, 8.5):
        image = render(Field(optics, None), [component], 1.0, temperature, ONES)
        light = image[:, round(float(optics.origin[3]))]
        places.append(float(np.sum(light * rows) / light.sum()))
    shift = -(places[1] - places[0]) * 1.2525
    assert abs(shift - optics.drift(8.5)) < 0.002 and abs(shift) > 0.03
