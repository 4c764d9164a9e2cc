"""FITS pixel tables into stores and back."""

import errno
import os
import shutil
import tracemalloc

import numpy as np
import pytest
import zarr
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.storage.pixel_tables.export import BYTES_PER_ROW, export
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import describe, open_exposure, open_pixel_table
from musedeep.storage.pixel_tables.store_writer import segment_edges
from musedeep.storage.stores import column_writer
from tests.makers.pixel_tables import SMALL, exposure_rows, ifu_paths, primary_header, write_exposure, write_rows
from tests.makers.shards import chunk_count

SOURCES = {
    "images": {},
    "shuffled": {"shuffle": True},
    "flat field": {"flat_field": True},
    "weight": {"weight": True, "posang": 77.0},
    "table": {"fmt": "table", "weight": True},
    "shuffled table": {"fmt": "table", "shuffle": True, "flat_field": True},
}


def only(path):
    """Names in a directory, to see that nothing temporary is left."""
    return sorted(p.name for p in path.iterdir())


@pytest.mark.parametrize("source", SOURCES)
def test_round_trip_is_bit_exact(tmp_path, source):
    write_exposure(tmp_path / "a.fits", **SMALL, **SOURCES[source])
    store = ingest([tmp_path / "a.fits"], tmp_path / "a.zarr", chunk_rows=3000, memory=BYTES_PER_ROW * 10_000)
    export(store, tmp_path / "b.fits", memory=BYTES_PER_ROW * 4000)
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()
    assert only(tmp_path) == ["a.fits", "a.zarr", "b.fits"]
    assert (tmp_path / "b.fits").stat().st_mode & 0o111 == 0


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 100),
    chunk_rows=st.integers(500, 5000),
    width=st.sampled_from([3.0, 20.0, 47.3, 6000.0]),
    rows=st.integers(7000, 30_000),
    workers=st.integers(1, 3),
    shuffle=st.booleans(),
)
def test_round_trip_for_any_layout(tmp_path_factory, seed, chunk_rows, width, rows, workers, shuffle):
    folder = tmp_path_factory.mktemp("layout")
    options = {"slices": (2, 11), "ifus": (1, 17), "wavelength": (7000.0, 7025.0), "shuffle": shuffle}
    write_exposure(folder / "a.fits", seed=seed, **options)
    ingest(
        [folder / "a.fits"], folder / "a.zarr", chunk_rows=chunk_rows, band_width=width, workers=workers,
        memory=BYTES_PER_ROW * rows,
    )  # fmt: skip
    export(folder / "a.zarr", folder / "b.fits", workers=workers, memory=BYTES_PER_ROW * rows // 3)
    assert (folder / "a.fits").read_bytes() == (folder / "b.fits").read_bytes()
    shutil.rmtree(folder)


def test_table_without_rows(tmp_path):
    truth = exposure_rows(**SMALL)
    keys = {"ra": 150.1, "dec": 2.2, "posang": 0.0, "date_obs": "2014-09-20T03:00:00.000", "exptime": 1500.0}
    none = {name: column[:0] for name, column in truth.rows.items()}
    write_rows(tmp_path / "a.fits", primary_header(truth.rows, **keys), none, "table")
    store = ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    assert open_pixel_table(store).index().size == 0
    export(store, tmp_path / "b.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_header_with_odd_cards_and_extra_hdus(tmp_path):
    truth = exposure_rows(**SMALL)
    header = primary_header(
        truth.rows, ra=150.1, dec=2.2, posang=0.0, date_obs="2014-09-20T03:00:00.000", exptime=1500.0
    )
    header["COMMENT"] = "a comment"
    header["LONG"] = "x" * 150
    write_rows(tmp_path / "a.fits", header, truth.rows)
    with fits.open(tmp_path / "a.fits", mode="append") as hdus:
        hdus.append(fits.ImageHDU(np.arange(12, dtype=np.int16).reshape(3, 4), name="EXTRA"))
    with open(tmp_path / "a.fits", "r+b") as stream:  # a value no formatter would write
        raw = stream.read(28800)
        place = raw.index(b"EXPTIME =")
        stream.seek(place)
        stream.write(b"EXPTIME = 1.50000E+03 / odd".ljust(80))
    ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    assert open_pixel_table(tmp_path / "a.zarr").header["EXPTIME"] == 1500.0
    export(tmp_path / "a.zarr", tmp_path / "b.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_cards_that_are_no_fits_stay_as_they_are(tmp_path, encoding):
    """Byte for byte in the store and its export; legal for those who read the header."""
    write_exposure(tmp_path / "a.fits", slices=(5,), wavelength=(7000.0, 7010.0))
    raw = (tmp_path / "a.fits").read_bytes()
    for key, card in (("OBJECT", "'Nébuleuse' / vue à l'œil"), ("MJD-OBS", "nan"), ("TELESCOP", "'VLT\n\0")):
        place = raw.index(f"{key:8}=".encode())
        raw = raw[:place] + f"{key:8}= {card}".encode(encoding, "replace").ljust(80) + raw[place + 80 :]
    (tmp_path / "a.fits").write_bytes(raw)
    ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    header = open_pixel_table(tmp_path / "a.zarr").header
    assert (header["OBJECT"], header["MJD-OBS"], header["TELESCOP"]) == ("Nebuleuse", "nan", "VLT")
    export(tmp_path / "a.zarr", tmp_path / "b.fits")
    assert (tmp_path / "b.fits").read_bytes() == raw


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    truth = write_exposure(folder / "a.fits", posang=123.0, weight=True, **SMALL)
    ingest([folder / "a.fits"], folder / "a.zarr", chunk_rows=2500, memory=BYTES_PER_ROW * 12_000)
    return open_pixel_table(folder / "a.zarr"), truth


def sorted_rows(truth):
    """Rows in the order of a store, by the definition."""
    band = np.floor((truth.rows["lambda"].astype(float) - 4000) / 20)
    order = np.lexsort((truth.rows["origin"] & 63, truth.rows["origin"] >> 6 & 31, band))
    return {name: column[order] for name, column in truth.rows.items()}


def test_rows_are_grouped_by_band_ifu_slice(stored):
    table, truth = stored
    rows = table.read(np.array([[0, table.n_rows]]), table.names)
    for name, expected in sorted_rows(truth).items():
        np.testing.assert_array_equal(rows[name], expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_read_is_numpy_slicing(stored, data):
    table, truth = stored
    edges = st.integers(0, table.n_rows)
    pairs = data.draw(st.lists(st.tuples(edges, edges).map(sorted), max_size=12))
    ranges = np.array(pairs, np.int64).reshape(-1, 2)
    rows = table.read(ranges, ["lambda", "dq", "data"])
    expected = sorted_rows(truth)
    for name, column in rows.items():
        parts = [expected[name][:0], *(expected[name][a:b] for a, b in ranges)]
        np.testing.assert_array_equal(column, np.concatenate(parts))


def test_index_of_a_store(stored):
    table, truth = stored
    index = table.index()
    rows = sorted_rows(truth)
    assert index["start"][0] == 0 and index["stop"][-1] == table.n_rows
    np.testing.assert_array_equal(index["start"][1:], index["stop"][:-1])
    assert (index["stop"] - index["start"]).max() <= 256
    starts = index["start"]
    phi, u = rows["xpos"].astype(float), -rows["ypos"].astype(float)
    for low, high, values in (
        ("lambda_min", "lambda_max", rows["lambda"]),
        ("x_min", "x_max", np.tan(u) * np.sin(phi)),
        ("y_min", "y_max", -np.tan(u) * np.cos(phi)),
    ):
        assert (index[low] <= np.minimum.reduceat(values, starts)).all()
        assert (index[high] >= np.maximum.reduceat(values, starts)).all()
    # no segment reaches across bands, IFUs or slices
    key = np.floor((rows["lambda"].astype(float) - 4000) / 20) * 2048 + (rows["origin"] & 2047)
    assert (np.minimum.reduceat(key, starts) == np.maximum.reduceat(key, starts)).all()


def test_describe_store(stored):
    table, _ = stored
    facts = describe(table)
    assert facts["format"] == "zarr store" and facts["ifus"] == (3, 24) and facts["rows"] == table.n_rows
    assert 4 < facts["bytes_per_row"] < 32
    assert facts["units"]["xpos"] == "rad"


@given(st.lists(st.integers(1, 2000), max_size=20))
def test_segment_edges(lengths):
    edges = segment_edges(np.array(lengths, np.int64))
    assert edges[0] == 0 and edges[-1] == sum(lengths)
    if lengths:
        assert np.diff(edges).min() > 0 and np.diff(edges).max() <= 256
    assert set(np.cumsum([0, *lengths])) <= set(edges.tolist())


@pytest.mark.parametrize("shuffle", [False, True])
def test_files_of_the_ifus_become_one_store(tmp_path, shuffle):
    options = {**SMALL, "ifus": (3, 4, 24), "shuffle": shuffle}
    truth = write_exposure(tmp_path / "part.fits", fmt="per-ifu", flat_field=True, **options)
    paths = ifu_paths(tmp_path / "part.fits", (3, 4, 24))
    store = ingest(paths, tmp_path / "a.zarr")
    table, joined = open_pixel_table(store), open_exposure(paths)
    assert table.n_rows == truth.xi.size
    assert table.header["ESO DRS MUSE PIXTABLE LIMITS IFU HIGH"] == 24
    assert table.header["ESO DRS MUSE PIXTABLE MERGED"] == 3
    export(store, tmp_path / "b.fits")
    back = open_pixel_table(tmp_path / "b.fits")
    everything = np.array([[0, table.n_rows]])
    expected = joined.read(everything, joined.names)
    for name, column in back.read(everything, back.names).items():
        np.testing.assert_array_equal(column, expected[name])
    assert "PIXTABLE_FLAT_FIELD" in [h.name for h in fits.open(tmp_path / "b.fits")]
    fits.open(tmp_path / "b.fits").verify("exception")


@pytest.mark.filterwarnings("error::astropy.utils.exceptions.AstropyUserWarning")
def test_files_of_the_ifus_have_checksums_again(tmp_path):
    write_exposure(tmp_path / "part.fits", fmt="per-ifu", flat_field=True, **{**SMALL, "ifus": (3, 4)})
    paths = ifu_paths(tmp_path / "part.fits", (3, 4))
    for path in paths:
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["DATAMD5"] = "of this file alone"
            for hdu in hdus:
                hdu.add_checksum()
    export(ingest(paths, tmp_path / "a.zarr"), tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", checksum=True) as hdus:
        assert len(hdus) == 9 and all(hdu.verify_checksum() == hdu.verify_datasum() == 1 for hdu in hdus)
        assert set(hdus[0].header["DATAMD5"]) <= set("0123456789abcdef") and hdus[0].header["DATAMD5"] != "0" * 32


def test_memory_does_not_grow_with_the_table(tmp_path):
    peaks = []
    for k, lines in enumerate((60.0, 480.0)):
        path = tmp_path / f"{k}.fits"
        write_exposure(path, ifus=(5,), slices=tuple(range(1, 25)), wavelength=(7000.0, 7000.0 + lines))
        tracemalloc.start()
        ingest([path], tmp_path / f"{k}.zarr", chunk_rows=8192, memory=BYTES_PER_ROW * 60_000)
        export(tmp_path / f"{k}.zarr", tmp_path / f"{k}.out.fits", memory=BYTES_PER_ROW * 60_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (tmp_path / "1.fits").stat().st_size > 7 * (tmp_path / "0.fits").stat().st_size
    # what is left to grow is the index and one file's headers; the source itself grows by 19 MB
    assert peaks[1] < peaks[0] + 6e6


def test_progress_ends_at_the_total(tmp_path):
    write_exposure(tmp_path / "a.fits", **SMALL)

    class Told(Silent):
        def begin(self, total, unit, done=0, cost=None):
            seen.append([total, 0])

        def advance(self, n=1, *, rows=0, cost=None, made=True):
            assert n == rows > 0
            seen[-1][1] += n

    seen = []
    ingest([tmp_path / "a.fits"], tmp_path / "a.zarr", progress=Told())
    export(tmp_path / "a.zarr", tmp_path / "b.fits", progress=Told())
    rows = open_pixel_table(tmp_path / "a.zarr").n_rows
    # each row counts twice when it is taken in
    assert seen == [[2 * rows, 2 * rows], [rows, rows]]


# --- what is refused ---


def test_a_store_is_not_ingested(store):
    with pytest.raises(MusedeepError, match="is a store already"):
        ingest([store], store.with_name("b.zarr"))


@pytest.mark.parametrize("name", ["xpos", "ypos", "lambda"])
def test_positions_that_are_not_finite(tmp_path, name):
    truth = exposure_rows(**SMALL)
    keys = {"ra": 150.1, "dec": 2.2, "posang": 0.0, "date_obs": "2014-09-20T03:00:00.000", "exptime": 1500.0}
    header = primary_header(truth.rows, **keys)
    truth.rows[name][4711] = np.nan
    write_rows(tmp_path / "a.fits", header, truth.rows)
    with pytest.raises(MusedeepError, match=rf"a\.fits: column {name} is NaN or infinite .* row 4711"):
        ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    assert only(tmp_path) == ["a.fits"]


def test_existing_outputs_are_kept(store):
    folder = store.parent
    before = (store / "zarr.json").read_bytes()
    with pytest.raises(MusedeepError, match=r"a\.zarr: exists already.*--overwrite"):
        ingest([folder / "a.fits"], store)
    with pytest.raises(MusedeepError, match=r"a\.fits: exists already.*--overwrite"):
        export(store, folder / "a.fits")
    # a run that fails leaves the former store as it was
    (folder / "bad.fits").write_bytes((folder / "a.fits").read_bytes()[:-2880])
    with pytest.raises(MusedeepError, match="truncated"):
        ingest([folder / "bad.fits"], store, overwrite=True)
    assert (store / "zarr.json").read_bytes() == before
    (folder / "bad.fits").unlink()
    ingest([folder / "a.fits"], store, overwrite=True)
    export(store, folder / "a.fits", overwrite=True)
    assert only(folder) == ["a.fits", "a.zarr"]


def test_missing_directory(tmp_path, store):
    with pytest.raises(MusedeepError, match=r"directory .*nowhere does not exist"):
        export(store, tmp_path / "nowhere" / "b.fits")


def test_no_space_before_the_work(tmp_path, monkeypatch):
    write_exposure(tmp_path / "a.fits", **SMALL)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda p: usage._replace(free=1000))
    with pytest.raises(MusedeepError, match=r"0 MiB free, a\.zarr needs about"):
        ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    assert only(tmp_path) == ["a.fits"]


def test_disk_full_while_writing(tmp_path, monkeypatch):
    write_exposure(tmp_path / "a.fits", **SMALL)

    def full(self, values):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(column_writer.ColumnWriter, "_write", full)
    with pytest.raises(MusedeepError, match=r"disk full while writing a\.zarr, which needs about \d+ bytes"):
        ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    assert only(tmp_path) == ["a.fits"]


def test_disk_full_at_export(store, monkeypatch):
    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MusedeepError, match=r"no space for .*b\.fits.*bytes"):
        export(store, store.with_name("b.fits"))
    assert only(store.parent) == ["a.fits", "a.zarr"]


def files_of(store):
    return {p.relative_to(store): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("shuffle", [False, True])
def test_bands_larger_than_memory_are_taken_in_parts(tmp_path, shuffle):
    write_exposure(tmp_path / "a.fits", shuffle=shuffle, **SMALL)
    whole = ingest([tmp_path / "a.fits"], tmp_path / "whole.zarr", chunk_rows=3000)
    # a band holds 6 slices of 16 lines of 76 pixels
    parts = ingest(
        [tmp_path / "a.fits"], tmp_path / "parts.zarr", chunk_rows=3000, memory=BYTES_PER_ROW * 3000, workers=3
    )
    assert files_of(whole) == files_of(parts)


def test_memory_too_small_for_a_slice(tmp_path):
    write_exposure(tmp_path / "a.fits", **SMALL)
    with pytest.raises(MusedeepError, match=r"too little for the \d+ rows of a slice in a band; \d+ MiB would do"):
        ingest([tmp_path / "a.fits"], tmp_path / "a.zarr", memory=10_000)
    assert only(tmp_path) == ["a.fits"]


def test_table_with_columns_of_other_types(tmp_path):
    truth = exposure_rows(**SMALL)
    forms = {"data": "D", "dq": "J", "origin": "J"}
    columns = [fits.Column(n, forms.get(n, "E"), array=v) for n, v in truth.rows.items()]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "a.fits")
    assert open_pixel_table(tmp_path / "a.fits").n_rows == truth.xi.size
    with pytest.raises(MusedeepError, match="column data of type >f8 cannot be kept in a store"):
        ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["xpos", "data", "order", "index/boxes", "index/runs"])
def test_shards_are_those_that_zarr_writes(store, tmp_path, name):
    array = zarr.open_group(store, mode="r")[name]
    again = zarr.create_array(
        tmp_path / "again", shape=array.shape, chunks=array.chunks, shards=array.shards, dtype=array.dtype,
        fill_value=0, compressors=array.compressors, config={"write_empty_chunks": True},
    )  # fmt: skip
    again[...] = array[...]
    written = files_of(store / name / "c")
    assert len(written) >= (1 if "/" in name else 2)
    assert written == files_of(tmp_path / "again" / "c")


def test_zarr_reads_the_same(store):
    group, table = zarr.open_group(store, mode="r"), open_pixel_table(store)
    table = open_pixel_table(store)
    for name, column in table.read(np.array([[0, table.n_rows]]), table.names).items():
        np.testing.assert_array_equal(group[name][...], column)
    for name in ("index/runs", "index/edges", "index/boxes"):
        np.testing.assert_array_equal(group[name][...], table.whole(name))


def test_a_shard_is_a_file(store):
    """Files of a store: what each array is divided into, not its chunks."""
    for name in open_pixel_table(store).names:
        chunks = chunk_count(store, name)
        assert chunks > 3 and len(list((store / name / "c").iterdir())) == -(-chunks // 3)
