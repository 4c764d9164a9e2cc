"""The power of the telluric transmission, with and without the precipitable water of star and exposure."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.reduction.correct.water import absorption_powers
from musedeep.statics.absorption import optical_depth
from musedeep.statics.telluric import telluric_transmission
from musedeep.storage.calibrations.response import Telluric
from tests.makers.field_tables import observation

WAVES = np.arange(6500.0, 9350.0, 1.25)
STAR = Telluric(WAVES, np.exp(-optical_depth(WAVES, 1.7, 1.6) / 1.7), np.full(WAVES.size, 0.01), airmass=1.7, water=1.6)
WATER = {"ESO_TEL_AMBI_IWV_START": 2.8, "ESO_TEL_AMBI_IWV_END": 3.2}


def test_the_model_scales_its_own_transmission():
    seen = observation(**WATER)
    powers = absorption_powers(STAR, seen, True)
    expected = np.exp(-optical_depth(WAVES, seen.airmass, 3.0))
    np.testing.assert_allclose(STAR.transmission**powers, expected, rtol=1e-12)
    clear = optical_depth(WAVES, 1.0, 1.0) == 0.0
    assert clear.any() and (powers[clear] == seen.airmass).all()


def test_the_light_of_the_simulator_comes_back():
    # its cross-sections are others; means over 20 Angstrom
    seen = observation(**WATER)
    fine = np.arange(6500.0, 9350.0, 0.1)
    star, exposure = (
        telluric_transmission(fine, airmass, water)[: fine.size // 200 * 200].reshape(-1, 200).mean(1)
        for airmass, water in ((1.7, 1.6), (seen.airmass, 3.0))
    )
    places = fine[: fine.size // 200 * 200].reshape(-1, 200).mean(1)
    given = Telluric(places, star ** (1 / 1.7), np.full(places.size, 0.01), airmass=1.7, water=1.6)
    scaled, airmass = (
        given.transmission ** absorption_powers(given, seen, water) / exposure for water in (True, False)
    )
    bands = (places > 8930.0) & (places < 9300.0)
    assert np.abs(scaled - 1.0)[bands].max() < 0.01
    assert np.abs(airmass - 1.0)[bands].max() > 0.03


@pytest.mark.parametrize(
    ("telluric", "cards", "water"),
    [(STAR, WATER, False), (STAR, {}, True), (replace(STAR, water=None), WATER, True),
     (replace(STAR, airmass=None), WATER, True), (STAR, dict.fromkeys(WATER, 0.0), True)],
)  # fmt: skip
def test_without_the_water_of_both_it_is_the_airmass(telluric, cards, water):
    seen = observation(**cards)
    np.testing.assert_array_equal(absorption_powers(telluric, seen, water), seen.airmass)
