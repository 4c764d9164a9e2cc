"""muse_exp_align against the reference on the same images, both against the truth, and each with the other's lists."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.recipes.exp_align.align import run as align
from musedeep.recipes.exp_align.recipe import RECIPE
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.storage.offset_list import read_offset_list
from tests.makers.field_views import CENTRE, stars, write_views
from tests.reference.night.sky_figures import true_offset

pytestmark = [pytest.mark.reference, pytest.mark.modes]

ERRORS = [(0.0, 0.0), (1.31, -0.64), (-0.47, 0.92)]
COSINE = np.cos(np.radians(CENTRE[1]))
LISTS = [f"SOURCE_LIST_{k:04d}.fits" for k in range(1, len(ERRORS) + 1)]


def offsets(directory):
    """Offsets east and north, arcsec."""
    rows = read_offset_list(directory / "OFFSET_LIST.fits").rows
    return np.array([(row.ra_offset * COSINE, row.dec_offset) for row in rows]) * 3600


def ours(directory, images, lists=(), **given):
    directory.mkdir()
    frames = {"IMAGE_FOV": [str(p) for p in images], "SOURCE_LIST": [str(p) for p in lists]}
    return align(RecipeCall(frames, RECIPE.parse(given), directory))


def theirs(esorex_recipe, directory, images, lists=(), **given):
    frames = [(p, "IMAGE_FOV") for p in images] + [(p, "SOURCE_LIST") for p in lists]
    return esorex_recipe(directory, "muse_exp_align", frames, {"iterations": 3000} | given)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    directory = tmp_path_factory.mktemp("views")
    return write_views(directory, stars(25, 1), ERRORS, dithers=((0, 0), (1.5, 0.7), (-0.9, 1.3)))


@pytest.fixture(scope="module")
def both(images, esorex_recipe, tmp_path_factory):
    place = tmp_path_factory.mktemp("both")
    assert not ours(place / "ours", images, expmap=True).failures
    return place / "ours", theirs(esorex_recipe, place / "theirs", images, expmap="true")


def test_the_same_sources(both):
    mine, other = both
    for name in LISTS:
        a, b = fits.getdata(mine / name, 1), fits.getdata(other / name, 1)
        assert a.columns.names == b.columns.names
        assert [(c.format, c.unit) for c in a.columns] == [(c.format, c.unit) for c in b.columns]
        assert len(a) == len(b) > 10
        for column in ("X", "Y", "Flux", "Sharpness", "Roundness"):
            np.testing.assert_allclose(a[column], b[column], rtol=1e-9, atol=1e-9)


def test_the_same_offsets_and_the_true_ones(both):
    mine, other = both
    np.testing.assert_allclose(offsets(mine), offsets(other), atol=0.002)
    assert np.abs(offsets(mine) - ERRORS).max() < 0.003


@pytest.mark.parametrize("name", [*LISTS[:1], "OFFSET_LIST.fits", "PREVIEW_FOV.fits", "EXPOSURE_MAP.fits"])
def test_the_same_keywords(both, name):
    mine, other = (fits.getheader(directory / name) for directory in both)
    # the commentary that its library writes
    assert set(other) - set(mine) == {"COMMENT"} and set(mine) <= set(other)
    for key in other:
        if "QC EXPALIGN" in key and "OFFSET" not in key:
            # the edges of the sum are rounded otherwise
            limit = 0.02 if key.endswith("AVG") else 1e-5
            assert mine[key] == other[key] or mine[key] == pytest.approx(float(other[key]), rel=limit), key


@pytest.mark.parametrize("name", ["PREVIEW_FOV.fits", "EXPOSURE_MAP.fits"])
def test_the_same_sums(both, name):
    a, b = (fits.getdata(directory / name, "DATA") for directory in both)
    assert np.abs(np.array(a.shape) - b.shape).max() <= 1
    assert abs(np.isfinite(a).sum() / np.isfinite(b).sum() - 1) < 0.01
    np.testing.assert_allclose(np.nanmedian(a), np.nanmedian(b), atol=0.02)
    np.testing.assert_allclose(np.nanmax(a), np.nanmax(b), rtol=0.05)


def test_each_takes_the_lists_of_the_other(both, images, esorex_recipe, tmp_path):
    mine, other = both
    given = theirs(
        esorex_recipe, tmp_path / "theirs", images, [mine / name for name in LISTS], override_detection="true"
    )
    np.testing.assert_allclose(offsets(given), offsets(other), atol=1e-4)
    assert not ours(tmp_path / "ours", images, [other / name for name in LISTS], override_detection=True).failures
    np.testing.assert_allclose(offsets(tmp_path / "ours"), offsets(other), atol=0.002)


def test_the_images_of_the_night(second_stage, figure):
    """Strips of two IFUs; PA 0 and 180, which share their sky."""
    spaxel = second_stage.night.spaxel
    if second_stage.night.narrow:
        pytest.skip("the strips share three stars in the narrow field, which are too few")
    frames = second_stage.frames("exp_align")
    mine = second_stage.ours("exp_align")
    other = second_stage.night.product("exp_align/OFFSET_LIST").parent
    off = figure("offsets, largest difference [arcsec]", np.abs(offsets(mine) - offsets(other)).max())
    assert off < 0.025 * spaxel
    exposures = second_stage.night.exposures_of("OBJECT")
    dates = [row.date_obs for row in read_offset_list(mine / "OFFSET_LIST.fits").rows]
    assert len(dates) == len(frames)
    for found, date in zip(offsets(mine), dates, strict=True):
        k = [str(row["date_obs"]) for row in exposures].index(date)
        # across the strip the axis of rotation is known less well
        assert np.abs(found - true_offset(exposures, k)).max() < 0.15 * spaxel
