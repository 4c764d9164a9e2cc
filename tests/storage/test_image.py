"""MUSE images: what is written comes back, from files of one IFU and of many."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.header_cards import checksum_cards
from musedeep.storage.ifu_files import OtherIfu
from musedeep.storage.image import MuseImage, join_images, open_image, write_image, write_images
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
