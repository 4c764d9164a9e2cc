"""Cubes and combined tables of the steps of muse_scipost, against the reference on the same pixel tables of a night."""

import numpy as np
import pytest
from astropy.io import fits

from tests.makers.step_runs import run_recipe

pytestmark = [pytest.mark.reference, pytest.mark.modes]

RANGE = {"lambdamin": 7000, "lambdamax": 7100}


@pytest.fixture
def both(esorex_recipe, tmp_path):
    """Runs a recipe of both; returns their directory and ours."""

    def run(recipe, frames, **parameters):
        theirs = esorex_recipe(tmp_path / "theirs", recipe, frames, parameters)
        words = [f"--{name}={value}" for name, value in parameters.items()]
        status, ours = run_recipe(recipe, tmp_path / "ours", frames, *words, "--save-fits")
        assert status == 0
        return theirs, ours

    return run


def assert_same_cube(theirs, ours):
    """The same grid and NaN masks (99.9 %), and 99 % of the voxels within a tenth of their standard deviation."""
    with fits.open(theirs) as a, fits.open(ours) as b:
        assert a["DATA"].shape == b["DATA"].shape and a["DATA"].header["BUNIT"] == b["DATA"].header["BUNIT"]
        for key in ("CTYPE1", "CTYPE3", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CRVAL3", "CD1_1", "CD2_2", "CD3_3"):
            value = b["DATA"].header[key]
            assert a["DATA"].header[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6)), key
        data, other = a["DATA"].data, b["DATA"].data
        assert np.mean(np.isnan(data) == np.isnan(other)) > 0.999
        pull = np.abs(data - other) / np.sqrt(a["STAT"].data)
        assert np.nanpercentile(pull, 99) < 0.1


@pytest.mark.parametrize("kind", ["PIXTABLE_OBJECT_0001-01", "scipost-1/PIXTABLE_REDUCED_0001"])
def test_cube(night, both, kind):
    theirs, ours = both(
        "muse_scipost_make_cube", [(night.product(kind), "PIXTABLE_OBJECT")], stacked="true", **RANGE
    )  # fmt: skip
    assert_same_cube(theirs / "DATACUBE_FINAL.fits", ours / "DATACUBE_FINAL.fits")
    with fits.open(theirs / "IMAGE_FOV_0001.fits") as a, fits.open(ours / "IMAGE_FOV_0001.fits") as b:
        near = np.isclose(a[1].data, b[1].data, rtol=1e-3, atol=1e-2 * np.nanstd(a[1].data), equal_nan=True)
        assert near.mean() > 0.99
    with fits.open(theirs / "OBJECT_RESAMPLED.fits") as a, fits.open(ours / "OBJECT_RESAMPLED.fits") as b:
        assert a[1].shape == b[1].shape
        assert np.isclose(a[1].data, b[1].data, rtol=1e-3, atol=1e-2).mean() > 0.99


def test_exposures_combined(night, both):
    frames = [(night.product(f"scipost-{k}/PIXTABLE_REDUCED_0001"), "PIXTABLE_OBJECT") for k in (1, 2)]
    theirs, ours = both("muse_scipost_combine_pixtables", frames, **RANGE)
    with fits.open(theirs / "PIXTABLE_COMBINED.fits") as a, fits.open(ours / "PIXTABLE_COMBINED.fits") as b:
        assert a["xpos"].shape == b["xpos"].shape and a["xpos"].header["BUNIT"] == b["xpos"].header["BUNIT"]
        for name, within in (("origin", 0), ("dq", 0), ("data", 0), ("weight", 1e-6), ("xpos", 1e-8), ("ypos", 1e-8)):
            np.testing.assert_allclose(b[name].data, a[name].data, rtol=0, atol=within)
        for key in ("EXP2 FIRST", "EXP2 LAST", "COMBINED", "WCS", "WEIGHTED"):
            assert b[0].header[f"ESO DRS MUSE PIXTABLE {key}"] == a[0].header[f"ESO DRS MUSE PIXTABLE {key}"]
        low = "ESO DRS MUSE PIXTABLE LIMITS X LOW"
        assert b[0].header[low] == pytest.approx(a[0].header[low], rel=1e-7)


def test_ifus_merged(night, both):
    frames = [(night.product("PIXTABLE_SKY_0001", k), "PIXTABLE_OBJECT") for k in (1, 2)]
    theirs, ours = both("muse_scipost_combine_pixtables", frames, **RANGE)
    with fits.open(theirs / "PIXTABLE_COMBINED.fits") as a, fits.open(ours / "PIXTABLE_COMBINED.fits") as b:
        orders = [np.argsort(one["origin"].data.ravel(), kind="stable") for one in (a, b)]
        # the reference smooths the spectrum of the flat between these wavelengths alone, here all of it is smoothed
        for name, rtol in (("origin", 0), ("lambda", 1e-6), ("data", 5e-3), ("stat", 1e-2)):
            theirs_sorted, sorted_rows = (one[name].data.ravel()[k] for one, k in zip((a, b), orders, strict=True))
            np.testing.assert_allclose(sorted_rows, theirs_sorted, rtol=rtol, atol=1e-3 * (rtol > 0))
