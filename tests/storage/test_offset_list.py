"""OFFSET_LIST: round trip, what may be missing, what is refused."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.offset_list import OffsetRow, read_offset_list, write_offset_list

ROWS = [
    OffsetRow("2014-09-20T03:00:00.000", 0.0, 0.0, None, 56920.125),
    OffsetRow("2014-09-21T03:00:00.000", 1.5e-4, -2.5e-5, 1.07, 56921.125),
]


def table(path, **columns):
    made = [fits.Column(n, "23A" if v.dtype.kind == "U" else "D", array=v) for n, v in columns.items()]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)]).writeto(path)
    return path


def test_round_trip(tmp_path):
    write_offset_list(tmp_path / "o.fits", ROWS)
    offsets = read_offset_list(tmp_path / "o.fits")
    assert list(offsets.rows) == ROWS
    assert offsets.for_date("2014-09-21T03:00:00.000") == ROWS[1]
    assert [p.name for p in tmp_path.iterdir()] == ["o.fits"]


def test_written_as_the_manual_describes(tmp_path):
    write_offset_list(tmp_path / "o.fits", ROWS)
    with fits.open(tmp_path / "o.fits") as hdus:
        columns = hdus[1].columns
        assert columns.names == ["DATE_OBS", "MJD_OBS", "RA_OFFSET", "DEC_OFFSET", "FLUX_SCALE"]
        assert columns.formats == ["23A", "D", "D", "D", "D"]
        assert np.isnan(hdus[1].data["FLUX_SCALE"][0])


def test_a_missing_date_is_named(tmp_path):
    write_offset_list(tmp_path / "o.fits", ROWS)
    with pytest.raises(MusedeepError, match=r"o\.fits: no row with DATE_OBS 2020-01-01T00:00:00\.000"):
        read_offset_list(tmp_path / "o.fits").for_date("2020-01-01T00:00:00.000")


def test_optional_columns_may_be_absent(tmp_path):
    dates = np.array(["2014-09-20T03:00:00.000"])
    path = table(tmp_path / "o.fits", DATE_OBS=dates, RA_OFFSET=np.array([1e-4]), DEC_OFFSET=np.array([2e-4]))
    assert read_offset_list(path).rows == (OffsetRow("2014-09-20T03:00:00.000", 1e-4, 2e-4),)


def test_wrong_tables_are_refused(tmp_path):
    dates, zeros = np.array(["2014-09-20T03:00:00.000"] * 2), np.zeros(2)
    with pytest.raises(MusedeepError, match="no column DEC_OFFSET"):
        read_offset_list(table(tmp_path / "a.fits", DATE_OBS=dates, RA_OFFSET=zeros))
    values = np.array([np.nan, 0.0])
    with pytest.raises(MusedeepError, match="is not finite"):
        read_offset_list(table(tmp_path / "b.fits", DATE_OBS=dates, RA_OFFSET=values, DEC_OFFSET=zeros))
    values = np.array([1.0, 2.0])
    with pytest.raises(MusedeepError, match="two different rows"):
        read_offset_list(table(tmp_path / "c.fits", DATE_OBS=dates, RA_OFFSET=values, DEC_OFFSET=zeros))


@pytest.mark.parametrize(("scale", "expected"), [(np.nan, None), (0.0, None), (1.5, 1.5)])
def test_no_scale_is_nan_or_zero(tmp_path, scale, expected):
    """As in the reference."""
    dates, zeros = np.array(["2014-09-20T03:00:00.000"]), np.zeros(1)
    path = table(tmp_path / "o.fits", DATE_OBS=dates, RA_OFFSET=zeros, DEC_OFFSET=zeros, FLUX_SCALE=np.array([scale]))
    assert read_offset_list(path).rows[0].flux_scale == expected


@pytest.mark.parametrize("scale", [-1.0, np.inf])
def test_a_scale_that_makes_no_sense_is_refused(tmp_path, scale):
    dates, zeros = np.array(["2014-09-20T03:00:00.000"]), np.zeros(1)
    path = table(tmp_path / "o.fits", DATE_OBS=dates, RA_OFFSET=zeros, DEC_OFFSET=zeros, FLUX_SCALE=np.array([scale]))
    with pytest.raises(MusedeepError, match=r"FLUX_SCALE of 2014-09-20T03:00:00\.000 is"):
        read_offset_list(path)


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(MusedeepError, match="no such file"):
        read_offset_list(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("no FITS at all")
    with pytest.raises(MusedeepError, match="not a readable FITS file"):
        read_offset_list(tmp_path / "text.fits")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(MusedeepError, match="no table"):
        read_offset_list(tmp_path / "empty.fits")
