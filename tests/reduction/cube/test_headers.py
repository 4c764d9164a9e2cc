import warnings
from types import SimpleNamespace

import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.recipes.bias import master as bias
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.recipes.scibasic import ifus as scibasic
from musedeep.reduction.cube.headers import pixel_table_cards, product_header, slice_offset_cards
from musedeep.reduction.headers.cards import recipe_cards


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
    texts = {"filter": "white," * 30}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = product_header(
            RECIPE, first, job(exposure(1), exposure(2)), "DATACUBE_FINAL", "DATACUBE_FINAL.fits", texts,
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
    assert header.comments["ESO PRO REC3 PARAM1 VALUE"] == "Default: 'cube'"
    assert header["ESO PRO ANCESTOR"] == first["ARCFILE"]
    assert header["ESO DRS MUSE FLUX FFCORR"] is True
    assert header["ESO PRO DATANCOM"] == 2
    assert list(header["HISTORY"]) == ["one", "two"]
    keys = [k for k in header if k.startswith("ESO")]
    groups = list(dict.fromkeys(k.split()[1] for k in keys))
    assert groups == ["OBS", "INS", "PRO", "OCS", "DRS"]


def test_offsets_and_scales_of_all_exposures(first):
    header = product_header(
        RECIPE,
        first,
        job(exposure(1), exposure(2, (0.3 / 3600, 0.0), 1.1)),
        "DATACUBE_FINAL",
        "DATACUBE_FINAL.fits",
        {},
    )
    assert header["ESO DRS MUSE OFFSET1 DRA"] == 0
    assert header["ESO DRS MUSE OFFSET2 DRA"] == pytest.approx(0.3 / 3600, rel=1e-14)
    assert header["ESO DRS MUSE FLUX SCALE1"] == 1
    assert header["ESO DRS MUSE FLUX SCALE2"] == 1.1


def test_field_image(first):
    extra = [("ESO DRS MUSE FILTER NAME", "white", "filter name used")]
    header = product_header(RECIPE, first, job(exposure(1)), "IMAGE_FOV", "IMAGE_FOV_0001.fits", {}, extra)
    assert "SPECSYS" not in header
    assert header["ESO DRS MUSE FILTER NAME"] == "white"
    header["OBJECT"] = "field (white)"
    assert first["OBJECT"] == "field"


def test_combined_pixel_table(first):
    extra = [*slice_offset_cards([first, first]), *pixel_table_cards([10, 20])]
    header = product_header(
        RECIPE, first, job(exposure(1), exposure(2)), "PIXTABLE_COMBINED", "PIXTABLE_COMBINED.fits", {}, extra, True
    )
    assert header["CTYPE1"] == "RA---TAN"
    assert header["ESO DRS MUSE PIXTABLE WCS"] == "positioned (final)"
    assert header["ESO DRS MUSE PIXTABLE EXP2 FIRST"] == 10
    assert header["ESO DRS MUSE PIXTABLE EXP2 LAST"] == 29
    assert header["ESO DRS MUSE PIXTABLE EXP2 IFU01 SLICE01 XOFFSET"] == -3
    assert header["ESO DRS MUSE PIXTABLE COMBINED"] == 2


def recorded(cards):
    """The parameters of recipe_cards, with the comments of their values; the record is REC4."""
    found = {key: (value, comment) for key, value, comment in cards}
    names = [key for key in found if key.endswith(" NAME") and " PARAM" in key]
    assert names == [f"ESO PRO REC4 PARAM{i} NAME" for i in range(1, len(names) + 1)]
    return [(found[key][0], *found[key.replace("NAME", "VALUE")]) for key in names]


def test_all_parameters_as_the_reference_writes_them():
    given = {"crsigma": "3.14159265358979", "rc": "1e-5", "filter": "white, Johnson_V", "ld": 2, "save": ["combined"]}
    assert recorded(recipe_cards(RECIPE, 4, [], [], given)) == [
        ("save", "combined", "Default: 'cube'"), ("resample", "drizzle", "Default: 'drizzle'"),
        ("dx", "0", "Default: 0"), ("dy", "0", "Default: 0"), ("dlambda", "0", "Default: 0"),
        ("crtype", "median", "Default: 'median'"), ("crsigma", "3.14159", "Default: 10"),
        ("rc", "1e-05", "Default: 1.25"), ("pixfrac", "0.6,0.6", "Default: '0.6,0.6'"), ("ld", "2", "Default: 1"),
        ("format", "Cube", "Default: 'Cube'"), ("weight", "exptime", "Default: 'exptime'"),
        ("filter", "white, Johnson_V", "Default: 'white'"), ("lambdamin", "4000", "Default: 4000"),
        ("lambdamax", "10000", "Default: 10000"),
    ]  # fmt: skip
    assert ("merge", "true", "Default: false") in recorded(recipe_cards(bias.RECIPE, 4, [], [], {"merge": "true"}))


def test_own_parameters_follow_where_they_make_a_difference():
    def names(recipe, given):
        return [name for name, _, _ in recorded(recipe_cards(recipe, 4, [], [], given))]

    assert "rejection" not in names(RECIPE, {"rejection": "reference"})
    assert names(RECIPE, {"rejection": "stars"}) == [*names(RECIPE, {}), "rejection"]
    assert names(scibasic.RECIPE, {}) == [*names(scibasic.RECIPE, {"skyneighbours": False}), "skyneighbours"]


def test_record_names_the_recipe_that_is_given():
    """No recipe is assumed: leaving it out is an error, for the type checker too."""
    for recipe in (RECIPE, bias.RECIPE, scibasic.RECIPE):
        assert recipe_cards(recipe, 2, [], [], {})[0][:2] == ("ESO PRO REC2 ID", recipe.name)
    with pytest.raises(TypeError):
        recipe_cards(number=2, files=[], calibrations=[], parameters={})
    with pytest.raises(MusedeepError, match="muse_bias: no parameter 'crsigma'"):
        recipe_cards(bias.RECIPE, 2, [], [], {"crsigma": 3})
