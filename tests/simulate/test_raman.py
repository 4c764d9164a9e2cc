"""Raman light: in science exposures of modes with adaptive optics alone, smooth, as bright as it is said to be."""

import numpy as np
import pytest

from musedeep.instrument import COLLECTING_AREA
from musedeep.simulate.effects import Effects, effects_without
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import light_of
from musedeep.simulate.optics import MODES, Instrument
from musedeep.simulate.raman import has_raman_light, raman_component, raman_light
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import Counts, night_schedule
from musedeep.simulate.templates import photons


def exposure(kind="OBJECT", mode="WFM-AO-N", index=1005):
    scene = make_scene("empty", 53.16, -27.78, seed=1, size=10.0)
    return Exposure(index, kind, "2014-12-10T03:00:00.000", 57001.125, 600.0, mode, scene=scene, ra=53.16, dec=-27.78)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["OBJECT", "SKY", "STD"])
def test_who_has_it(mode, kind):
    wanted = kind == "OBJECT" and "-AO-" in mode
    one = exposure(kind, mode)
    assert has_raman_light(one) == wanted
    instrument = Instrument(mode, ifus=(12,))
    names = [part.name for part in light_of(one, instrument, Effects(), 1).components]
    assert ("Raman light" in names) == wanted
    without = [part.name for part in light_of(one, instrument, effects_without(["raman"]), 1).components]
    assert without == [name for name in names if name != "Raman light"]


def test_the_same_exposure_has_the_same_light():
    assert raman_light(exposure(), 1) == raman_light(exposure(), 1)
    assert raman_light(exposure(), 1) != raman_light(exposure(index=1006), 1)
    assert raman_light(exposure(), 1) != raman_light(exposure(), 2)


def test_it_is_smooth_and_as_bright_as_in_real_exposures():
    """Quality control of 2017: O2 5.7 to 6.4e-18, N2 1.43 to 1.61e-17 in a spaxel of 0.04 arcsec2."""
    lights = [raman_light(exposure(index=k), 3) for k in range(60)]
    for name, low, high in (("oxygen", 5.7e-18, 6.4e-18), ("nitrogen", 1.43e-17, 1.61e-17)):
        values = 0.04 * np.array([getattr(light, name) for light in lights])
        assert low < np.median(values) < high
        assert 0.02 < values.std() / values.mean() < 0.06
    x, y = np.meshgrid(np.linspace(-30, 30, 31), np.linspace(-30, 30, 31))
    spread = [light.density(x, y, np.array(6500.0)) for light in lights]
    assert np.min(spread) > 0.7 and np.max(spread) < 1.3
    assert spread[0][15, 15] == 1.0


def test_lines_hold_the_flux_that_the_truth_says():
    light = raman_light(exposure(), 1)
    spectrum = raman_component(light).spectrum
    for low, high, flux in ((6300.0, 6650.0, light.oxygen), (6650.0, 7000.0, light.nitrogen)):
        own = (spectrum.line_wavelength > low) & (spectrum.line_wavelength < high)
        energy = spectrum.line_flux[own] / photons(np.ones(own.sum()), spectrum.line_wavelength[own], COLLECTING_AREA)
        assert energy.sum() == pytest.approx(flux, rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_a_standard_star_and_an_astrometric_field(mode):
    scene = make_scene("empty", 53.16, -27.78, seed=1, size=10.0)
    counts = Counts(biases=0, darks=0, flats=0, arcs=0, twilights=0, objects=1)
    night = night_schedule(mode, scene, 1, counts)
    instrument = Instrument(mode)
    for kind in ("STD", "ASTROMETRY"):
        (one,) = [e for e in night if e.kind == kind]
        assert one.mode == mode
        light = light_of(one, instrument, Effects(), 1)
        assert light.pointing is not None and one.scene is not None and one.scene.sources
        # some stars are in the field
        half = 30.0 if mode.startswith("WFM") else 3.7
        inside = [s for s in one.scene.sources if max(abs(s.xi), abs(s.eta)) < half]
        assert len(inside) >= (1 if kind == "STD" else 4), (mode, kind, len(inside))
