"""Copies with other headers: the same data, right checksums, damage found."""

import hashlib

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.fits import copied
from musedeep.storage.fits.checksums import data_sum, whole_sum, written_data_sum
from musedeep.storage.fits.copied import copy_with_headers
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.fits.headers import BLOCK, scan_file


@pytest.fixture
def source(tmp_path):
    """A file of three HDUs, the second longer than one piece, with all checksums."""
    rng = np.random.default_rng(1)
    path = tmp_path / "source.fits"
    primary = fits.PrimaryHDU(header=fits.Header([("OBJECT", "old"), ("DATAMD5", "0" * 32)]))
    data = fits.ImageHDU(rng.normal(size=(7, 31, 29)).astype(np.float32), name="DATA")
    flags = fits.ImageHDU(np.arange(30, dtype=np.int16).reshape(5, 6), name="DQ")
    fits.HDUList([primary, data, flags]).writeto(path, checksum=True)
    sign(path)
    return path


def headers(first: str = "new") -> list[fits.Header]:
    primary = fits.Header([("OBJECT", first), ("DATAMD5", "0" * 32), *((f"K{k}", k) for k in range(40))])
    return [primary, fits.Header([("EXTNAME", "VALUES"), ("BUNIT", "s")]), fits.Header([("EXTNAME", "FLAGS")])]


def test_a_copy(source, tmp_path, monkeypatch):
    monkeypatch.setattr(copied, "_PIECE", BLOCK)
    target = tmp_path / "target.fits"
    total = copy_with_headers(source, target, headers())
    assert total == hashlib.sha256(target.read_bytes()).hexdigest()
    with fits.open(source) as old, fits.open(target, checksum=True) as new:
        new.verify("exception")
        assert [hdu.name for hdu in new] == ["PRIMARY", "VALUES", "FLAGS"]
        assert np.array_equal(old[1].data, new[1].data) and np.array_equal(old[2].data, new[2].data)
        assert new[0].header["OBJECT"] == "new" and new[0].header["DATAMD5"] == old[0].header["DATAMD5"] != "0" * 32
        assert new[1].header["BUNIT"] == "s" and new[0].header["K39"] == 39
    for unit in scan_file(target):
        assert (
            data_sum(target, unit) == written_data_sum(unit) and whole_sum(unit, data_sum(target, unit)) == 0xFFFFFFFF
        )


def test_a_source_without_checksums(tmp_path):
    source, target = tmp_path / "source.fits", tmp_path / "target.fits"
    data = np.arange(12, dtype=np.int32).reshape(3, 4)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data)]).writeto(source)
    copy_with_headers(source, target, [fits.Header(), fits.Header([("EXTNAME", "A")])])
    with fits.open(target, checksum=True) as new:
        assert np.array_equal(new[1].data, data) and "DATASUM" in new[1].header and "DATAMD5" not in new[0].header


def test_a_damaged_source(source, tmp_path):
    raw = bytearray(source.read_bytes())
    raw[-BLOCK] ^= 1
    source.write_bytes(raw)
    with pytest.raises(
        MusedeepError, match=r"source\.fits: HDU 2 \(DQ\) is damaged: its data add up to \d+, DATASUM is"
    ):
        copy_with_headers(source, tmp_path / "target.fits", headers())


def test_other_hdus(source, tmp_path):
    with pytest.raises(MusedeepError, match=r"has 3 HDUs, expected 2"):
        copy_with_headers(source, tmp_path / "target.fits", headers()[:2])
