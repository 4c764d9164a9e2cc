"""FITS pixel tables: reading, indexes, and what is refused."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.storage.fits.headers import header_cards, merge_headers, raw_bytes, scan_file
from musedeep.storage.pixel_tables import fits as pixel_table_fits
from musedeep.storage.pixel_tables.open import describe, open_exposure, open_pixel_table
from musedeep.storage.pixel_tables.table import check_reduced, clean_ranges, read_blocks, row_count, split_ranges
from tests.makers.pixel_tables import UNITS, exposure_rows, ifu_paths, primary_header, write_exposure, write_rows

SMALL = {"slices": (1, 20, 48), "wavelength": (7000.0, 7040.0)}
KEYS = {"ra": 150.1, "dec": 2.2, "posang": 33.0, "date_obs": "2014-09-20T03:00:00.000", "exptime": 1500.0}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The same rows as images, as a binary table, and as one file an IFU."""
    folder = tmp_path_factory.mktemp("tables")
    options = {**SMALL, "ifus": (3, 4, 24), "posang": 33.0, "weight": True, "flat_field": True}
    truth = write_exposure(folder / "image.fits", **options)
    write_exposure(folder / "table.fits", fmt="table", **options)
    write_exposure(folder / "split.fits", fmt="per-ifu", **options)
    paths = {
        "image": [folder / "image.fits"],
        "table": [folder / "table.fits"],
        "per-ifu": ifu_paths(folder / "split.fits", (3, 4, 24)),
    }
    return {kind: open_exposure(p) for kind, p in paths.items()}, truth


@pytest.mark.parametrize("kind", ["image", "table", "per-ifu"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_read_is_numpy_slicing(tables, kind, data):
    opened, truth = tables
    table = opened[kind]
    assert table.n_rows == truth.xi.size
    edges = st.integers(0, table.n_rows)
    ranges = data.draw(st.lists(st.tuples(edges, edges).map(sorted), max_size=30))
    ranges = np.array(ranges, np.int64).reshape(-1, 2)
    if ranges.shape[0] > 1 and data.draw(st.booleans()):
        ranges[1:, 0] = np.minimum(ranges[:-1, 1], ranges[1:, 1])  # some of them adjacent
    rows = table.read(ranges, table.names)
    assert set(rows) == set(truth.rows)
    for name, column in rows.items():
        expected = [truth.rows[name][a:b] for a, b in ranges]
        np.testing.assert_array_equal(column, np.concatenate([truth.rows[name][:0], *expected]))
        assert column.dtype == truth.rows[name].dtype and column.dtype.isnative


def test_read_in_small_pieces(tables, monkeypatch):
    monkeypatch.setattr(pixel_table_fits, "ROWS_PER_READ", 100)
    opened, truth = tables
    ranges = np.array([[5, 7], [1000, 1950], [90, 300]])
    rows = opened["table"].read(ranges, ["lambda", "dq"])
    for name in rows:
        np.testing.assert_array_equal(rows[name], np.concatenate([truth.rows[name][a:b] for a, b in ranges]))


def test_ranges_outside_the_table(tables):
    opened, truth = tables
    n = truth.xi.size
    for bad in ([[0, n + 1]], [[-1, 3]], [[5, 4]]):
        for table in opened.values():
            with pytest.raises(IndexError, match="ranges outside"):
                table.read(np.array(bad), ["dq"])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=20))
def test_clean_ranges_keeps_rows_and_order(pairs):
    ranges = np.array([(a, a + n) for a, n in pairs], np.int64).reshape(-1, 2)
    clean = clean_ranges(ranges, 100)
    rows = [r for a, b in ranges for r in range(a, b)]
    assert [r for a, b in clean for r in range(a, b)] == rows
    assert (clean[:, 0] < clean[:, 1]).all()
    assert (clean[1:, 0] != clean[:-1, 1]).all()


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90)), min_size=1, max_size=20), st.integers(1, 200))
def test_split_ranges(pairs, size):
    ranges = np.array([(a, a + n) for a, n in pairs], np.int64)
    groups = split_ranges(ranges, size)
    assert all(row_count(g) == size for g in groups[:-1]) and 0 < row_count(groups[-1]) <= size
    assert [r for g in groups for a, b in g for r in range(a, b)] == [r for a, b in ranges for r in range(a, b)]


