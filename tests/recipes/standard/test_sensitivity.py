"""From the spectrum of a star to response and telluric absorption."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.recipes.standard.curves import Curve
from musedeep.recipes.standard.sensitivity import (
    AREA,
    PHOTON,
    Seen,
    StarSpectrum,
    band_throughputs,
    extrapolated,
    response_of,
    sensitivity,
    smoothed,
    telluric,
    without_tellurics,
)
from musedeep.storage.calibrations.extinction import ExtinctionTable
from musedeep.storage.calibrations.std_flux_table import Standard
from musedeep.storage.calibrations.telluric_regions import TelluricRegions

WAVES = 4750.0 + 1.25 * np.arange(3681)
GRID = np.arange(4500.0, 9500.0, 5.0)
STAR = Standard("A", 10.0, 20.0, GRID, 1e-14 * (GRID / 7000) ** -3, 2e-16 * (GRID / 7000) ** -3)
EXTINCTION = ExtinctionTable("made up", np.array([4000.0, 10000.0]), np.array([0.2, 0.05]))
SEEN = Seen("WFM-NOAO-N", 120.0, 1.5, True)
REGIONS = TelluricRegions(*(np.array(v, float) for v in ([6860, 8920], [6970, 9400], [6840, 8870], [6985, 9440])))
BAND = 0.3 * np.exp(-0.5 * ((WAVES - 6915.0) / 10.0) ** 2) + 0.1 * (WAVES > 8925)


def spectrum(efficiency=0.25, band=0.0):
    """Of the star through an instrument of known efficiency."""
    tabulated = np.interp(WAVES, GRID, STAR.flux)
    absorbed = 10.0 ** (-0.4 * 1.5 * EXTINCTION.at(WAVES)) * (1.0 - band) ** 1.5
    counts = tabulated * AREA * WAVES / PHOTON * efficiency * 120.0 * 1.25 * absorbed
    return StarSpectrum(WAVES, counts, np.sqrt(counts) / 50.0)


def test_a_constant_efficiency_comes_back():
    curve = sensitivity(spectrum(), STAR, EXTINCTION, SEEN)
    response, absorption, _ = response_of(curve, REGIONS, "ppoly", SEEN, "bridge")
    inside = (response.wavelength > 4750) & (response.wavelength < 9350)
    # a straight line leads to the end of the last region
    np.testing.assert_allclose(response.throughput[inside], 0.25, rtol=2e-3)
    np.testing.assert_allclose(response.throughput[inside & (response.wavelength < 8900)], 0.25, rtol=2e-4)
    assert response.wavelength[[0, -1]].tolist() == [4150.0, 9800.0] and response.wavelength.size == WAVES.size + 200
    assert np.abs(absorption.transmission - 1.0).max() < 1e-3
    assert band_throughputs(response)[7000.0] == pytest.approx(0.25, rel=1e-3)
    assert response.mode == "WFM-NOAO-N" and response.flat_corrected


def test_telluric_bands_are_bridged_and_measured():
    curve = sensitivity(spectrum(band=BAND), STAR, EXTINCTION, SEEN)
    response, absorption, _ = response_of(curve, REGIONS, "none", SEEN, "bridge")
    inside = (response.wavelength > 4750) & (response.wavelength < 9350)
    np.testing.assert_allclose(response.throughput[inside], 0.25, rtol=2e-3)
    found = np.interp(WAVES, absorption.wavelength, absorption.transmission)
    regions = ((WAVES > 6862) & (WAVES < 6968)) | ((WAVES > 8930) & (WAVES < 9349))
    np.testing.assert_allclose(found[regions], (1.0 - BAND)[regions], atol=2e-3)
    assert absorption.transmission.max() == 1.0
    assert absorption.error.min() == 1e-4 and absorption.error.max() == 0.1
    # beside the bands, and beyond the last wavelength, there is no absorption
    assert absorption.transmission[[0, -1]].tolist() == [1.0, 1.0] and absorption.wavelength[-1] == 9351.25


def test_errors_are_of_counts_and_table():
    curve = sensitivity(spectrum(), STAR, EXTINCTION, SEEN)
    at_node = np.isclose(curve.wavelength % 5.0, 0.0)
    np.testing.assert_allclose(curve.errors[at_node], 2.5 / np.log(10) * 0.02, rtol=5e-3)
    between = np.isclose(curve.wavelength % 5.0, 2.5)
    np.testing.assert_allclose(curve.errors[between], 2.5 / np.log(10) * 0.02 / np.sqrt(2), rtol=1e-2)


def test_wavelengths_without_flux_and_below_the_mode_are_left_out():
    given = spectrum()
    flux = given.flux.copy()
    flux[100:105], flux[200] = np.nan, -1.0
    curve = sensitivity(replace(given, flux=flux), STAR, EXTINCTION, SEEN)
    assert curve.wavelength.size == WAVES.size - 6
    early = replace(given, wavelength=WAVES - 100.0)
    assert sensitivity(early, STAR, EXTINCTION, SEEN).wavelength[0] == 4750.0
    assert sensitivity(early, STAR, EXTINCTION, replace(SEEN, mode="WFM-NOAO-E")).wavelength[0] == 4650.0


def test_outliers_of_the_background_are_left_out():
    curve = sensitivity(spectrum(), STAR, EXTINCTION, SEEN)
    values = curve.values + 1e-3 * np.random.default_rng(1).normal(size=curve.values.size)
    place = int(np.argmin(np.abs(curve.wavelength - 6850.0)))
    values[place] += 0.1
    bridged, kept = without_tellurics(replace(curve, values=values), REGIONS)
    assert not kept[place] and bridged.wavelength.size < curve.wavelength.size
    found = telluric(replace(curve, values=values), bridged, REGIONS, SEEN)
    assert not np.isin(curve.wavelength[place], found.wavelength)


def test_lines_continue_the_ends():
    curve = Curve(WAVES, 41.0 + 1e-4 * (WAVES - 7000), np.full(WAVES.size, 0.02))
    found = extrapolated(curve)
    np.testing.assert_allclose(found.values, 41.0 + 1e-4 * (found.wavelength - 7000), atol=1e-9)
    assert (np.diff(found.wavelength) > 0).all()
    assert found.errors[0] == pytest.approx(0.02 * (1 + 0.04 * 600))
    assert found.errors[-1] == pytest.approx(0.02 * (1 + 0.04 * 450))


@pytest.mark.parametrize("how", ["median", "ppoly"])
def test_the_notch_is_not_smoothed(how):
    rng = np.random.default_rng(1)
    curve = Curve(WAVES, 41.0 + 0.01 * rng.normal(size=WAVES.size), np.full(WAVES.size, 0.02))
    notch = (WAVES > 5805.0) & (WAVES < 5966.25)
    values = np.where(notch, 30.0 + rng.normal(size=WAVES.size), curve.values)
    found = smoothed(replace(curve, values=values), how, "WFM-AO-N")
    np.testing.assert_array_equal(found.values[notch], values[notch])
    assert found.values[~notch].std() < 0.005 and np.abs(found.values[~notch] - 41.0).max() < 0.03
    none = smoothed(curve, "none", "WFM-AO-N")
    np.testing.assert_array_equal(none.values, curve.values)


def test_what_is_refused():
    short = replace(STAR, wavelength=GRID[:500], flux=STAR.flux[:500], flux_error=STAR.flux_error[:500])
    with pytest.raises(MusedeepError, match="fluxes of star A reach from 4500 to 6995 Angstrom, the data from 4750"):
        sensitivity(spectrum(), short, EXTINCTION, SEEN)
    table = ExtinctionTable("short.fits", np.array([5000.0, 9000.0]), np.array([0.2, 0.1]))
    with pytest.raises(MusedeepError, match=r"short\.fits: reaches from 5000 to 9000"):
        sensitivity(spectrum(), STAR, table, SEEN)
    dark = StarSpectrum(WAVES, np.zeros(WAVES.size), np.ones(WAVES.size))
    with pytest.raises(MusedeepError, match="the star's flux is positive at 0 of 3681 wavelengths"):
        sensitivity(dark, STAR, EXTINCTION, SEEN)
