"""muse_scipost_raman on the pixel table of one IFU with Raman light of known flux."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.reduction.correct.placing import field_middle
from musedeep.reduction.correct.raman import MOLECULES
from musedeep.reduction.observation import observation_of
from musedeep.statics.formats import raman_lines_table
from musedeep.statics.raman import raman_lines
from musedeep.storage.calibrations.sky_mask import mask_hdu
from tests.makers.celestial_masks import west_of_middle, write_celestial_mask
from tests.makers.raman_tables import raman_rows, write_profiles, write_raman_table
from tests.makers.step_runs import product, refused, run_recipe

RECIPE = "muse_scipost_raman"


@pytest.fixture(scope="module")
def rows():
    return raman_rows(step=2.5)


def frames(directory, rows, start=(-150.0, -12.0), **changed):
    write_raman_table(directory / "table.fits", rows, **changed)
    raman_lines_table(raman_lines()).writeto(directory / "raman_lines.fits")
    write_profiles(directory / "lsf.fits")
    mask = np.ones((13, 301), bool)
    mask_hdu(mask, (*start, 0.0), fits.Header()).writeto(directory / "mask.fits")
    return [
        (directory / "table.fits", "PIXTABLE_OBJECT"), (directory / "raman_lines.fits", "RAMAN_LINES"),
        (directory / "lsf.fits", "LSF_PROFILE"), (directory / "mask.fits", "SKY_MASK"),
    ]  # fmt: skip


def test_the_light_is_gone_and_the_rest_is_not(tmp_path, rows):
    status, made = run_recipe(RECIPE, tmp_path / "out", frames(tmp_path, rows[0]))
    assert status == 0
    header, left, _ = product(made)
    order = np.argsort(rows[0]["origin"], kind="stable")
    removed = rows[0]["data"][order].astype(np.float64) - left["data"]
    assert abs(removed.sum() / rows[1].sum() - 1.0) < 0.01
    assert header["ESO DRS MUSE PIXTABLE RAMAN"] is True
    np.testing.assert_array_equal(left["stat"], rows[0]["stat"][order])
    with fits.open(made / "RAMAN_IMAGES_0001.fits") as hdus:
        primary = hdus[0].header
        assert [hdu.name for hdu in hdus][1:4] == ["DATA", "RAMAN_IMAGE_O2", "SKY_MASK_O2"]
        assert primary["ESO PRO CATG"] == "RAMAN_IMAGES"
        assert primary["ESO QC SCIPOST RAMAN FLUX N2"] == pytest.approx(0.05 * 37000e-20, rel=0.02)
        assert primary["ESO PRO REC2 ID"] == RECIPE
        assert not [key for key in primary if "PIXTABLE" in key]
    # what is subtracted is not subtracted again
    again = [(made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT"), *frames_of(tmp_path)]
    status, _ = run_recipe(RECIPE, tmp_path / "again", again)
    assert status != 0


def frames_of(directory):
    return [
        (directory / "raman_lines.fits", "RAMAN_LINES"), (directory / "lsf.fits", "LSF_PROFILE"),
        (directory / "mask.fits", "SKY_MASK"),
    ]  # fmt: skip


def test_a_mask_on_the_sky_width_and_threshold(tmp_path, rows):
    """The mask follows the exposure; wider images without rejection have their own rows."""
    given = frames(tmp_path, rows[0])
    header = fits.getheader(given[0][0])
    write_celestial_mask(tmp_path / "celestial.fits", header["RA"], header["DEC"])
    given[-1] = (tmp_path / "celestial.fits", "SKY_MASK")
    wave, data = rows[0]["lambda"], rows[0]["data"]
    for width, options in ((20.0, ()), (30.0, ("--width=30", "--crsigma=0"))):
        status, made = run_recipe(
            RECIPE, tmp_path / f"out{len(options)}", given, "--fraction=1", "--ignore=0", *options
        )
        assert status == 0
        with fits.open(made / "RAMAN_IMAGES_0001.fits") as hdus:
            image, mask = hdus["RAMAN_IMAGE_O2"], hdus["SKY_MASK_O2"].data > 0
            start = image.header["CRVAL1"], image.header["CRVAL2"]
            west = west_of_middle(start, mask.shape, field_middle(observation_of(header, "made")), 20.0)
            clear = (np.abs(west) > 1.0) & np.isfinite(image.data)
            assert np.array_equal(mask[clear], west[clear] > 0.0)
            inside = np.abs(wave - MOLECULES["O2"]) < 0.5 * width
            assert np.nanmean(image.data) == pytest.approx(data[inside].mean(dtype=float), rel=0.01)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_INS_MODE": "WFM-NOAO-N"}, "INS MODE is WFM-NOAO-N, a mode without laser"),
        ({"ESO_DRS_MUSE_PIXTABLE_RAMAN": True}, "Raman light is subtracted already"),
        ({"ESO_DRS_MUSE_PIXTABLE_SKYSUB": True}, "the sky is subtracted already"),
    ],
)
def test_bad_tables(tmp_path, rows, changed, words, caplog):
    refused(RECIPE, tmp_path / "out", frames(tmp_path, rows[0], **changed), words, caplog)


def test_bad_calibrations(tmp_path, rows, caplog):
    given = frames(tmp_path, rows[0], start=(-50.0, -12.0))
    refused(RECIPE, tmp_path / "mask", given, "give the SKY_MASK of this exposure", caplog)
    caplog.clear()
    without = [frame for frame in given if frame[1] != "RAMAN_LINES"]
    refused(RECIPE, tmp_path / "lines", without, "needs at least 1 RAMAN_LINES", caplog)
