"""The correction of the refraction, against the refraction of the simulator."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.instrument import SPAXEL_WFM
from musedeep.reduction.correct.refraction import correct_refraction, refraction
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.pointing import Pointing, field_to_sky
from tests.makers.field_tables import field_rows, observation

WAVELENGTH = np.linspace(4750.0, 9350.0, 500)


def atmosphere(seen):
    return Atmosphere(
        airmass=seen.airmass, temperature_c=seen.temperature, humidity_percent=seen.humidity, pressure_hpa=seen.pressure
    )


@pytest.mark.parametrize("hour_angle", [0.1, 1.5, 2.5, 3.0, 3.6])
def test_size_of_the_refraction(hour_angle):
    """Within a hundredth of an arcsec up to airmass 1.8, over the whole range of wavelengths."""
    seen = observation(hour_angle=hour_angle)
    true = atmosphere(seen).refraction(WAVELENGTH)
    assert seen.airmass < 1.9
    assert np.abs(refraction(WAVELENGTH, seen, 7000.0) - true).max() < 0.001
    assert refraction(np.array(7000.0), seen, 7000.0) == 0.0


@pytest.mark.parametrize("angle", [0.0, 33.0, 180.0, -75.0])
def test_light_of_one_place_comes_together(angle):
    """What the simulator's sky sends from one place to places that differ by wavelength."""
    seen = observation(hour_angle=3.3, ESO_INS_DROT_POSANG=angle)
    rows = field_rows()
    there = Pointing(
        (0.0, 0.0),
        (0.0, 0.0),
        field_to_sky(angle, ideal=True),
        np.radians(seen.parallactic_angle),
        0.0,
        atmosphere(seen),
    )
    before = there.sky(rows["xpos"] * SPAXEL_WFM, rows["ypos"] * SPAXEL_WFM, rows["lambda"])
    (correction,) = correct_refraction(seen, 7000.0)
    correction.apply(rows)
    after = there.sky(rows["xpos"] * SPAXEL_WFM, rows["ypos"] * SPAXEL_WFM, np.full(rows["xpos"].size, 7000.0))
    assert max(np.hypot(a - b, 0.0).max() for a, b in zip(before, after, strict=True)) < 0.002


def test_what_the_header_says():
    cards = {key.removeprefix("ESO DRS MUSE PIXTABLE "): value for key, value, _ in
             correct_refraction(observation(), 6500.0)[0].cards()}  # fmt: skip
    assert cards["DAR CORRECT"] == 6500.0
    assert [cards[f"PREDAR LIMITS {end}"] for end in ("XLO", "XHI", "YLO", "YHI")] == [-150.0, 151.0, -140.0, 120.0]


def test_switched_off():
    (correction,) = correct_refraction(observation(), -1.0)
    assert correction.changes == ()
    assert correction.cards() == [("ESO DRS MUSE PIXTABLE DAR CORRECT", -1.0, "skipped DAR correction!")]


def test_the_narrow_field_has_its_own_corrector():
    assert correct_refraction(observation(ESO_INS_MODE="NFM-AO-N"), 7000.0) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7000.0}, "refraction is corrected already .*DAR CORRECT is 7000.0"),
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, "positions are projected"),
        ({"LST": None}, "LST is missing"),
        ({"ESO_TEL_AMBI_TEMP": None}, "TEMP is missing"),
        ({"ESO_DRS_MUSE_PIXTABLE_LIMITS_X_LOW": None}, "LIMITS X LOW is missing"),
    ],
)
def test_never_twice_nor_without_what_it_needs(changed, words):
    with pytest.raises(MusedeepError, match=words):
        correct_refraction(observation(**changed), 7000.0)


def test_a_table_that_was_left_as_it_is_can_be_corrected():
    assert correct_refraction(observation(ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT=-1.0), 7000.0)
