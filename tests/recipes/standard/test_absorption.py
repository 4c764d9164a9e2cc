"""The response under telluric bands, of stars whose light the simulator's atmosphere absorbs at 0.1 Angstrom."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.recipes.standard.absorption import without_absorption
from musedeep.recipes.standard.curves import MAGNITUDE, Curve
from musedeep.recipes.standard.sensitivity import AREA, PHOTON, Seen, StarSpectrum, response_of, sensitivity
from musedeep.simulate.efficiency import efficiency
from musedeep.statics.load import load_telluric_regions
from musedeep.statics.telluric import telluric_transmission
from musedeep.storage.calibrations.extinction import ExtinctionTable
from musedeep.storage.calibrations.std_flux_table import Standard
from musedeep.storage.calibrations.telluric_regions import TelluricRegions

WAVES = 4750.0 + 1.25 * np.arange(3681)
FINE = np.arange(4740.0, 9361.0, 0.1)
STAR = Standard("A", 10.0, 20.0, WAVES, np.full(WAVES.size, 1e-14), np.full(WAVES.size, 1e-18))
NO_EXTINCTION = ExtinctionTable("none", np.array([4000.0, 10000.0]), np.zeros(2))
REGIONS = load_telluric_regions()
MODE = "WFM-NOAO-N"
FWHM = 2.6
"""Of the line-spread function [Angstrom]."""


def transmission(airmass: float, water: float) -> np.ndarray:
    """At the resolution of the instrument, at WAVES."""
    offsets = np.arange(-60, 61)
    spread = np.exp(-0.5 * (offsets * 0.1 * 2.3548 / FWHM) ** 2)
    light = np.convolve(telluric_transmission(FINE, airmass, water), spread / spread.sum(), "same")
    return np.interp(WAVES, FINE, light)


def seen_through_air(airmass: float, water: float, noise: float = 0.0) -> StarSpectrum:
    """Counts in 100 s of a star of constant flux, with a relative noise."""
    light = transmission(airmass, water) * efficiency(WAVES, MODE)
    counts = 1e-14 * light * AREA * WAVES / PHOTON * 100.0 * 1.25
    counts = counts * (1.0 + noise * np.random.default_rng(1).normal(size=WAVES.size))
    return StarSpectrum(WAVES, counts, np.maximum(noise, 1e-4) * counts)


def sensitivity_of(spectrum: StarSpectrum, airmass: float) -> tuple[Curve, Seen]:
    seen = Seen(MODE, 100.0, airmass, True)
    return sensitivity(spectrum, STAR, NO_EXTINCTION, seen), seen


@pytest.mark.parametrize(("airmass", "water"), [(1.0, 0.8), (1.1, 2.5), (1.7, 1.6), (1.5, 4.0)])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_response_is_right_within_a_hundredth_of_a_magnitude(airmass, water, noise):
    curve, seen = sensitivity_of(seen_through_air(airmass, water, noise), airmass)
    inside = (WAVES > 4900.0) & (WAVES < 9330.0)
    off = {}
    for how in ("model", "bridge"):
        response, _, found = response_of(curve, REGIONS, "ppoly", seen, how)
        throughput = np.interp(WAVES, response.wavelength, response.throughput)
        off[how] = np.abs(MAGNITUDE * np.log(throughput / efficiency(WAVES, MODE)))[inside].max()
        assert (found is None) == (how == "bridge")
        if found is not None:
            # the depths of the model are smaller by 9 percent
            assert found == pytest.approx(1.1 * water, rel=0.1)
    assert off["model"] < 0.01
    assert off["bridge"] > 2.0 * off["model"]


def test_the_transmission_is_the_observed_one_with_less_noise():
    airmass, water = 1.5, 2.5
    curve, seen = sensitivity_of(seen_through_air(airmass, water, 0.02), airmass)
    truth = transmission(airmass, water)
    off = {}
    for how in ("model", "bridge"):
        _, absorption, _ = response_of(curve, REGIONS, "ppoly", seen, how)
        mean = [np.interp(WAVES, absorption.wavelength, absorption.transmission) ** airmass - truth]
        off[how] = mean[0][(WAVES > 8940) & (WAVES < 9330)]
    assert abs(off["model"].mean()) < 0.006 and off["model"].std() < 0.01
    assert off["model"].std() < 0.5 * off["bridge"].std()


def test_a_band_of_another_molecule_is_bridged():
    curve, _ = sensitivity_of(seen_through_air(1.2, 2.5), 1.2)
    regions = TelluricRegions(*(np.append(getattr(REGIONS, n), v) for n, v in
                                zip(vars(REGIONS), (5400.0, 5440.0, 5380.0, 5460.0), strict=True)))  # fmt: skip
    band = (WAVES > 5405.0) & (WAVES < 5435.0)
    values = curve.values - 0.2 * band
    found = without_absorption(replace(curve, values=values), regions, 1.2)
    assert np.abs(found.curve.values - curve.values)[band].max() < 0.002
    np.testing.assert_allclose(found.depth[band], 0.2 / MAGNITUDE, atol=0.003)


def test_outliers_have_no_influence_and_a_region_without_data_none():
    curve, _ = sensitivity_of(seen_through_air(1.2, 2.5), 1.2)
    found = without_absorption(curve, REGIONS, 1.2)
    values = curve.values.copy()
    values[::97] += 0.5
    other = without_absorption(replace(curve, values=values), REGIONS, 1.2)
    bands = (REGIONS.lower[-1] < WAVES) | ((WAVES > 7588.0) & (WAVES < 7710.0))
    assert np.abs(other.curve.values - found.curve.values)[bands].max() < 0.003
    some = curve.of(WAVES < 6800.0)
    assert np.isfinite(without_absorption(some, REGIONS, 1.2).curve.values).all()
