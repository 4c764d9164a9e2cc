"""A FITS file written from front to back has the checksums of one that is signed when it is finished."""

import errno
import os
import re

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.fits.header_cards import checksum_cards, keep_checksum_places, sign
from musedeep.storage.fits.parts import header_bytes
from musedeep.storage.fits.streamed import StreamedFits


def primary():
    return fits.Header([("OBJECT", "field"), *checksum_cards()])


def extension(name):
    header = fits.Header([("EXTNAME", name)])
    keep_checksum_places(header)
    return header


@pytest.mark.parametrize("steps", [(12,), (5, 1, 6), (1,) * 12])
def test_checksums(tmp_path, steps):
    rng = np.random.default_rng(2)
    flags = rng.integers(0, 255, (12, 3, 7)).astype("u1")  # planes of 21 bytes begin within words
    data = rng.normal(size=(12, 3, 7)).astype(">f4")
    data[3:9] = 0
    path = tmp_path / "made.fits"
    with StreamedFits(path) as made:
        made.begin(header_bytes(primary(), False, 8, ()))
        for name, values in (("DATA", data), ("FLAGS", flags)):
            made.begin_image(extension(name), -8 * values.itemsize if values.itemsize > 1 else 8, values.shape)
            for end, n in zip(np.cumsum(steps), steps, strict=True):
                made.write(values[end - n : end])
        made.finish()
    before = path.read_bytes()
    with fits.open(path, checksum=True) as hdus:
        np.testing.assert_array_equal(hdus["DATA"].data, data)
        np.testing.assert_array_equal(hdus["FLAGS"].data, flags)
    sign(path)
    # CHECKSUM depends on the times that stand in the comments, which `fits.open` has checked
    pairs = zip(cards(before), cards(path.read_bytes()), strict=True)
    assert [a for a, b in pairs if a != b and not a.startswith(b"CHECKSUM")] == []


@pytest.mark.parametrize("kernel", [True, False])
def test_bytes_of_other_files(tmp_path, monkeypatch, kernel):
    if not kernel:

        def across_file_systems(*_):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "copy_file_range", across_file_systems)
    rng = np.random.default_rng(3)
    values = rng.integers(0, 256, 25_000_003).astype("u1")
    hole = 12 << 20
    for name, ends in (("one", (0, 11_000_001)), ("other", (11_000_001, values.size))):
        with open(tmp_path / name, "wb") as stream:
            stream.write(b"before")
            stream.write(values[slice(*ends)])
    with open(tmp_path / "sparse", "wb") as stream:
        stream.truncate(hole)
    path = tmp_path / "made.fits"
    with StreamedFits(path) as made:
        made.begin(header_bytes(primary(), False, 8, ()))
        made.begin_image(extension("DATA"), 8, (values.size + 5 + hole,))
        made.copy(tmp_path / "one", 6, 11_000_001)
        made.copy(tmp_path / "other", 6, 9_000_000)
        made.write(values[20_000_001:20_000_008])
        made.copy(tmp_path / "other", 6 + 9_000_007, values.size - 20_000_008)
        made.write(np.arange(5, dtype="u1"))
        made.copy(tmp_path / "sparse", 0, hole)
        made.begin_image(extension("MORE"), 8, (3,))
        made.copy(tmp_path / "one", 0, 3)
        made.finish()
    before = path.read_bytes()
    with fits.open(path, checksum=True) as hdus:
        np.testing.assert_array_equal(hdus["DATA"].data[: values.size], values)
        np.testing.assert_array_equal(hdus["DATA"].data[values.size :][:5], np.arange(5))
        assert not hdus["DATA"].data[values.size + 5 :].any()
        assert hdus["MORE"].data.tobytes() == b"bef"
    assert path.stat().st_blocks * 512 < values.size + (4 << 20)
    sign(path)
    pairs = zip(cards(before), cards(path.read_bytes()), strict=True)
    assert [a for a, b in pairs if a != b and not a.startswith(b"CHECKSUM")] == []


def test_a_file_that_has_become_shorter(tmp_path):
    (tmp_path / "source").write_bytes(bytes(range(100)) * 1000)
    with StreamedFits(tmp_path / "made.fits") as made:
        made.begin(header_bytes(primary(), False, 8, ()))
        made.begin_image(extension("DATA"), 8, (200_000,))
        with pytest.raises(MusedeepError, match="source: has become shorter while it was read"):
            made.copy(tmp_path / "source", 0, 200_000)


def cards(raw):
    raw = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", b"0000-00-00T00:00:00", raw)
    return [raw[k : k + 80] for k in range(0, len(raw), 80)]


def test_zeros_take_no_space(tmp_path):
    zeros = np.zeros((8, 512, 512), ">f4")
    path = tmp_path / "zeros.fits"
    with StreamedFits(path) as made:
        made.begin(header_bytes(primary(), False, 8, ()))
        made.begin_image(extension("DATA"), -32, zeros.shape)
        made.write(zeros)
        made.finish()
    assert path.stat().st_size >= zeros.nbytes
    assert path.stat().st_blocks * 512 < 1 << 16
    with fits.open(path, checksum=True) as hdus:
        assert not hdus["DATA"].data.any()
