"""The night sky."""

import numpy as np
import pytest

from musedeep.instrument import COLLECTING_AREA
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.sky import glowing_path, line_factors, sky_components, sky_continuum
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.templates import flux_of_magnitude

ZENITH = Atmosphere(airmass=1.0)


def test_a_dark_night_has_the_brightness_of_paranal() -> None:
    # Patat 2008 (A&A 481, 575): V = 21.6, of which the lines have their part
    continuum = np.interp(5500.0, FINE, sky_continuum())
    magnitude = -2.5 * np.log10(continuum / flux_of_magnitude(0.0))
    assert 21.4 < magnitude < 22.1


def test_photons_of_the_sky_are_those_counted_by_hand() -> None:
    (sky,) = sky_components(ZENITH)
    flux, rate = (np.interp(5500.0, FINE, continuum) for continuum in (sky_continuum(), sky.spectrum.continuum))
    assert rate == pytest.approx(flux * 5500.0 * 5.03412e7 * COLLECTING_AREA, rel=1e-3)
    assert 0.7 < rate < 1.5


def test_bright_lines_are_there() -> None:
    (sky,) = sky_components(ZENITH)
    lines = sky.spectrum
    for wavelength, name in ((5577.34, "OI"), (6300.30, "OI"), (5889.95, "Na"), (8885.85, "OH")):
        near = np.abs(lines.line_wavelength - wavelength) < 0.5
        assert lines.line_flux[near].sum() > 10.0, name
    assert np.all(lines.line_flux > 0.0)


def test_factors_scale_their_group_alone() -> None:
    one, drawn = sky_components(ZENITH)[0].spectrum, sky_components(ZENITH, seed=7)[0].spectrum
    changed = drawn.line_flux / one.line_flux
    green = np.abs(one.line_wavelength - 5577.339) < 0.01
    factors = line_factors(7)
    assert changed[green] == pytest.approx([factors[0]])
    assert np.all(np.abs(changed[~green] / factors[0] - 1.0) > 1e-6)
    np.testing.assert_array_equal(one.continuum, drawn.continuum)


def test_groups_vary_with_the_seed_and_hydroxyl_together() -> None:
    assert line_factors(7) == line_factors(7) != line_factors(8)
    many = np.array([list(line_factors(seed).values()) for seed in range(300)])
    scatter = np.std(np.log(many), axis=0)
    assert np.all((scatter > 0.1) & (scatter < 0.4))
    logarithms = np.log(many)
    assert np.corrcoef(logarithms[:, 2], logarithms[:, 3])[0, 1] > 0.8
    assert abs(np.corrcoef(logarithms[:, 0], logarithms[:, 2])[0, 1]) < 0.3


def test_brightness_and_clouds_scale_everything() -> None:
    sky = sky_components(ZENITH)[0].spectrum
    other = sky_components(Atmosphere(transparency=0.5), brightness=3.0)[0].spectrum
    np.testing.assert_allclose(other.continuum, 1.5 * sky.continuum)
    np.testing.assert_allclose(other.line_flux, 1.5 * sky.line_flux)


def test_airglow_grows_towards_the_horizon() -> None:
    assert glowing_path(1.0) == 1.0
    # z = 60 degrees: van Rhijn's factor of a layer at 90 km is 1.94
    assert glowing_path(2.0) == pytest.approx(1.94, abs=0.02)