@given(
    pieces=st.lists(st.tuples(st.integers(-30, 60), st.integers(1, 40)), min_size=1, max_size=30),
    gap=st.sampled_from([0, 3, 50]),
    room=st.sampled_from([1, 7, 64, 1000]),
)
@settings(deadline=None)
def test_read_words(tmp_path_factory, pieces, gap, room):
    """Any ranges, overlapping and backwards too, whatever is read at a time."""
    words = np.arange(5000, dtype=np.uint32) * np.uint32(16777619)
    path = tmp_path_factory.getbasetemp() / "words"
    if not path.exists():
        path.write_bytes(b"0123456" + words.astype(">u4").tobytes())
    ranges, place = [], 1500
    for step, length in pieces:
        place = max(0, place + step)
        ranges.append((place, place + length))
        place += length
    ranges = np.array(ranges, np.int64)
    out = np.empty(row_count(ranges), np.uint32)
    with open(path, "rb") as stream:
        descriptor = stream.fileno()
        failed = pixel_table_fits.read_words(descriptor, 7, ranges, gap, np.empty(room, np.uint32), out)
        beyond = np.array([[10, 20], [4990, 5010]], np.int64)
        wrong = pixel_table_fits.read_words(descriptor, 7, beyond, gap, np.empty(room, np.uint32), np.empty(30, "u4"))
    assert failed == -1
    np.testing.assert_array_equal(out, np.concatenate([words[a:b] for a, b in ranges]))
    assert wrong == 7 + 4 * 5000


@pytest.mark.parametrize("kind", ["image", "table", "per-ifu"])
def test_blocks_are_the_rows(tables, kind, monkeypatch):
    opened, _ = tables
    table = opened[kind]
    for one in (table, *getattr(table, "tables", ())):
        monkeypatch.setattr(one, "rows_per_read", 300)
    ranges = np.array([[5, 900], [1000, 1010], [1010, 1700]], np.int64)
    buffers = {}

    def array(name, n, dtype):
        return buffers.setdefault((name, n), np.empty(n, dtype))

    parts = [
        (rows["data"].copy(), rows["dq"].copy(), of) for rows, of in read_blocks(table, ranges, ("data", "dq"), array)
    ]
    assert len(parts) == 6 and len(buffers) == 4
    whole = table.read(ranges, ("data", "dq"))
    np.testing.assert_array_equal(np.concatenate([data for data, _, _ in parts]), whole["data"])
    np.testing.assert_array_equal(np.concatenate([dq for _, dq, _ in parts]), whole["dq"])
    np.testing.assert_array_equal(
        clean_ranges(np.concatenate([of for _, _, of in parts]), table.n_rows), clean_ranges(ranges, table.n_rows)
    )


def check_index(index, truth):
    """Segments follow each other, and their boxes hold their rows tightly."""
    assert index["start"][0] == 0 and index["stop"][-1] == truth.xi.size
    np.testing.assert_array_equal(index["start"][1:], index["stop"][:-1])
    assert (index["stop"] > index["start"]).all()
    starts = index["start"]
    wave = truth.rows["lambda"]
    np.testing.assert_array_equal(index["lambda_min"], np.minimum.reduceat(wave, starts))
    np.testing.assert_array_equal(index["lambda_max"], np.maximum.reduceat(wave, starts))
    phi, u = truth.rows["xpos"].astype(float), -truth.rows["ypos"].astype(float)
    for axis, values in (("x", np.tan(u) * np.sin(phi)), ("y", -np.tan(u) * np.cos(phi))):
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        assert (index[f"{axis}_min"] <= low).all() and (index[f"{axis}_max"] >= high).all()
        scale = np.abs(values).max()
        assert (low - index[f"{axis}_min"]).max() < 1e-5 * scale
        assert (index[f"{axis}_max"] - high).max() < 1e-5 * scale


@pytest.mark.parametrize("kind", ["image", "table", "per-ifu"])
def test_index_holds_the_rows(tables, kind):
    opened, truth = tables
    check_index(opened[kind].index(), truth)


def test_index_in_blocks(tables, monkeypatch):
    opened, _ = tables
    whole = opened["image"].index()
    monkeypatch.setattr(pixel_table_fits, "ROWS_PER_READ", 1024)
    np.testing.assert_array_equal(opened["image"].index(), whole)


@pytest.mark.parametrize("posang", [0.0, 90.0, 200.0, 341.7])
def test_index_at_any_angle(tmp_path, posang):
    truth = write_exposure(tmp_path / "a.fits", ifus=(1, 12, 13), posang=posang, **SMALL)
    check_index(open_pixel_table(tmp_path / "a.fits").index(), truth)


