"""Stores: whatever is damaged, lost, foreign or of another version in them is named."""

import hashlib
import json
import os
import shutil
import zlib

import google_crc32c
import numpy as np
import pytest
import zarr

from musedeep.errors import MusedeepError
from musedeep.storage.pixel_tables import zarr as store_format
from musedeep.storage.pixel_tables.export import export
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import clean_ranges, row_count
from musedeep.storage.stores import chunk_kernels
from tests.makers.pixel_tables import SMALL, write_exposure
from tests.makers.shards import chunk_place, flip_chunk


def read_all(path):
    table = open_pixel_table(path)
    return table.read(np.array([[0, table.n_rows]]), table.names)


@pytest.mark.parametrize("name", ["lambda", "data", "dq"])
def test_damaged_chunk(store, name):
    flip_chunk(store, name, 2)
    with pytest.raises(MusedeepError, match=rf"a\.zarr: chunk 2 of {name} is damaged .*ingest the exposure again"):
        read_all(store)
    with pytest.raises(MusedeepError, match="damaged"):
        export(store, store.with_name("b.fits"))
    assert sorted(path.name for path in store.parent.iterdir()) == ["a.fits", "a.zarr"]


def test_damage_is_found_by_other_readers(store):
    flip_chunk(store, "data", 2)
    column = zarr.open_group(store, mode="r")["data"]
    assert column[:8000].size == 8000
    with pytest.raises(ValueError, match="checksum"):
        column[8000:]


@pytest.mark.parametrize("name", ["stat", "dq", "order"])
def test_lost_shard(store, name):
    (store / name / "c" / "1").unlink()
    with pytest.raises(MusedeepError, match=rf"a\.zarr: chunk 3 of {name} is missing"):
        export(store, store.with_name("b.fits"))


@pytest.mark.parametrize("number", [0, 1, 4])
def test_truncated_shard(store, number):
    file, start, size = chunk_place(store, "stat", number)
    file.write_bytes(file.read_bytes()[: start + size - 3])
    with pytest.raises(MusedeepError, match=f"chunk {number} of stat is damaged"):
        read_all(store)


def test_damaged_index(store):
    (store / "index" / "boxes" / "c" / "0" / "0").unlink()
    with pytest.raises(MusedeepError, match="chunk 0 of index/boxes is missing"):
        open_pixel_table(store).index()


@pytest.mark.parametrize("name", ["xpos", "order"])
def test_lost_column(store, name):
    shutil.rmtree(store / name)
    with pytest.raises(MusedeepError, match=rf"a\.zarr: the metadata of {name} is missing"):
        open_pixel_table(store)


def test_not_a_store(tmp_path, store):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MusedeepError, match="not a pixel-table store"):
        open_pixel_table(tmp_path / "empty")
    (tmp_path / "empty" / "zarr.json").write_text("{")
    with pytest.raises(MusedeepError, match="not a pixel-table store"):
        open_pixel_table(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", None), ("rows", "many"), ("columns", ["xpos", "mass"]), ("columns", 7), ("units", ["rad"]),
        ("units", {"xpos": 1}), ("hdus", []), ("hdus", [{"role": "primary"}]),
        ("hdus", [{"role": "x", "cards": ["é"]}]), ("bands", 2.5), ("band_width", 0), ("band_origin", "4000"),
    ],
)  # fmt: skip
def test_attributes_of_another_kind(store, name, value):
    """As a store would have them that another program wrote, with checksums."""
    metadata = json.loads((store / "zarr.json").read_text())
    attributes = metadata["attributes"]
    attributes.pop(name) if value is None else attributes.update({name: value})
    raw = json.dumps(metadata).encode()
    (store / "zarr.json").write_bytes(raw)
    own = store / "checksums" / "c" / "0"
    sums = json.loads(own.read_bytes().partition(b"\n")[0])
    sums["files"]["zarr.json"] = google_crc32c.value(raw)
    line = json.dumps(sums).encode()
    own.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode())
    with pytest.raises(
        MusedeepError, match=rf"a\.zarr: attribute {name} of the store is missing or damaged; ingest it"
    ):
        open_pixel_table(store)


def give_version(store, version):
    """A store without checksums, as those of version 1 are."""
    shutil.rmtree(store / "checksums")
    text = (store / "zarr.json").read_text()
    (store / "zarr.json").write_text(text.replace('"version": 5', f'"version": {version}'))


