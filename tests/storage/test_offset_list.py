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
    for values, message in (([np.nan, 0.0], "is not finite"), ([1.0, 2.0], "two different rows")):
        path = table(tmp_path / "b.fits", DATE_OBS=dates, RA_OFFSET=np.array(values), DEC_OFFSET=zeros)
        with pytest.raises(MusedeepError, match=message):
            read_offset_list(path).for_date(dates[0])
        path.unlink()


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
        read_offset_list(path).for_date(dates[0])


def test_rows_of_other_exposures_do_not_matter(tmp_path):
    """The list of a whole programme: NaN offsets, scales that make no sense, and rows that differ."""
    dates = np.array(["2016-03-01T05:06:07.123", "2016-03-02T05:06:07.123", "2016-03-02T05:06:07.123"])
    bad = {"RA_OFFSET": [3e-4, np.nan, 1.0], "DEC_OFFSET": [-1e-4, 0.0, 2.0], "FLUX_SCALE": [0.97, -1.0, np.inf]}
    path = table(tmp_path / "o.fits", DATE_OBS=dates, **{name: np.array(values) for name, values in bad.items()})
    assert read_offset_list(path).for_date(dates[0]) == OffsetRow(dates[0], 3e-4, -1e-4, 0.97)


def test_the_same_row_twice(tmp_path):
    """Equal where NaN stands for no value, and whatever MJD_OBS is."""
    dates = np.array(["2016-03-01T05:06:07.123  "] * 3)
    columns = {"RA_OFFSET": [3e-4] * 3, "DEC_OFFSET": [0.0] * 3, "FLUX_SCALE": [np.nan] * 3}
    columns["MJD_OBS"] = [np.nan, np.nan, 57448.2]
    path = table(tmp_path / "o.fits", DATE_OBS=dates, **{name: np.array(values) for name, values in columns.items()})
    row = read_offset_list(path).for_date("2016-03-01T05:06:07.123")
    assert (row.ra_offset, row.dec_offset, row.flux_scale) == (3e-4, 0.0, None)


def test_columns_of_other_types(tmp_path):
    """In any order; scaled whole numbers, of which one is none; MJD_OBS as text, which nothing needs."""
    dates = ["2016-03-01T05:06:07.123", "2016-03-02T05:06:07.123"]
    columns = [
        fits.Column("MJD_OBS", "12A", array=np.array(["57448.2", "?"])),
        fits.Column("DEC_OFFSET", "E", array=np.array([0.5, 0.25], np.float32)),
        fits.Column("RA_OFFSET", "I", null=-7, array=np.array([200, -7], np.int16)),
        fits.Column("DATE_OBS", "30A", array=np.array(dates)),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "o.fits")
    fits.setval(tmp_path / "o.fits", "TSCAL3", value=1e-6, ext=1)
    fits.setval(tmp_path / "o.fits", "TZERO3", value=1e-3, ext=1)
    offsets = read_offset_list(tmp_path / "o.fits")
    assert offsets.for_date(dates[0]) == OffsetRow(dates[0], pytest.approx(1.2e-3, rel=1e-12), 0.5)
    with pytest.raises(MusedeepError, match=r"o\.fits: offset of 2016-03-02T05:06:07\.123 is not finite"):
        offsets.for_date(dates[1])


@pytest.mark.parametrize("form", ["2D", "12A", "L"])
def test_columns_that_hold_no_numbers_are_refused(tmp_path, form):
    values = {"2D": np.zeros((1, 2)), "12A": np.array(["0.0001"]), "L": np.array([True])}[form]
    columns = [
        fits.Column("DATE_OBS", "23A", array=np.array(["2016-03-01T05:06:07.123"])),
        fits.Column("RA_OFFSET", form, array=values),
        fits.Column("DEC_OFFSET", "D", array=np.zeros(1)),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "o.fits")
    with pytest.raises(MusedeepError, match=r"o\.fits: column RA_OFFSET does not hold one number in each row"):
        read_offset_list(tmp_path / "o.fits")


def test_no_rows(tmp_path):
    write_offset_list(tmp_path / "o.fits", [])
    with pytest.raises(MusedeepError, match=r"o\.fits: no row with DATE_OBS 2016"):
        read_offset_list(tmp_path / "o.fits").for_date("2016-03-01T05:06:07.123")


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(MusedeepError, match="no such file"):
        read_offset_list(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("no FITS at all")
    with pytest.raises(MusedeepError, match=r"text\.fits: no FITS header"):
        read_offset_list(tmp_path / "text.fits")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(MusedeepError, match="no table"):
        read_offset_list(tmp_path / "empty.fits")
