"""muse_illum: the values of the raw frame, as a product that other recipes take."""

import os

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers.raw_frames import extension, raw_image, write_raw


@pytest.fixture
def flat(tmp_path):
    images = {ifu: raw_image(np.full((300, 400), 900.0 * ifu), seed=ifu) for ifu in (2, 5)}
    path = write_raw(tmp_path / "illum.fits", [extension(image, ifu) for ifu, image in images.items()], 1.2)
    (tmp_path / "in.sof").write_text(f"{path} ILLUMFLAT\n")
    return tmp_path, images


def call(directory, *options):
    return run(["recipe", "muse_illum", str(directory / "in.sof"), "--output-dir", str(directory), *options])


def test_values_and_headers(flat, capsys):
    directory, images = flat
    assert call(directory) == 0
    assert "without IFU 1, 3, 4, 6" in capsys.readouterr().err
    with fits.open(directory / "ILLUM_0001.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "CHAN02", "CHAN05"]
        for hdu, image in zip(hdus[1:], images.values(), strict=True):
            assert hdu.data.dtype == ">i4" and (hdu.data == image).all()
            assert hdu.header["ESO DET OUT1 PRSCX"] == 32
        header = hdus[0].header
    assert header["ESO PRO CATG"] == "ILLUM" and "ESO DPR TYPE" not in header and "EXTNAME" not in header
    assert header["ESO PRO REC1 RAW1 CATG"] == "ILLUMFLAT" and header["EXPTIME"] == 1.2


def test_what_is_no_raw_frame_or_there_already_is_refused(flat, capsys):
    directory, _ = flat
    assert call(directory) == 0
    assert call(directory) == 1
    assert "exists already" in capsys.readouterr().err
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(directory / "illum.fits", overwrite=True)
    assert call(directory, "--overwrite") == 1
    assert "no extension CHANnn" in capsys.readouterr().err
    (directory / "in.sof").write_text("")
    assert call(directory, "--overwrite") == 1


def test_a_full_disk_leaves_nothing(flat, capsys, monkeypatch):
    directory, _ = flat

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("musedeep.storage.fits.hdus.sign", full)
    assert call(directory) == 1
    assert "disk full while writing ILLUM_0001.fits" in capsys.readouterr().err
    assert not list(directory.glob("*ILLUM_0001*"))
