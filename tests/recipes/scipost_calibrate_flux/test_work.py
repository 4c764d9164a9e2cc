"""muse_scipost_calibrate_flux on small pixel tables."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.extinction import extinction_hdus
from musedeep.storage.calibrations.response import FLAT_CORRECTED, Response, response_hdu
from tests.makers.field_tables import write_field_table
from tests.makers.step_runs import by_origin, product, refused, run_recipe

RECIPE = "muse_scipost_calibrate_flux"
GRID = np.arange(4150.0, 9801.25, 1.25)


def frames(directory, *tables, mode="WFM-NOAO-N", flat_corrected=True, reach=10000.0, level=38.0):
    """Set-of-frames of pixel tables with a response of constant magnitude."""
    header = fits.Header([("HIERARCH ESO INS MODE", mode), (f"HIERARCH {FLAT_CORRECTED}", flat_corrected)])
    curve = np.full(GRID.size, level)
    table = response_hdu(Response(GRID, curve, np.full(GRID.size, 0.01)))
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(directory / "response.fits")
    extinction_hdus(np.array([4000.0, reach]), np.array([0.0, 0.0])).writeto(directory / "extinction.fits")
    named = [(directory / "response.fits", "STD_RESPONSE"), (directory / "extinction.fits", "EXTINCT_TABLE")]
    return [*((path, "PIXTABLE_OBJECT") for path in tables), *named]


@pytest.mark.parametrize("flat_corrected", [True, False])
def test_the_lamp_is_put_back_where_the_response_has_it(tmp_path, flat_corrected):
    before = by_origin(*(write_field_table(tmp_path / f"t-{k:02d}.fits", ifu=k) for k in (3, 12)))
    tables = [tmp_path / f"t-{k:02d}.fits" for k in (3, 12)]
    status, made = run_recipe(RECIPE, tmp_path / "out", frames(tmp_path, *tables, flat_corrected=flat_corrected))
    assert status == 0
    header, rows, units = product(made)
    factor = 1e20 * 10.0 ** (-0.4 * 38.0) / (600.0 * 1.25)
    if flat_corrected:
        factor = factor * (1.575 - ((before["lambda"].astype(np.float64) - 7000.0) / 3000.0) ** 2)
    assert rows["data"] == pytest.approx(before["data"] * factor, rel=1e-4)
    assert header["ESO DRS MUSE PIXTABLE FLUXCAL"] is True
    assert header.get("ESO DRS MUSE PIXTABLE FFCORR") == (2 if flat_corrected else None)
    assert units["data"] == "10**(-20)*erg/s/cm**2/Angstrom"
    assert header["ESO PRO REC2 CAL1 CATG"] == "EXTINCT_TABLE"


@pytest.mark.parametrize(
    ("changed", "given", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True}, {}, "its fluxes are calibrated already"),
        ({}, {"mode": "WFM-AO-N"}, "the STD_RESPONSE is for WFM-AO-N"),
        ({}, {"level": -1.0}, "response is -1 at 4150 Angstrom"),
        ({}, {"level": np.nan}, "response is nan at 4150 Angstrom"),
        ({}, {"reach": 9000.0}, "reaches from 4000 to 9000 Angstrom"),
        ({"ESO_DRS_MUSE_PIXTABLE_FFCORR": 2}, {"flat_corrected": False}, "made without the flat-field spectrum"),
        ({"LST": None}, {}, "keyword LST is missing"),
    ],
)
def test_bad_input(tmp_path, caplog, changed, given, words):
    write_field_table(tmp_path / "t.fits", **changed)
    refused(RECIPE, tmp_path / "out", frames(tmp_path, tmp_path / "t.fits", **given), words, caplog)


def test_a_table_without_the_spectrum_of_its_flat(tmp_path, caplog):
    write_field_table(tmp_path / "t.fits")
    with fits.open(tmp_path / "t.fits", mode="update") as hdus:
        del hdus["PIXTABLE_FLAT_FIELD"]
    refused(RECIPE, tmp_path / "out", frames(tmp_path, tmp_path / "t.fits"), "the data are without it", caplog)
