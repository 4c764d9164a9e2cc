"""muse_scipost_apply_astrometry on small pixel tables."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.kernels.rows.projection import relative_positions
from musedeep.storage.calibrations.astrometry_wcs import AstrometryWcs, write_astrometry_wcs
from tests.makers.field_tables import write_field_table
from tests.makers.step_runs import by_origin, product, refused, run_recipe

RECIPE = "muse_scipost_apply_astrometry"


def solution(path, mode="WFM-NOAO-N"):
    matrix = np.array([[-5.548e-5, -2.2e-8], [8.0e-8, 5.501e-5]])
    columns = ("XPOS", "YPOS", "XERR", "YERR", "FLUX", "XFWHM", "YFWHM", "RA", "DEC")
    wcs = AstrometryWcs(matrix, np.array([-0.01, -1.2]), np.array([31.2, -45.1]), np.full(2, 1e-6), mode,
                        {name: np.zeros(1) for name in columns})  # fmt: skip
    # RA and DEC of the astrometric field are no business of the science exposure
    write_astrometry_wcs(path, fits.Header([("HIERARCH ESO INS MODE", mode), ("RA", 31.2), ("DEC", -45.1)]), wcs)
    return path, "ASTROMETRY_WCS"


@pytest.mark.parametrize("solved", [True, False])
def test_places_on_the_sky(tmp_path, solved):
    before = by_origin(*(write_field_table(tmp_path / f"t-{k:02d}.fits", ifu=k) for k in (3, 12)))
    frames = [(tmp_path / f"t-{k:02d}.fits", "PIXTABLE_OBJECT") for k in (3, 12)]
    frames += [solution(tmp_path / "wcs.fits")] if solved else []
    status, made = run_recipe(RECIPE, tmp_path / "out", frames)
    assert status == 0
    header, rows, units = product(made)
    assert (units["xpos"], units["ypos"]) == ("rad", "rad")
    assert header["ESO DRS MUSE PIXTABLE WCS"] == "projected (intermediate)"
    assert (header["DEC"], header["ESO PRO ANCESTOR"]) == (-27.78, "MUSE.2014-12-10T03:07:12.000.fits")
    sky = fits.Header([(k, header[k]) for k in header if k[:2] in ("CD", "CR", "CT", "CU")])
    sky["CRVAL1"], sky["CRVAL2"] = header["RA"], header["DEC"]
    ra, dec = WCS(sky).all_pix2world(before["xpos"], before["ypos"], 1)
    found = np.empty((2, ra.size), np.float32)
    relative_positions(rows["xpos"], rows["ypos"], np.radians(header["DEC"]), 0.0, 0.0, *found)
    assert np.abs(found - [ra - header["RA"], dec - header["DEC"]]).max() * 3600.0 < 1e-4


def test_middle_of_the_field_is_that_of_all_ifus(tmp_path):
    """Also where the refraction was corrected IFU by IFU, as the reference's step does it."""
    frames = []
    for ifu in (3, 12):
        write_field_table(tmp_path / f"t-{ifu:02d}.fits", ifu=ifu)
        status, made = run_recipe("muse_scipost_correct_dar", tmp_path / f"dar-{ifu}",
                                  [(tmp_path / f"t-{ifu:02d}.fits", "PIXTABLE_OBJECT")])  # fmt: skip
        assert status == 0
        frames.append((made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT"))
    status, made = run_recipe(RECIPE, tmp_path / "out", frames)
    assert status == 0
    # IFU 3 is centred on y = -114, IFU 12 on -6, each is 12 high
    assert product(made)[0]["CRPIX2"] == pytest.approx(-60.0, abs=0.1)


@pytest.mark.parametrize(
    ("changed", "mode", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, "WFM-NOAO-N", "it is placed already"),
        ({}, "NFM-AO-N", "the ASTROMETRY_WCS is for NFM-AO-N"),
        ({"ESO_INS_DROT_POSANG": None}, "WFM-NOAO-N", "keyword ESO INS DROT POSANG is missing"),
    ],
)
def test_bad_input(tmp_path, caplog, changed, mode, words):
    write_field_table(tmp_path / "t.fits", **changed)
    frames = [(tmp_path / "t.fits", "PIXTABLE_OBJECT"), solution(tmp_path / "wcs.fits", mode)]
    refused(RECIPE, tmp_path / "out", frames, words, caplog)
