"""muse_qi_mask: the pixels within the slices and the range of wavelengths, laid out as raw images."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers import exposure_frames
from tests.makers.exposure_frames import NX, NY, ROWS
from tests.makers.raw_frames import BORDER, extension, raw_image, slice_edges, write_raw


@pytest.fixture(scope="module")
def calibrations(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mask")
    exposure_frames.write_set(directory)
    # only rows 101 to 200 are within the range
    with fits.open(directory / "WAVECAL_TABLE-01.fits", mode="update") as hdus:
        hdus[1].data["wlc00"] = 4650.0 - 4650.0 / 99.0 * 101.0
        hdus[1].data["wlc01"] = 4650.0 / 99.0
    return directory


def call(directory, out, bias, *options):
    names = "TRACE_TABLE-01", "WAVECAL_TABLE-01"
    lines = [f"{directory}/{name}.fits {name.removesuffix('-01')}\n" for name in names]
    out.mkdir(exist_ok=True)
    (out / "in.sof").write_text("".join([f"{bias} BIAS\n"] * bool(bias) + lines))
    return run(["recipe", "muse_qi_mask", *options, str(out / "in.sof"), "--output-dir", str(out)])


def expected_mask():
    """The mask, from the trace."""
    left, right = slice_edges(np.arange(1.0, ROWS + 1), ROWS)
    x = np.arange(1, 2 * NX + 1)
    lit = ((x >= left[..., None]) & (x <= right[..., None])).any(0)
    lit[:100] = lit[200:] = False
    mask = np.zeros((ROWS + 4 * BORDER, 2 * NX + 4 * BORDER), np.uint8)
    y, x = np.nonzero(lit)
    mask[y + BORDER + 2 * BORDER * (y >= NY), x + BORDER + 2 * BORDER * (x >= NX)] = 1
    return mask


def test_the_lit_pixels_of_a_raw_image(calibrations, tmp_path):
    assert call(calibrations, tmp_path / "one", calibrations / "bias0.fits", "--nifu=1") == 0
    assert call(calibrations, tmp_path / "all", calibrations / "bias0.fits") == 0
    with fits.open(tmp_path / "one" / "MASK_IMAGE_0001-01.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "CHAN01"] and hdus[1].data.dtype == np.uint8
        mask, header = hdus[1].data, hdus[1].header
        assert hdus[0].header["ESO DET FRS WMIN"] == 4650.0 and hdus[0].header["ESO PRO CATG"] == "MASK_IMAGE"
    with fits.open(tmp_path / "all" / "MASK_IMAGE_0001.fits") as hdus:
        assert (hdus["CHAN01"].data == mask).all()
    # the trace of the recipe is a few hundredths of a pixel off that of the maker
    assert (mask != expected_mask()).sum() < 0.002 * mask.sum()
    rows, columns = np.nonzero(mask[:, :NX])
    assert header["ESO DET SLICE1 YSTART"] == rows.min() + 1 == 100 + BORDER + 1
    assert header["ESO DET SLICE1 YEND"] == 200 + 3 * BORDER
    assert header["ESO DET SLICE1 XSTART"] == columns.min() + 1
    row = np.arange(101, 201)
    quadratic = header["ESO DET WLEN SLICE7 POLY0"] + header["ESO DET WLEN POLY1"] * row
    quadratic += header["ESO DET WLEN POLY2"] * row**2
    assert quadratic == pytest.approx(4650.0 + 4650.0 / 99.0 * (row - 101), abs=0.05)


def test_a_binned_detector_has_the_mean_of_its_pixels(calibrations, tmp_path):
    size = NX, NY // 2
    hdu = extension(raw_image(None, *size), 1, *size, cards={"ESO DET BINY": 2})
    bias = write_raw(tmp_path / "binned.fits", [hdu])
    assert call(calibrations, tmp_path / "one", bias, "--nifu=1") == 0
    mask = fits.getdata(tmp_path / "one" / "MASK_IMAGE_0001-01.fits")
    assert mask.shape == (NY + 4 * BORDER, 2 * NX + 4 * BORDER)
    rows = np.nonzero(mask.any(1))[0]
    assert (rows.min(), rows.max()) == (BORDER + 50, 3 * BORDER + 99)


def test_without_a_bias_the_detector_is_the_usual_one(calibrations, tmp_path):
    assert call(calibrations, tmp_path / "one", None, "--nifu=1") == 0
    mask = fits.getdata(tmp_path / "one" / "MASK_IMAGE_0001-01.fits")
    assert mask.shape == (4240, 4224) and mask.any()


def test_missing_and_wrong_calibrations_are_one_line(calibrations, tmp_path, capsys):
    bias = calibrations / "bias0.fits"
    assert call(calibrations, tmp_path / "two", bias, "--nifu=2") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not list((tmp_path / "two").glob("MASK*"))
    assert call(calibrations, tmp_path / "x", bias, "--nifu=-1") == 2
    broken = tmp_path / "broken"
    shutil.copytree(calibrations, broken)
    with fits.open(broken / "WAVECAL_TABLE-01.fits", mode="update") as hdus:
        hdus[1].data["wlc00"] = np.nan
    assert call(broken, tmp_path / "y", broken / "bias0.fits", "--nifu=1") == 1
    assert "WAVECAL_TABLE" in capsys.readouterr().err