@pytest.mark.parametrize("name", ["xpos", "ypos", "lambda"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_index_refuses_non_finite_positions(tmp_path, name, value):
    truth = exposure_rows(**SMALL)
    header = primary_header(truth.rows, **KEYS)
    truth.rows[name][[700, 900]] = value
    write_rows(tmp_path / "a.fits", header, truth.rows)
    with pytest.raises(MusedeepError, match=rf"a\.fits: column {name} is NaN or infinite in 2 .*first in row 700"):
        open_pixel_table(tmp_path / "a.fits").index()


def test_reduced_tables_pass(tables):
    for table in tables[0].values():
        check_reduced(table)


def test_header_is_kept_card_for_card(tables):
    opened, _ = tables
    path = opened["image"].path
    with open(path, "rb") as stream:
        raw = stream.read(len(opened["image"].header.tostring()))
    assert opened["image"].header.tostring().encode() == raw
    units = scan_file(path)
    assert [u.name for u in units[1:4]] == ["xpos", "ypos", "lambda"]
    assert raw_bytes(units[0].cards) == path.read_bytes()[: units[0].data_offset]
    assert header_cards(units[0].header) == units[0].cards


def test_merged_header_of_the_files_of_an_exposure(tables):
    opened, _ = tables
    whole, merged = opened["image"].header, opened["per-ifu"].header
    for key in whole:
        if "LIMITS" in key or "XOFFSET" in key or key.endswith("MERGED"):
            assert merged[key] == whole[key], key
    assert merge_headers([whole]) is whole


def test_describe(tables):
    opened, truth = tables
    facts = describe(opened["image"])
    assert facts["rows"] == truth.xi.size
    assert facts["ifus"] == (3, 24)
    assert facts["target"] == "test field" and facts["mode"] == "WFM-NOAO-N" and facts["exposures"] == 1
    assert facts["bytes"] == opened["image"].path.stat().st_size
    assert describe(opened["per-ifu"])["format"] == "3 x FITS images"
    assert describe(opened["table"])["format"] == "FITS binary table"


def test_files_of_different_exposures_are_not_joined(tmp_path):
    write_exposure(tmp_path / "a.fits", **SMALL)
    write_exposure(tmp_path / "b.fits", date_obs="2014-09-21T03:00:00.000", **SMALL)
    write_exposure(tmp_path / "c.fits", weight=True, **SMALL)
    with pytest.raises(MusedeepError, match=r"b\.fits: DATE-OBS is 2014-09-21"):
        open_exposure([tmp_path / "a.fits", tmp_path / "b.fits"])
    with pytest.raises(MusedeepError, match=r"c\.fits: columns or units differ"):
        open_exposure([tmp_path / "a.fits", tmp_path / "c.fits"])


@pytest.mark.parametrize("fmt", ["image", "table"])
@pytest.mark.parametrize("keep", [0, 100, 2880, 5000, 0.3, 0.95])
def test_truncated_file(tmp_path, fmt, keep):
    path = tmp_path / "a.fits"
    write_exposure(path, fmt=fmt, **SMALL)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw)) if isinstance(keep, float) else keep])
    with pytest.raises(MusedeepError, match=r"a\.fits: (truncated|empty|no column)") as caught:
        open_pixel_table(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fmt", ["image", "table"])
def test_file_cut_after_opening(tmp_path, fmt):
    path = tmp_path / "a.fits"
    write_exposure(path, fmt=fmt, **SMALL)
    table = open_pixel_table(path)
    with open(path, "r+b") as stream:
        stream.truncate(path.stat().st_size // 2)
    with pytest.raises(MusedeepError, match=r"a\.fits: truncated, has \d+ bytes where a column ends at \d+"):
        table.read(np.array([[0, table.n_rows]]), ["origin"])


@pytest.mark.parametrize("fmt", ["image", "table"])
@pytest.mark.parametrize("name", ["xpos", "lambda", "stat", "dq", "origin"])
def test_missing_column(tmp_path, fmt, name):
    truth = exposure_rows(**SMALL)
    header = primary_header(truth.rows, **KEYS)
    write_rows(tmp_path / "a.fits", header, {k: v for k, v in truth.rows.items() if k != name}, fmt)
    with pytest.raises(MusedeepError, match=rf"a\.fits: no column {name}"):
        open_pixel_table(tmp_path / "a.fits")


def test_columns_of_different_lengths(tmp_path):
    truth = exposure_rows(**SMALL)
    header = primary_header(truth.rows, **KEYS)
    write_rows(tmp_path / "a.fits", header, {**truth.rows, "stat": truth.rows["stat"][:-1]})
    with pytest.raises(MusedeepError, match=r"column stat has \d+ rows"):
        open_pixel_table(tmp_path / "a.fits")


@pytest.mark.parametrize("name", ["xpos", "dq"])
def test_columns_of_other_types(tmp_path, name):
    truth = exposure_rows(**SMALL)
    header = primary_header(truth.rows, **KEYS)
    write_rows(tmp_path / "a.fits", header, {**truth.rows, name: truth.rows[name].astype(np.float64)})
    with pytest.raises(MusedeepError, match=rf"a\.fits: column {name} has BITPIX -64"):
        open_pixel_table(tmp_path / "a.fits")


@pytest.mark.parametrize("content", [b"hello, this is text", b"\0" * 5760, b"SIMPLE  =".ljust(6000, b"x")])
def test_not_fits(tmp_path, content):
    (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(MusedeepError, match=r"a\.fits: "):
        open_pixel_table(tmp_path / "a.fits")


def test_missing_file_and_other_fits(tmp_path):
    with pytest.raises(MusedeepError, match=r"nowhere\.fits: no such file"):
        open_pixel_table(tmp_path / "nowhere.fits")
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(MusedeepError, match=r"image\.fits: no column xpos"):
        open_pixel_table(tmp_path / "image.fits")


@pytest.mark.parametrize("fmt", ["image", "table"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "count", "stat": "count**2"}, r"column data has unit 'count'.*muse_scipost"),
        ({"stat": "count**2"}, r"column stat has unit 'count\*\*2'.*muse_scipost"),
        ({"xpos": "pix", "ypos": "pix"}, r"column xpos has unit 'pix', expected 'rad'.*muse_scipost"),
        ({"xpos": "deg", "ypos": "deg"}, r"already positioned"),
        ({"lambda": "nm"}, r"column lambda has unit 'nm', expected 'Angstrom'"),
        ({"lambda": ""}, r"column lambda has unit ''"),
    ],
)
def test_units_that_are_not_reduced(tmp_path, fmt, changes, message):
    truth = exposure_rows(**SMALL)
    units = {k: v for k, v in {**UNITS, **changes}.items() if v}
    write_rows(tmp_path / "a.fits", primary_header(truth.rows, **KEYS), truth.rows, fmt, units)
    with pytest.raises(MusedeepError, match=message):
        check_reduced(open_pixel_table(tmp_path / "a.fits"))


@pytest.mark.parametrize("key", ["RA", "DEC", "EXPTIME", "DATE-OBS", "ESO DRS MUSE PIXTABLE WCS"])
def test_keywords_that_are_needed(tmp_path, key):
    truth = exposure_rows(**SMALL)
    header = primary_header(truth.rows, **KEYS)
    del header[key]
    write_rows(tmp_path / "a.fits", header, truth.rows)
    with pytest.raises(MusedeepError, match=rf"a\.fits: .*{key}"):
        check_reduced(open_pixel_table(tmp_path / "a.fits"))


def test_keyword_of_the_wrong_type(tmp_path):
    truth = exposure_rows(**SMALL)
    header = primary_header(truth.rows, **KEYS)
    header["EXPTIME"] = "long"
    write_rows(tmp_path / "a.fits", header, truth.rows)
    with pytest.raises(MusedeepError, match=r"EXPTIME is 'long', expected a number"):
        check_reduced(open_pixel_table(tmp_path / "a.fits"))


def test_positions_of_other_stages_are_indexed_as_they_are(tmp_path):
    truth = exposure_rows(**SMALL)
    units = {**UNITS, "xpos": "deg", "ypos": "deg"}
    write_rows(tmp_path / "a.fits", primary_header(truth.rows, **KEYS), truth.rows, units=units)
    index = open_pixel_table(tmp_path / "a.fits").index()
    for name, box in (("xpos", "x"), ("ypos", "y")):
        low = np.minimum.reduceat(truth.rows[name], index["start"])
        assert (index[f"{box}_min"] <= low).all()
        np.testing.assert_allclose(index[f"{box}_min"], low, rtol=0, atol=5e-6 * 2 * np.pi)


def test_table_without_rows(tmp_path):
    truth = exposure_rows(**SMALL)
    none = {name: column[:0] for name, column in truth.rows.items()}
    write_rows(tmp_path / "a.fits", primary_header(truth.rows, **KEYS), none, "table")
    table = open_pixel_table(tmp_path / "a.fits")
    assert table.n_rows == 0 and table.index().size == 0
    with pytest.raises(MusedeepError, match="has no rows"):
        check_reduced(table)
