"""Flux calibration: what a known instrument has counted becomes the flux again."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION, FLUX_UNIT
from musedeep.reduction.correct.flux import calibrate_flux
from musedeep.storage.calibrations.extinction import ExtinctionTable
from musedeep.storage.calibrations.response import Response, Telluric
from tests.makers.field_tables import field_rows, observation

LIMITS = (4750.0, 9350.0)
GRID = np.arange(4150.0, 9801.25, 1.25)
EXTINCTION = ExtinctionTable("extinct.fits", np.array([4000.0, 6000.0, 10000.0]), np.array([0.30, 0.12, 0.02]))
BAND = np.arange(7590.0, 7710.0, 1.25)
TELLURIC = Telluric(BAND, 1.0 - 0.6 * np.sin(np.pi * (BAND - 7590.0) / 120.0) ** 2, np.full(BAND.size, 0.01))


def response(**changed):
    made = {"wavelength": GRID, "response": 38.0 + 3.0 * np.sin(GRID / 2000.0), "error": np.full(GRID.size, 0.02)}
    return Response(**(made | changed))


def calibrated(seen, **changed):
    given = {"response": response(), "extinction": EXTINCTION, "telluric": TELLURIC, "corrected_for_lamp": False}
    return calibrate_flux(seen, **(given | changed), wavelengths=LIMITS)


def test_counts_become_the_flux_that_made_them():
    seen = observation()
    rows = field_rows()
    w = rows["lambda"].astype(np.float64)
    flux = 1000.0 * (w / 7000.0) ** -2
    magnitudes = np.interp(w, GRID, response().response)
    air = 10.0 ** (-0.4 * seen.airmass * np.interp(w, EXTINCTION.wavelength, EXTINCTION.magnitudes))
    air *= np.interp(w, BAND, TELLURIC.transmission, left=1.0, right=1.0) ** seen.airmass
    counts = flux * 1e-20 * 10.0 ** (0.4 * magnitudes) * air * seen.exptime * DISPERSION
    rows["data"], rows["stat"] = counts.astype(np.float32), counts.astype(np.float32)
    before = rows["stat"].astype(np.float64)
    (correction,) = calibrated(seen)
    correction.apply(rows)
    # between the nodes of the response T**-X is interpolated, not T
    outside = (w < 7588.0) | (w > 7712.0)
    assert rows["data"][outside] == pytest.approx(flux[outside], rel=3e-6)
    assert rows["data"] == pytest.approx(flux, rel=3e-3)
    # every error is that of the counts, of the response and of the extinction
    relative = (rows["stat"] / rows["data"].astype(np.float64) ** 2)[outside]
    least = before[outside] / counts[outside] ** 2 + 0.016**2 + 0.5 * (0.4 * np.log(10.0) * 0.02) ** 2
    assert (relative > 0.99 * least).all()
    assert (relative < least + 0.51 * (0.4 * np.log(10.0) * 0.02) ** 2).all()
    assert correction.units["data"] == FLUX_UNIT
    assert correction.cards() == [("ESO DRS MUSE PIXTABLE FLUXCAL", True, "Pixel table was flux-calibrated")]


def test_without_telluric_correction_the_bands_stay():
    rows = field_rows()
    other = {name: values.copy() for name, values in rows.items()}
    seen = observation()
    calibrated(seen)[0].apply(rows)
    calibrated(seen, telluric=None)[0].apply(other)
    w = rows["lambda"]
    in_band = (w > 7600) & (w < 7700)
    assert (rows["data"][in_band] > other["data"][in_band]).all()
    assert np.array_equal(rows["data"][~in_band & (w < 7588)], other["data"][~in_band & (w < 7588)])


@pytest.mark.parametrize(
    ("changed", "given", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True}, {}, "fluxes are calibrated already"),
        ({}, {"response": response(mode="WFM-AO-N")}, "MODE is WFM-NOAO-N, the STD_RESPONSE is for WFM-AO-N"),
        ({}, {"response": response(flat_corrected=True)}, "was made with the flat-field spectrum"),
        ({}, {"corrected_for_lamp": True}, "was made without the flat-field spectrum"),
        ({}, {"response": Response(GRID[800:], GRID[800:] / 200, GRID[800:] / 1e5)}, "the STD_RESPONSE from 5150 to"),
        ({}, {"extinction": ExtinctionTable("short.fits", np.array([4000.0, 9000.0]), np.array([0.3, 0.1]))},
         "short.fits: reaches from 4000 to 9000 Angstrom, the data"),
        ({}, {"telluric": Telluric(BAND, BAND / BAND, BAND / 1e6, mode="WFM-AO-E")}, "STD_TELLURIC is for WFM-AO-E"),
        ({"EXPTIME": 0.0}, {}, "EXPTIME is 0"),
        ({"LST": None}, {}, "LST is missing"),
    ],
)  # fmt: skip
def test_never_twice_nor_with_what_does_not_fit(changed, given, words):
    with pytest.raises(MusedeepError, match=words) as error:
        calibrated(observation(**changed), **given)
    assert "\n" not in str(error.value)
