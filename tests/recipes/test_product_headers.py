import warnings
from types import SimpleNamespace

import pytest
from astropy.io import fits

from musedeep.recipes.product_headers import pixel_table_cards, product_header, slice_offset_cards


def exposure(number, offset=(0.0, 0.0), scale=1.0):
    return SimpleNamespace(
        paths=(f"/data/PIXTABLE_REDUCED_{number}.fits",),
        date_obs=f"2014-01-0{number}T03:00:00.000",
        offset=offset,
        flux_scale=scale,
    )


def job(*exposures):
    return SimpleNamespace(exposures=exposures)


@pytest.fixture
def first():
    header = fits.Header([("OBJECT", "field"), ("RA", 53.16), ("SPECSYS", "BARYCENT"), ("ORIGFILE", "x.fits")])
    header["ARCFILE"], header["CTYPE1"], header["BUNIT"] = "MUSE.2014-01-01T03:00:00.000.fits", "RA---TAN", "adu"
    header["HISTORY"] = "one"
    header["HISTORY"] = "two"
    for key, value in {
        "DRS MUSE PIXTABLE FFCORR": 2, "DRS MUSE PIXTABLE EXP0 IFU01 SLICE01 XOFFSET": -3, "DPR CATG": "SCIENCE",
        "QC SCIPOST NDET": 3, "PRO REC1 ID": "muse_scibasic", "PRO REC2 ID": "muse_scipost",
        "PRO CATG": "PIXTABLE_REDUCED",
        "INS MODE": "WFM-NOAO-N", "OBS ID": 1, "DRS MUSE OFFSET1 DRA": 7.0, "OCS SGS AG FWHMX MED": 0.7,
    }.items():  # fmt: skip
        header["HIERARCH ESO " + key] = value
    return header


def test_what_a_cube_inherits(first):
    texts = [("save", "cube"), ("filter", "white," * 30)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = product_header(
            first, job(exposure(1), exposure(2)), "DATACUBE_FINAL", "DATACUBE_FINAL.fits", texts,
            calibrations=[("filters.fits", "FILTER_LIST")],
        )  # fmt: skip
        header.tostring()
    for gone in ("ORIGFILE", "CTYPE1", "BUNIT", "ESO DPR CATG", "ESO QC SCIPOST NDET", "ESO DRS MUSE OFFSET1 DRA"):
        assert gone not in header
    assert not [k for k in header if "PIXTABLE" in k]
    assert header["SPECSYS"] == "BARYCENT"
    assert header["ESO PRO CATG"] == "DATACUBE_FINAL"
    assert header["ESO PRO REC2 ID"] == "muse_scipost"
    assert header["ESO PRO REC3 ID"] == "muse_exp_combine"
    assert header["ESO PRO REC3 PIPE ID"].startswith("musedeep/")
    assert header["ESO PRO REC3 RAW2 NAME"] == "PIXTABLE_REDUCED_2.fits"
    assert header["ESO PRO REC3 CAL1 CATG"] == "FILTER_LIST"
    assert header["ESO PRO REC3 PARAM1 VALUE"] == "cube"
    assert header.comments["ESO PRO REC3 PARAM1 VALUE"] == "Default: cube"
    assert header["ESO PRO ANCESTOR"] == first["ARCFILE"]
    assert header["ESO DRS MUSE FLUX FFCORR"] is True
    assert header["ESO PRO DATANCOM"] == 2
    assert list(header["HISTORY"]) == ["one", "two"]
    keys = [k for k in header if k.startswith("ESO")]
    groups = list(dict.fromkeys(k.split()[1] for k in keys))
    assert groups == ["OBS", "INS", "PRO", "OCS", "DRS"]


def test_offsets_and_scales_of_all_exposures(first):
    header = product_header(
        first, job(exposure(1), exposure(2, (0.3 / 3600, 0.0), 1.1)), "DATACUBE_FINAL", "DATACUBE_FINAL.fits", []
    )
    assert header["ESO DRS MUSE OFFSET1 DRA"] == 0
    assert header["ESO DRS MUSE OFFSET2 DRA"] == pytest.approx(0.3 / 3600, rel=1e-14)
    assert header["ESO DRS MUSE FLUX SCALE1"] == 1
    assert header["ESO DRS MUSE FLUX SCALE2"] == 1.1


def test_field_image(first):
    extra = [("ESO DRS MUSE FILTER NAME", "white", "filter name used")]
    header = product_header(first, job(exposure(1)), "IMAGE_FOV", "IMAGE_FOV_0001.fits", [], extra)
    assert "SPECSYS" not in header
    assert header["ESO DRS MUSE FILTER NAME"] == "white"
    header["OBJECT"] = "field (white)"
    assert first["OBJECT"] == "field"


def test_combined_pixel_table(first):
    extra = [*slice_offset_cards([first, first]), *pixel_table_cards([10, 20])]
    header = product_header(
        first, job(exposure(1), exposure(2)), "PIXTABLE_COMBINED", "PIXTABLE_COMBINED.fits", [], extra, True
    )
    assert header["CTYPE1"] == "RA---TAN"
    assert header["ESO DRS MUSE PIXTABLE WCS"] == "positioned (final)"
    assert header["ESO DRS MUSE PIXTABLE EXP2 FIRST"] == 10
    assert header["ESO DRS MUSE PIXTABLE EXP2 LAST"] == 29
    assert header["ESO DRS MUSE PIXTABLE EXP2 IFU01 SLICE01 XOFFSET"] == -3
    assert header["ESO DRS MUSE PIXTABLE COMBINED"] == 2
