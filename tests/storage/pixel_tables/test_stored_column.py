"""Columns of pixel tables that are scaled, unsigned, of other types, or without values: read as they are meant."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.pixel_tables import COLUMNS, INTEGERS, UNITS, exposure_rows, primary_header, write_rows

KEYS = {"ra": 201.3, "dec": -43.0, "posang": 12.0, "date_obs": "2018-04-02T01:02:03.456", "exptime": 610.0}
ALL_BITS = np.array([0, 1, 256, 2**30, 2**31, 2**32 - 1], np.uint32)
"""Flags that need all 32 bits."""


def rows_of(**changes):
    rows = exposure_rows(slices=(3, 30), wavelength=(6000.0, 6008.0), ifus=(9,)).rows
    n = rows["dq"].size
    rows["dq"] = np.resize(ALL_BITS, n).view(np.int32)
    return {**rows, **changes}


def write_table(path, rows, columns):
    """Binary table with some columns given, and others as they should be."""
    made = []
    for name in COLUMNS:
        if name in rows:
            plain = fits.Column(name, "1J" if name in INTEGERS else "1E", UNITS.get(name), array=rows[name])
            made.append(columns.get(name, plain))
    hdus = [fits.PrimaryHDU(header=primary_header(rows, **KEYS)), fits.BinTableHDU.from_columns(made)]
    fits.HDUList(hdus).writeto(path, overwrite=True)


def read(path):
    table = open_pixel_table(path)
    return table.read(np.array([[0, table.n_rows]]), table.names)


def test_unsigned_columns(tmp_path):
    """As astropy writes them (TZEROn 2147483648): all bits are the same."""
    rows = rows_of()
    unsigned = {name: fits.Column(name, "J", bzero=2**31, array=rows[name].view(np.uint32)) for name in INTEGERS}
    write_table(tmp_path / "t.fits", rows, unsigned)
    assert fits.getval(tmp_path / "t.fits", "TZERO5", 1) == 2**31
    found = read(tmp_path / "t.fits")
    for name in rows:
        np.testing.assert_array_equal(found[name], rows[name])
        assert found[name].dtype == rows[name].dtype


def test_unsigned_images(tmp_path):
    rows = rows_of()
    write_rows(tmp_path / "t.fits", primary_header(rows, **KEYS), rows | {n: rows[n].view(np.uint32) for n in INTEGERS})
    assert fits.getval(tmp_path / "t.fits", "BZERO", "DQ") == 2**31
    table = open_pixel_table(tmp_path / "t.fits")
    parts = table.read(np.array([[7, 30], [100, 400]]), INTEGERS)
    for name in INTEGERS:
        np.testing.assert_array_equal(parts[name], np.r_[rows[name][7:30], rows[name][100:400]])


@pytest.mark.parametrize(
    ("form", "scale", "zero"), [("I", 1e-3, 5.0), ("J", 2e-6, -3.0), ("D", 10.0, 1.0), ("B", 0.5, 0.0)]
)
def test_scaled_columns(tmp_path, form, scale, zero):
    rows = rows_of()
    n = rows["data"].size
    stored = (np.arange(n) * 7919 % 250).astype({"I": "i2", "J": "i4", "D": "f8", "B": "u1"}[form])
    write_table(tmp_path / "t.fits", rows, {"data": fits.Column("data", form, UNITS["data"], array=stored)})
    fits.setval(tmp_path / "t.fits", "TSCAL4", value=scale, ext=1)
    fits.setval(tmp_path / "t.fits", "TZERO4", value=zero, ext=1)
    found = read(tmp_path / "t.fits")
    np.testing.assert_array_equal(found["data"], (stored * scale + zero).astype(np.float32))
    np.testing.assert_array_equal(found["stat"], rows["stat"])


def test_whole_numbers_of_other_sizes(tmp_path):
    rows = rows_of()
    short = np.arange(rows["dq"].size, dtype=np.int16)
    columns = {
        "dq": fits.Column("dq", "I", array=short),
        "origin": fits.Column("origin", "K", array=rows["origin"].astype(np.int64)),
        "lambda": fits.Column("lambda", "D", "Angstrom", array=rows["lambda"].astype(np.float64)),
    }
    write_table(tmp_path / "t.fits", rows, columns)
    found = read(tmp_path / "t.fits")
    np.testing.assert_array_equal(found["dq"], short)
    np.testing.assert_array_equal(found["origin"], rows["origin"])
    np.testing.assert_array_equal(found["lambda"], rows["lambda"])


def test_rows_without_a_value_are_refused(tmp_path):
    """TNULLn counts where a row has it; that it is declared does not matter."""
    rows = rows_of(dq=np.zeros(rows_of()["dq"].size, np.int32))
    write_table(tmp_path / "t.fits", rows, {"dq": fits.Column("dq", "J", null=-99, array=rows["dq"])})
    np.testing.assert_array_equal(read(tmp_path / "t.fits")["dq"], rows["dq"])
    rows["dq"][5:8] = -99
    write_table(tmp_path / "t.fits", rows, {"dq": fits.Column("dq", "J", null=-99, array=rows["dq"])})
    with pytest.raises(MusedeepError, match=r"t\.fits: column dq has no value in 3 of \d+ rows \(.*-99 is none\)"):
        read(tmp_path / "t.fits")


@pytest.mark.parametrize(
    ("name", "column", "cards", "message"),
    [
        ("dq", ("D", np.float64), {}, "column dq has TFORM5 'D', expected 1E or 1J"),
        (
            "origin",
            ("K", np.int64),
            {"TSCAL7": 9},
            "column origin has values from 1.* expected numbers of 32 bits",
        ),
        ("dq", ("J", np.int32), {"TSCAL5": 0.5}, "column dq has TSCAL5 0.5 and TZERO5 0, expected whole numbers"),
        ("data", ("J", np.int32), {"TSCAL4": "nan"}, "keyword TSCAL4 is 'nan', expected a number"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path, name, column, cards, message):
    rows = rows_of(origin=rows_of()["origin"] | 0x70000000)
    form, kind = column
    write_table(
        tmp_path / "t.fits", rows, {name: fits.Column(name, form, UNITS.get(name), array=rows[name].astype(kind))}
    )
    for key, value in cards.items():
        fits.setval(tmp_path / "t.fits", key, value=value, ext=1)
    with pytest.raises(MusedeepError, match=rf"t\.fits: {message}"):
        read(tmp_path / "t.fits")


def test_two_columns_of_a_name_are_refused(tmp_path):
    rows = rows_of()
    write_table(tmp_path / "t.fits", rows, {})
    raw = (tmp_path / "t.fits").read_bytes()
    (tmp_path / "t.fits").write_bytes(raw.replace(b"'stat    '", b"'data    '"))
    with pytest.raises(MusedeepError, match=r"t\.fits: has two columns data"):
        open_pixel_table(tmp_path / "t.fits")
    write_rows(tmp_path / "i.fits", primary_header(rows, **KEYS), rows)
    raw = (tmp_path / "i.fits").read_bytes()
    (tmp_path / "i.fits").write_bytes(raw.replace(b"'stat    '", b"'data    '"))
    with pytest.raises(MusedeepError, match=r"i\.fits: has two columns data"):
        open_pixel_table(tmp_path / "i.fits")


@pytest.mark.parametrize("fmt", ["image", "table"])
def test_a_store_cannot_keep_them(tmp_path, fmt):
    rows = rows_of()
    if fmt == "image":
        unsigned = rows | {"dq": rows["dq"].view(np.uint32)}
        write_rows(tmp_path / "t.fits", primary_header(rows, **KEYS), unsigned)
    else:
        write_table(tmp_path / "t.fits", rows, {"dq": fits.Column("dq", "J", bzero=2**31, array=rows["dq"].view("u4"))})
    with pytest.raises(MusedeepError, match=r"t\.fits: column dq with a scale or zero cannot be kept in a store"):
        ingest([tmp_path / "t.fits"], tmp_path / "t.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["t.fits"]
