"""muse_badpix_from_dq, muse_badpix_from_ascii, muse_badpix_from_region: what the tables hold."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.badpix_table import read_badpix_table
from musedeep.tools.badpix import muse_badpix_from_ascii, muse_badpix_from_dq, muse_badpix_from_region


def write_image(path, dq, ifu=10, merged=False):
    """A master calibration with flags."""
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "MUSE"
    primary.header["MJD-OBS"] = 57000.5
    if not merged:
        primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
        primary.header["HIERARCH ESO DET CHIP ID"] = "egeria"
    names = {f"CHAN{n:02d}.DQ": image for n, image in dq.items()} if merged else {"DQ": dq}
    fits.HDUList([primary, *(fits.ImageHDU(image, name=name) for name, image in names.items())]).writeto(path)
    return path


def listed(path, ifu):
    """The pixels of an IFU as a set of (x, y, status)."""
    with fits.open(path, checksum=True) as hdus:
        assert hdus[0].header["ESO PRO CATG"] == "BADPIX_TABLE"
        data = hdus[f"CHAN{ifu:02d}"].data
        assert [c.format for c in data.columns] == ["J", "J", "J", "E"]
        assert data.columns.names == ["xpos", "ypos", "status", "value"]
        found = [tuple(int(v) for v in row) for row in zip(data["xpos"], data["ypos"], data["status"], strict=True)]
    assert len(set(found)) == len(found)
    return set(found)


def test_from_dq(tmp_path):
    dq = np.zeros((4112, 4096), np.int32)
    # (row, column) from 0, and the raw position from 1: 32 prescan pixels outside, 64 of overscan in the middle
    pixels = {(0, 0): (33, 33), (4111, 4095): (4192, 4208), (2055, 2047): (2080, 2088), (2056, 2048): (2145, 2153)}
    for k, place in enumerate(pixels):
        dq[place] = 256 << k
    dq[7, 8] = -(2**31)
    path = write_image(tmp_path / "MASTER_FLAT-10.fits", dq)
    assert muse_badpix_from_dq([str(path), str(tmp_path / "all.fits")]) == 0
    expected = {(x, y, 256 << k) for k, (x, y) in enumerate(pixels.values())}
    assert listed(tmp_path / "all.fits", 10) == expected | {(41, 40, -(2**31))}
    with fits.open(tmp_path / "all.fits") as hdus:
        assert hdus[0].header["INSTRUME"] == "MUSE"
        assert hdus[0].header["MJD-OBS"] == 57000.5
        assert hdus[1].header["ESO DET CHIP ID"] == "egeria"
    assert muse_badpix_from_dq(["--flags", "0x300", str(path), str(tmp_path / "some.fits")]) == 0
    assert listed(tmp_path / "some.fits", 10) == {(33, 33, 256), (4192, 4208, 512)}


def test_from_dq_of_several_ifus(tmp_path):
    dq = {n: np.zeros((4112, 4096), np.int32) for n in (3, 21)}
    dq[3][10, 20], dq[21][30, 40] = 256, 512
    path = write_image(tmp_path / "MASTER_FLAT.fits", dq, merged=True)
    assert muse_badpix_from_dq([str(path), str(tmp_path / "out.fits")]) == 0
    assert listed(tmp_path / "out.fits", 3) == {(53, 43, 256)}
    assert listed(tmp_path / "out.fits", 21) == {(73, 63, 512)}


@pytest.mark.parametrize("trimmed", [False, True])
def test_from_ascii_and_region_agree(tmp_path, trimmed):
    (tmp_path / "pixels").write_text(
        "# column\n" + "".join(f"{x}  {y}, 256 # hot\n\n" for x in (2047, 2048, 2049, 2050) for y in (2056, 2057))
    )
    option = ["-t"] if trimmed else []
    assert muse_badpix_from_ascii([*option, str(tmp_path / "pixels"), "12", str(tmp_path / "a.fits")]) == 0
    region = "[2047:2050,2056:2057]"
    assert muse_badpix_from_region([*option, region, "0x100", "12", str(tmp_path / "r.fits")]) == 0
    if trimmed:
        expected = {(x, y, 256) for x in (2079, 2080, 2145, 2146) for y in (2088, 2153)}
    else:
        expected = {(x, y, 256) for x in range(2047, 2051) for y in (2056, 2057)}
    assert listed(tmp_path / "a.fits", 12) == listed(tmp_path / "r.fits", 12) == expected


def test_existing_tables_are_supplemented(tmp_path):
    first, second, third = (tmp_path / f"{k}.fits" for k in range(3))
    (tmp_path / "pixels").write_text("40 50 512\n60 70 512\n")
    assert muse_badpix_from_region(["[39:41,50:50]", "256", "5", str(first)]) == 0
    with fits.open(first, mode="update") as hdus:
        hdus[0].header["OBSERVER"] = "somebody"
        hdus[1].header["NOTE"] = "measured by hand"
        hdus[1].data["value"] = [1.5, 2.5, 3.5]
    assert muse_badpix_from_ascii(["-i", str(first), str(tmp_path / "pixels"), "5", str(second)]) == 0
    # flags of a pixel are joined, its value and the headers stay
    assert listed(second, 5) == {(39, 50, 256), (40, 50, 768), (41, 50, 256), (60, 70, 512)}
    assert muse_badpix_from_ascii(["-i", str(second), str(tmp_path / "pixels"), "6", str(third)]) == 0
    assert listed(third, 5) == listed(second, 5)
    assert listed(third, 6) == {(40, 50, 512), (60, 70, 512)}
    with fits.open(third) as hdus:
        assert hdus[0].header["OBSERVER"] == "somebody"
        assert hdus["CHAN05"].header["NOTE"] == "measured by hand"
        np.testing.assert_array_equal(hdus["CHAN05"].data["value"], [1.5, 2.5, 3.5, 0.0])
    assert read_badpix_table(third).pixels[5].size == 4


def test_a_value_column_is_not_needed(tmp_path):
    columns = [fits.Column(name, "J", array=[50]) for name in ("xpos", "ypos", "status")]
    table = fits.BinTableHDU.from_columns(columns, name="CHAN01")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "old.fits")
    assert (
        muse_badpix_from_region(["-i", str(tmp_path / "old.fits"), "[1:1,1:1]", "4", "1", str(tmp_path / "new.fits")])
        == 0
    )
    assert listed(tmp_path / "new.fits", 1) == {(1, 1, 4), (50, 50, 50)}


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "message"),
    [
        (muse_badpix_from_dq, ["{image}", "{old}"], 1, "exists already"),
        (muse_badpix_from_dq, ["{old}", "{new}"], 1, "no extension DQ"),
        (muse_badpix_from_dq, ["{small}", "{new}"], 1, "has 10x10 pixels"),
        (muse_badpix_from_dq, ["-i", "{image}", "{image}", "{new}"], 1, "is no table CHANnn"),
        (muse_badpix_from_ascii, ["{text}", "1", "{new}"], 1, "line 2: '5 x 3'"),
        (muse_badpix_from_ascii, ["-t", "{outside}", "1", "{new}"], 1, "pixel 4097, 1 is not on the trimmed image"),
        (muse_badpix_from_ascii, ["{text}", "25", "{new}"], 2, "25 is not in 1 to 24"),
        (muse_badpix_from_region, ["[1:2,3]", "256", "1", "{new}"], 2, "not of the form [x1:x2,y1:y2]"),
        (muse_badpix_from_region, ["[3:2,3:4]", "256", "1", "{new}"], 2, "runs backwards"),
        (muse_badpix_from_region, ["[3:4,3:4]", "0", "1", "{new}"], 2, "not a Euro3D flag"),
        (muse_badpix_from_region, ["[1:99999999,1:99999999]", "1", "1", "{new}"], 1, "not on the raw image"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, tool, arguments, status, message):
    names = {k: tmp_path / f"{k}.fits" for k in ("image", "old", "small", "new", "text", "outside")}
    write_image(names["image"], np.zeros((4112, 4096), np.int32)) if "{image}" in arguments else None
    write_image(names["small"], np.zeros((10, 10), np.int32))
    muse_badpix_from_region(["[1:1,1:1]", "4", "1", str(names["old"])])
    names["text"].write_text("1 2 3\n5 x 3\n")
    names["outside"].write_text("4097 1 256\n")
    capsys.readouterr()
    assert tool([a.format(**names) for a in arguments]) == status
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not names["new"].exists()
