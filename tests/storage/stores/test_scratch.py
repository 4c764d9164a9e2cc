"""Chunks kept on a node's disk: what is read is right whatever happens to them, and the disk is not filled."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.stores import column_reader, scratch
from musedeep.storage.stores.scratch import ChunkCache, Scratch
from tests.makers.pixel_tables import write_exposure
from tests.makers.shards import chunk_count, flip_chunk


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(column_reader, "GROUP_ROWS", 4000)
    write_exposure(tmp_path / "a.fits", slices=(1, 20, 48), wavelength=(6990.0, 7050.0))
    return ingest([tmp_path / "a.fits"], tmp_path / "a.zarr", chunk_rows=2000)


@pytest.fixture
def keep(tmp_path):
    (tmp_path / "disk").mkdir()
    given = Scratch(str(tmp_path / "disk"), "run")
    scratch.use(given)
    yield given
    scratch.remove(given)
    assert list((tmp_path / "disk").iterdir()) == []
    assert scratch.active() is None


def read(store):
    table = open_pixel_table(store)
    return table.read(np.array([[0, table.n_rows]]), table.names)


def kept(keep):
    return sorted(p for p in keep.path().rglob("*") if p.is_file())


def assert_equal(rows, expected):
    for name, column in expected.items():
        np.testing.assert_array_equal(rows[name], column)


def test_what_is_kept_is_not_read_from_the_store(store, keep):
    rows = read(store)
    assert len(kept(keep)) == sum(-(-chunk_count(store, name) // 2) for name in rows)  # two chunks each
    for name in rows:
        for chunk in (store / name / "c").iterdir():
            chunk.unlink()
    assert_equal(read(store), rows)


@pytest.mark.parametrize("harm", ["damaged", "cut", "empty", "of another chunk"])
def test_harm_to_what_is_kept_does_none(store, keep, harm):
    rows = read(store)
    files = kept(keep)
    contents = [f.read_bytes() for f in files]
    for k, file in enumerate(files):
        raw = contents[k]
        file.write_bytes(
            {
                "damaged": raw[:20] + bytes([raw[20] ^ 1]) + raw[21:],
                "cut": raw[: len(raw) // 2],
                "empty": b"",
                "of another chunk": contents[k - 1],
            }[harm]
        )
    assert_equal(read(store), rows)
    assert [f.read_bytes() for f in files] == contents  # repaired


def test_a_damaged_chunk_of_the_store_is_not_kept(store, keep):
    flip_chunk(store, "data", 1)
    with pytest.raises(Exception, match="chunk 1 of data is damaged"):
        read(store)
    assert not any(f.name == "data-0" for f in kept(keep))
    assert any(f.name == "lambda-0" for f in kept(keep))


def put(cache, name, content):
    cache.put("store", name, memoryview(content))


def test_the_limit_holds_and_the_oldest_go(tmp_path, monkeypatch):
    usage = type(scratch.shutil.disk_usage(tmp_path))
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda path: usage(10**9, 0, 10**9))  # not the disk of the test
    cache = ChunkCache(Scratch(str(tmp_path), "run", 100_000))
    for k in range(100):
        put(cache, f"data-{k}", bytes(5000))
        os.utime(tmp_path / "run" / "store" / f"data-{k}", ns=(0, k * 10**9))
        if k == 10:
            assert cache.get("store", "data-3") == bytes(5000)  # used again
        files = {p.name: p.stat().st_size for p in (tmp_path / "run").rglob("data*")}
        assert sum(files.values()) <= 100_000
        assert f"data-{k}" in files
    assert len(files) > 10
    assert "data-3" in files and "data-4" not in files
    assert cache.notice is None
    cache.end()


def test_a_disk_that_others_fill_is_left_free(tmp_path, monkeypatch):
    usage = type(scratch.shutil.disk_usage(tmp_path))
    monkeypatch.setattr(scratch, "RECHECK", 4000)
    cache = ChunkCache(Scratch(str(tmp_path), "run"))
    free = 50_000

    def disk(path):
        return usage(100_000, 0, free)

    monkeypatch.setattr(scratch.shutil, "disk_usage", disk)
    for k in range(8):
        put(cache, f"data-{k}", bytes(5000))
    assert len(list((tmp_path / "run").rglob("data*"))) == 8
    free = 1000
    put(cache, "data-8", bytes(5000))
    assert len(list((tmp_path / "run").rglob("data*"))) == 8  # one went for 4000 bytes, and one came
    cache.end()


def test_a_full_disk_is_said_once(store, keep, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    rows = read(store)
    monkeypatch.undo()
    assert "No space left on device; going on without it" in scratch.take_notice()
    assert scratch.take_notice() is None
    assert kept(keep) == []
    assert_equal(read(store), rows)


@pytest.mark.parametrize("what", ["missing", "file"])
def test_no_directory(store, tmp_path, what):
    if what == "file":
        (tmp_path / "there").touch()
    given = Scratch(str(tmp_path / "there"), "run")
    scratch.use(given)
    read(store)
    notice = scratch.take_notice()
    assert str(tmp_path / "there") in notice and "going on without it" in notice
    scratch.remove(given)
    assert (tmp_path / "there").exists() == (what == "file")


def test_variables_are_those_of_the_node(monkeypatch, tmp_path):
    monkeypatch.setenv("NODE_DISK", str(tmp_path))
    assert Scratch("$NODE_DISK/here", "run").path() == tmp_path / "here" / "run"


def test_two_processes_and_a_killed_one(store, keep):
    """Two processes read the same store; one is killed again and again. Both, and we, read what is right."""
    expected = read(store)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from musedeep.storage.stores import scratch\n"
        "from musedeep.storage.pixel_tables.open import open_pixel_table\n"
        f"scratch.use(scratch.Scratch({keep.directory!r}, {keep.name!r}, 60_000))\n"
        "while True:\n"
        f"    table = open_pixel_table({str(store)!r})\n"
        "    rows = table.read(np.array([[0, table.n_rows]]), table.names)\n"
        "    print(sum(float(np.float64(c).sum()) for c in rows.values()), flush=True)\n"
    )
    total = str(sum(float(np.float64(c).sum()) for c in expected.values()))
    steady = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert steady.stdout.readline().strip() == total
        for k in range(3):
            victim = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            assert victim.stdout.readline().strip() == total
            time.sleep(0.01 * k)
            victim.kill()
            victim.wait()
            assert_equal(read(store), expected)
        for _ in range(3):
            assert steady.stdout.readline().strip() == total
    finally:
        steady.kill()
        steady.wait()
        steady.stdout.close()
