"""MUSE images: what is written comes back, from files of one IFU and of many."""

import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.fits.data_sums import RunningMd5
from musedeep.storage.fits.header_cards import checksum_cards
from musedeep.storage.fits.headers import scan_file
from musedeep.storage.fits.image import MuseImage, join_images, open_image, write_image, write_images
from musedeep.workspace import Workspace


def image(ifu):
    rng = np.random.default_rng(ifu)
    header = fits.Header([("EXTNAME", f"CHAN{ifu:02d}"), ("DATAMD5", "0" * 32), ("HIERARCH ESO QC N", ifu)])
    for card in checksum_cards():
        header.append(card, end=True)
    data = rng.normal(0, 1, (70, 50)).astype(np.float32)
    return MuseImage(data, rng.integers(-5, 5, (70, 50)).astype(np.int32), np.abs(data) + 1, header, "adu")


def same(found, made):
    assert found.shape == made.data.shape
    for name, values in (("DATA", made.data), ("DQ", made.dq), ("STAT", made.stat)):
        np.testing.assert_array_equal(found.rows(name, 3, 61), values[3:61])


def test_one_ifu_comes_back_with_its_header(tmp_path):
    made = image(4)
    path = tmp_path / "MASTER_BIAS-04.fits"
    write_image(path, made)
    same(open_image(path, 4), made)
    assert open_image(path, 4).header["ESO QC N"] == 4
    with pytest.raises(OtherIfu, match="image of CHAN04, not of CHAN05"):
        open_image(path, 5)
    with fits.open(path, checksum=True) as hdus, fits.conf.set_temp("extension_name_case_sensitive", True):
        assert [h.name for h in hdus] == ["CHAN04", "DATA", "DQ", "STAT"]
        assert hdus["DATA"].header["BUNIT"] == "adu" and hdus["STAT"].header["BUNIT"] == "(adu)**2"
        assert hdus["DQ"].header["QUALMASK"] == 4294967295
        assert [h.verify_checksum() for h in hdus] == [1] * 4
        np.testing.assert_array_equal(hdus["DQ"].data, made.dq)
    assert not list(tmp_path.glob(".*"))


def test_many_ifus_in_one_file(tmp_path):
    made = {ifu: image(ifu) for ifu in (2, 5)}
    parts = []
    for ifu, one in made.items():
        for keyword in ("BINX", "CHIP NAME", "OUT1 GAIN"):
            one.header[f"HIERARCH ESO DET {keyword}"] = ifu if "BIN" not in keyword else 1
        parts.append(tmp_path / f"{ifu}.part")
        write_images(parts[-1], one.header, [(ifu, one)])
    path = tmp_path / "MASTER_BIAS.fits"
    join_images(path, parts)
    for ifu, one in made.items():
        same(open_image(path, ifu), one)
        assert open_image(path, ifu).header["ESO QC N"] == ifu
    with pytest.raises(OtherIfu, match=r"image of CHAN02, CHAN05, not of CHAN03"):
        open_image(path, 3)
    with fits.open(path) as hdus:
        assert [h.name for h in hdus[1:]] == [f"CHAN{i:02d}.{n}" for i in made for n in ("DATA", "DQ", "STAT")]
        assert "EXTNAME" not in hdus[0].header and "ESO QC N" not in hdus[0].header
        # what is of all IFUs stays
        assert [key for key in hdus[0].header if key.startswith("ESO DET")] == ["ESO DET BINX"]
        assert hdus["CHAN05.DATA"].header["ESO DET CHIP NAME"] == 5


def test_without_flags_missing_values_are_bad(tmp_path):
    made = image(1)
    made.data[5, 6] = np.nan
    write_image(tmp_path / "all.fits", made)
    with fits.open(tmp_path / "all.fits") as hdus:
        del hdus["DQ"]
        hdus.writeto(tmp_path / "two.fits")
    assert np.argwhere(open_image(tmp_path / "two.fits", 1).rows("DQ", 0, 70)).tolist() == [[5, 6]]


def test_what_is_no_image_is_refused(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "x.fits")
    with pytest.raises(MusedeepError, match="no extension DATA"):
        open_image(tmp_path / "x.fits", 1)
    with pytest.raises(MusedeepError, match="no such file"):
        open_image(tmp_path / "none.fits", 1)
    write_image(tmp_path / "y.fits", image(1))
    with pytest.raises(MusedeepError, match="exists already"):
        write_image(tmp_path / "y.fits", image(1))


