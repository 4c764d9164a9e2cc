"""Sums of data and headers, beside astropy's."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.fits.checksums import WHOLE, data_sum, pieces, whole_sum, written_data_sum
from musedeep.storage.fits.headers import BLOCK, scan_file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.fits"
    rng = np.random.default_rng(0)
    image = fits.ImageHDU(rng.integers(-9, 9, (50, 61)).astype(np.int16))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, checksum=True)
    return path


def test_sums_are_those_of_astropy(path):
    for unit in scan_file(path):
        assert data_sum(path, unit) == written_data_sum(unit) == int(unit.header["DATASUM"])
        assert whole_sum(unit, data_sum(path, unit)) == WHOLE


@pytest.mark.parametrize("size", [BLOCK, 2 * BLOCK, 1024 * BLOCK])
def test_pieces(path, size):
    unit = scan_file(path)[1]
    with open(path, "rb", buffering=0) as stream:
        found = b"".join(bytes(piece) for piece in pieces(path, stream, unit, size))
    assert found == path.read_bytes()[unit.data_offset : unit.end]


@pytest.mark.parametrize("value", ["", "many", None])
def test_no_sum(path, value):
    with fits.open(path) as hdus:
        header = hdus[1].header
    unit = scan_file(path)[1]
    assert written_data_sum(unit) == int(header["DATASUM"])
    raw = path.read_bytes()
    place = raw.rindex(b"DATASUM =")
    card = f"DATASUM = '{value}'" if value is not None else "COMMENT"
    path.write_bytes(raw[:place] + card.ljust(80).encode() + raw[place + 80 :])
    assert written_data_sum(scan_file(path)[1]) is None


def test_a_file_that_gets_shorter(path):
    unit = scan_file(path)[1]
    path.write_bytes(path.read_bytes()[: -2 * BLOCK])
    with pytest.raises(MusedeepError, match=r"a\.fits: truncated data at byte"):
        data_sum(path, unit)
