"""Primary headers of the products of one exposure."""

from astropy.io import fits

from musedeep.recipes.scipost_correct_rv.recipe import RECIPE
from musedeep.reduction.headers.exposure import exposure_header
from tests.makers.field_tables import field_header


def test_what_is_kept_and_what_is_new(tmp_path):
    fits.PrimaryHDU(header=fits.Header([("DATAMD5", "abc")])).writeto(tmp_path / "wcs.fits")
    first = field_header(PIPEFILE="old.fits", DATAMD5="old", ESO_DPR_CATG="SCIENCE")
    frames = {"PIXTABLE_OBJECT": ["a/t-01.fits", "a/t-02.fits"]}
    parameters = RECIPE.parse({"rvcorr": "helio"})
    extra = [("SPECSYS", "HELIOCEN", ""), ("ESO DRS MUSE PIXTABLE RVCORR", -3.0, "")]
    header = exposure_header(RECIPE, first, "PIXTABLE_REDUCED", "new.fits", frames, parameters, extra)
    assert header["PIPEFILE"] == "new.fits"
    assert header["DATAMD5"] == "0" * 32
    assert header["ESO PRO ANCESTOR"] == first["ARCFILE"]
    assert (header["ESO PRO REC1 ID"], header["ESO PRO REC2 ID"]) == ("muse_scibasic", "muse_scipost_correct_rv")
    assert [header[f"ESO PRO REC2 RAW{k} NAME"] for k in (1, 2)] == ["t-01.fits", "t-02.fits"]
    assert (header["ESO PRO REC2 PARAM3 NAME"], header["ESO PRO REC2 PARAM3 VALUE"]) == ("rvcorr", "helio")
    assert header["SPECSYS"] == "HELIOCEN"
    assert not any(key.startswith(("ESO QC", "ESO DPR")) for key in header)
    # groups in the order of the reference
    keys = [key.split()[1] for key in header if key.startswith("ESO ")]
    assert [key for k, key in enumerate(keys) if key not in keys[:k]] == ["TEL", "INS", "PRO", "DRS"]


def test_calibrations_have_their_checksums(tmp_path):
    from musedeep.recipes.scipost_apply_astrometry.recipe import RECIPE as PLACE

    fits.PrimaryHDU(header=fits.Header([("DATAMD5", "abc")])).writeto(tmp_path / "wcs.fits")
    frames = {"PIXTABLE_OBJECT": ["t.fits"], "ASTROMETRY_WCS": [str(tmp_path / "wcs.fits")]}
    header = exposure_header(PLACE, field_header(), "PIXTABLE_REDUCED", "new.fits", frames, PLACE.parse({}))
    assert header["ESO PRO REC2 CAL1 CATG"] == "ASTROMETRY_WCS"
    assert header["ESO PRO REC2 CAL1 DATAMD5"] == "abc"
