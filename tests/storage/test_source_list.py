"""SOURCE_LIST: what is written is read; what is no list is refused in one line."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.source_list import COLUMNS, read_source_list, write_source_list

HEADER = fits.Header([("MJD-OBS", 57001.25)])


def values(n: int) -> dict:
    return {column.name: np.arange(n) + 0.25 * k for k, column in enumerate(COLUMNS) if column.name != "Id"}


@pytest.mark.parametrize("n", [0, 3])
def test_what_is_written_is_read(tmp_path, n):
    write_source_list(tmp_path / "s.fits", HEADER, values(n))
    found = read_source_list(tmp_path / "s.fits")
    assert found.mjd_obs == 57001.25
    np.testing.assert_array_equal(found.x, values(n)["X"])
    np.testing.assert_array_equal(found.y, values(n)["Y"])
    with fits.open(tmp_path / "s.fits", checksum=True) as hdus:
        assert hdus[1].columns.names == [c.name for c in COLUMNS]
        np.testing.assert_array_equal(hdus[1].data["Id"], np.arange(1, n + 1))


def test_an_existing_list_stays(tmp_path):
    write_source_list(tmp_path / "s.fits", HEADER, values(2))
    with pytest.raises(MusedeepError, match="exists already"):
        write_source_list(tmp_path / "s.fits", HEADER, values(3))
    write_source_list(tmp_path / "s.fits", HEADER, values(3), overwrite=True)
    assert len(read_source_list(tmp_path / "s.fits").x) == 3


def test_what_is_no_list_is_refused(tmp_path):
    path = tmp_path / "s.fits"
    with pytest.raises(MusedeepError, match="no such file; give a SOURCE_LIST"):
        read_source_list(path)
    table = fits.BinTableHDU.from_columns([fits.Column("X", "D", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(header=HEADER), table]).writeto(path)
    with pytest.raises(MusedeepError, match="no table with columns Id, X, Y, RA, DEC"):
        read_source_list(path)
    write_source_list(path, fits.Header([("OBJECT", "field")]), values(2), overwrite=True)
    with pytest.raises(MusedeepError, match="MJD-OBS is missing"):
        read_source_list(path)
    write_source_list(path, HEADER, values(2) | {"Y": np.array([1.0, np.nan])}, overwrite=True)
    with pytest.raises(MusedeepError, match="row 2 is not finite"):
        read_source_list(path)