def test_store_with_checksums_of_the_former_kind(store):
    """Version 3 had CRC-32 of its files: it is refused by its version, not as damaged."""
    metadata = (store / "zarr.json").read_text().replace('"version": 5', '"version": 3')
    (store / "zarr.json").write_text(metadata)
    own = store / "checksums" / "c" / "0"
    content = json.loads(own.read_bytes().partition(b"\n")[0])
    del content["checksum"]
    content["files"] = {name: zlib.crc32((store / name).read_bytes()) for name in content["files"]}
    line = json.dumps(content).encode()
    own.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode())
    with pytest.raises(MusedeepError, match="store of version 3, expected 5; ingest it again"):
        open_pixel_table(store)


@pytest.mark.parametrize("version", [1, 3, 99])
def test_store_of_another_version(store, version):
    give_version(store, version)
    with pytest.raises(MusedeepError, match=f"store of version {version}, expected 5; ingest it again"):
        open_pixel_table(store)


def test_store_without_its_checksums(store):
    shutil.rmtree(store / "checksums")
    with pytest.raises(MusedeepError, match="the store is not complete"):
        open_pixel_table(store)


def test_chunk_of_another_store(store, tmp_path):
    write_exposure(tmp_path / "b.fits", seed=5, **SMALL)
    other = ingest([tmp_path / "b.fits"], tmp_path / "b.zarr", chunk_rows=4000)
    shutil.copy(other / "data" / "c" / "1", store / "data" / "c" / "1")
    with pytest.raises(MusedeepError, match="chunk 3 of data is damaged"):
        read_all(store)


@pytest.mark.parametrize("way", ["compiled", "in Python"])
@pytest.mark.parametrize("codec", ["now", "of former stores"])
def test_rows_are_those_of_the_file(tmp_path, monkeypatch, way, codec):
    """Former stores had other codecs and larger chunks: their metadata say so, and they are read."""
    if codec == "of former stores":
        from zarr.codecs import BloscCodec

        def former(name):
            noisy = name in ("data", "stat", "weight")
            cname, shuffle = ("lz4", "bitshuffle") if noisy else ("zstd", "shuffle")
            return (BloscCodec(cname=cname, clevel=1, shuffle=shuffle, typesize=4),)

        monkeypatch.setattr(store_format, "compressors", former)
    if way == "in Python":
        monkeypatch.setattr(chunk_kernels, "read_rows", chunk_kernels._read_rows_in_python)
    write_exposure(tmp_path / "a.fits", **SMALL)
    store = ingest([tmp_path / "a.fits"], tmp_path / "a.zarr", chunk_rows=4000)
    group, table = zarr.open_group(store, mode="r"), open_pixel_table(store)
    ranges = np.array([[5000, 9000], [10, 4010], [7000, 13000], [4000, 8000], [table.n_rows - 1, table.n_rows]])
    for name, column in table.read(ranges, table.names).items():
        np.testing.assert_array_equal(column, np.concatenate([group[name][a:b] for a, b in ranges]))


@pytest.mark.parametrize("ranges", [[[0, 14000]], [[10, 900], [950, 5000], [5500, 7000], [7999, 8000], [8100, 14000]]])
@pytest.mark.parametrize("rows", [1, 700, 4000, 100_000])
def test_no_chunk_is_in_two_pieces(store, ranges, rows):
    table = open_pixel_table(store)
    table.rows_per_read = rows
    ranges = np.array(ranges)
    pieces = table.pieces(ranges)
    chunks = [set(np.concatenate([np.arange(a, b) for a, b in piece]) // 4000) for piece in pieces]
    assert sum(map(len, chunks)) == len(set().union(*chunks))
    assert all(row_count(piece) <= rows + 4000 for piece in pieces)
    np.testing.assert_array_equal(
        clean_ranges(np.concatenate(pieces), table.n_rows), clean_ranges(ranges, table.n_rows)
    )


def test_each_chunk_is_read_once(store, monkeypatch):
    """And no chunk without a wanted row."""
    reads = []
    pread = chunk_kernels.os.pread

    def counted(descriptor, size, where):
        if "checksums" not in os.readlink(f"/proc/self/fd/{descriptor}"):
            reads.append(size)
        return pread(descriptor, size, where)

    table = open_pixel_table(store)
    monkeypatch.setattr(chunk_kernels, "read_rows", chunk_kernels._read_rows_in_python)
    monkeypatch.setattr(chunk_kernels.os, "pread", counted)
    rows = table.read(np.array([[100, 200], [300, 400], [9000, 9100]]), ("data", "lambda"))
    assert rows["data"].size == 300
    assert len(reads) == 4  # two chunks of two columns