def test_rows_in_used_memory_and_a_file_that_was_cut(tmp_path):
    made = image(1)
    write_image(tmp_path / "a.fits", made)
    file, workspace = open_image(tmp_path / "a.fits", 1), Workspace()
    for start, stop in ((0, 30), (30, 70), (3, 4)):
        for name, values in (("DATA", made.data), ("DQ", made.dq), ("STAT", made.stat)):
            assert np.array_equal(file.rows(name, start, stop, workspace), values[start:stop])
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content[: len(content) - 2880 * 3])
    with pytest.raises(MusedeepError, match=r"a\.fits: truncated in STAT; copy the file again"):
        file.rows("STAT", 0, 70)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("DQ", lambda a: a.view(np.uint32), r"DQ has BZERO = 2147483648, expected 0; .* 32-bit signed integers"),
        ("DQ", lambda a: a.astype(np.int16), "DQ has BITPIX = 16, expected 32"),
        ("DATA", lambda a: a.astype(np.float64), "DATA has BITPIX = -64, expected -32; write it .* of 32-bit floats"),
        ("STAT", lambda a: a[:, 1:], "STAT has NAXIS1 = 49, expected 50"),
        ("STAT", lambda a: a[None], "STAT has NAXIS = 3, expected 2"),
    ],
)
def test_images_that_are_stored_in_another_way_are_refused(tmp_path, name, change, message):
    write_image(tmp_path / "made.fits", image(1))
    path = tmp_path / "MASTER_FLAT.fits"
    with fits.open(tmp_path / "made.fits") as hdus:
        number = hdus.index_of(name)
        hdus[number] = fits.ImageHDU(change(hdus[name].data.astype(hdus[name].data.dtype.newbyteorder("="))), name=name)
        hdus.writeto(path)
    with pytest.raises(MusedeepError, match=rf"MASTER_FLAT\.fits: {message}"):
        open_image(path, 1)


@pytest.mark.parametrize(
    ("name", "key", "value"), [("DATA", "BSCALE", 2.0), ("STAT", "BZERO", 1.0), ("DQ", "BLANK", -1)]
)
def test_scaled_images_are_refused(tmp_path, name, key, value):
    path = tmp_path / "MASTER_DARK.fits"
    write_image(path, image(1))
    raw = path.read_bytes()
    end = raw.index(b"END".ljust(80), raw.index(f"EXTNAME = '{name} ".encode()))
    card = f"{key:8}= {value:>20}".encode().ljust(80)
    path.write_bytes(raw[:end] + card + raw[end : end + 80] + raw[end + 160 :])
    with pytest.raises(MusedeepError, match=rf"MASTER_DARK\.fits: {name} has {key} = {value}"):
        open_image(path, 1)


def test_packed_and_compressed_images_are_refused_with_the_remedy(tmp_path):
    path = tmp_path / "MASTER_BIAS.fits"
    write_image(path, image(1))
    with fits.open(path) as hdus:
        tiles = [fits.CompImageHDU(hdu.data, hdu.header) for hdu in hdus[1:]]
        fits.HDUList([hdus[0], *tiles]).writeto(tmp_path / "MASTER_BIAS.fits.fz")
    with pytest.raises(MusedeepError, match=r"DATA is compressed by fpack; uncompress it with funpack"):
        open_image(tmp_path / "MASTER_BIAS.fits.fz", 1)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(MusedeepError, match=r"MASTER_BIAS\.fits: packed by gzip; unpack it with gunzip and give"):
        open_image(path, 1)


def test_an_md5_sum_begun_before_the_header_is_that_of_the_file(tmp_path):
    made = image(4)
    write_image(tmp_path / "whole.fits", made)
    begun = RunningMd5()
    begun.add(made.data)
    begun.add(made.dq, made.stat)
    write_image(tmp_path / "begun.fits", replace(made, md5=begun))
    written = [fits.getheader(tmp_path / name)["DATAMD5"] for name in ("whole.fits", "begun.fits")]
    units = scan_file(tmp_path / "whole.fits")
    raw = (tmp_path / "whole.fits").read_bytes()
    assert written == [hashlib.md5(b"".join(raw[u.data_offset : u.end] for u in units)).hexdigest()] * 2
