"""Whatever is damaged, cut or lost in a store: a line that names it, or the same cube; never another cube."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.graph.combine.run import WORK
from musedeep.progress import Silent
from musedeep.storage.pixel_tables import zarr as store_format
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_dithers
from tests.makers.shards import chunk_count, chunk_place, flip_chunk
from tests.makers.store_runs import run, voxels

CHUNK = 2000


@pytest.fixture(scope="module", autouse=True)
def several_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_format, "SHARD_ROWS", 3 * CHUNK)
        yield


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    here = tmp_path_factory.mktemp("stores")
    paths, _ = write_dithers(here, 2, ifus=(12,), wavelength=(7000.0, 7012.0), slices=range(1, 49, 4))
    return [ingest([p], p.with_suffix(".zarr"), chunk_rows=CHUNK) for p in paths]


def kinds(store):
    """One file of every kind: the last of each array, and all metadata."""
    files = sorted(p for p in store.rglob("*") if p.is_file())
    last = {p.parent if p.name != "zarr.json" else p: p for p in files}
    return sorted(p.relative_to(store).as_posix() for p in last.values())


def flip_first(raw):
    return bytes([raw[0] ^ 0x10]) + raw[1:]


def flip_middle(raw):
    k = len(raw) // 2
    return raw[:k] + bytes([raw[k] ^ 0x01]) + raw[k + 1 :]


def flip_last(raw):
    return raw[:-1] + bytes([raw[-1] ^ 0x80])


DAMAGES = {
    "first byte": flip_first,
    "middle": flip_middle,
    "last byte": flip_last,
    "cut": lambda raw: raw[: len(raw) // 2],
    "empty": lambda raw: b"",
    "longer": lambda raw: raw + b"\0",
    "zeros": lambda raw: bytes(len(raw)),
    "lost": None,
}
NOT_READ = ("order/c", "origin/c", "index/runs", "index/zarr.json", "hdus", "checksums/zarr.json")
"""What a combination has no need of."""

INDEX_OF_SHARD = ("last byte", "longer")
"""Damages to the end of a shard, where chunks are listed for other readers; checksums list them, too."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_file(stores, undisturbed, tmp_path, damage):
    store = shutil.copytree(stores[0], tmp_path / "a.zarr")
    change = DAMAGES[damage]
    names = kinds(store)
    assert len(names) > 25  # 13 arrays and the groups
    for name in names:
        file = store / name
        raw = file.read_bytes()
        if change is None:
            file.unlink()
        else:
            file.write_bytes(change(raw))
        output = tmp_path / "out"
        try:
            run([store, stores[1]], output)
        except MusedeepError as error:
            message = str(error)
            assert "\n" not in message and len(message) < 300, message
            assert message.startswith(f"{store}: ") and "ingest" in message
            array, _, chunk = name.partition("/c/")
            if chunk and array != "checksums":
                number = int(re.search(rf"chunk (\d+) of {array} is ", message)[1])
                assert chunk_place(stores[0], array, number)[0] == stores[0] / name
            elif array.endswith("/zarr.json"):
                assert f"the metadata of {array.removesuffix('/zarr.json')} is " in message
            # boxes that were done before are kept for the next start
            assert [p.name for p in output.glob("*")] in ([], [WORK])
        else:
            shard = "/c/" in name and not name.startswith("checksums")
            assert name.startswith(NOT_READ) or (shard and damage in INDEX_OF_SHARD), f"{name} was not missed"
            for a, b in zip(voxels(output), undisturbed, strict=True):
                np.testing.assert_array_equal(a, b)
        shutil.rmtree(output, ignore_errors=True)
        file.write_bytes(raw)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_user_sees(stores, tmp_path, workers):
    store = shutil.copytree(stores[0], tmp_path / "a.zarr")
    flip_chunk(store, "data", 1)
    (tmp_path / "s.yaml").write_text(f"exposures: [a.zarr, {stores[1]}]\noutput: out\n")
    done = subprocess.run(
        [sys.executable, "-m", "musedeep", "combine", str(tmp_path / "s.yaml"), "--workers", str(workers)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    first, *rest = [line for line in done.stderr.splitlines() if not line.startswith("dashboard: ")]
    assert first.endswith("indexing")
    assert rest == [f"musedeep: {store}: chunk 1 of data is damaged (its checksum is wrong); ingest the exposure again"]


class After(Silent):
    """Does something when a number of boxes is done."""

    def __init__(self, boxes, action):
        self.boxes, self.action = boxes, action

    def advance(self, rows):
        self.boxes -= 1
        if self.boxes == 0:
            self.action()


@pytest.mark.parametrize("repair", ["copied back", "ingested again"])
def test_damage_in_the_middle_of_a_run(stores, undisturbed, tmp_path, repair):
    whole = shutil.copytree(stores[0], tmp_path / "whole.zarr")
    store = shutil.copytree(whole, tmp_path / "a.zarr")
    given = [store, stores[1]]
    damaged = shutil.copytree(whole, tmp_path / "damaged.zarr")
    for number in range(chunk_count(damaged, "stat")):
        flip_chunk(damaged, "stat", number)

    def damage():
        for file in (damaged / "stat" / "c").iterdir():
            file.replace(store / "stat" / "c" / file.name)

    with pytest.raises(MusedeepError, match=r"a\.zarr: chunk \d of stat is damaged"):
        run(given, tmp_path / "out", After(1, damage), box_bytes=1 << 20)
    assert (tmp_path / "out" / WORK).is_dir()  # what is done is kept
    with pytest.raises(MusedeepError, match=r"a\.zarr: chunk \d of stat is damaged"):
        run(given, tmp_path / "out", box_bytes=1 << 20)
    shutil.rmtree(store)
    if repair == "copied back":
        shutil.copytree(whole, store)
    else:
        ingest([stores[0].with_suffix(".fits")], store, chunk_rows=CHUNK)
    outcome = run(given, tmp_path / "out", box_bytes=1 << 20)
    assert outcome.resumed_boxes >= 1
    for a, b in zip(voxels(tmp_path / "out"), undisturbed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_store_in_its_place_starts_afresh(stores, undisturbed, tmp_path):
    store = shutil.copytree(stores[0], tmp_path / "a.zarr")
    given = [store, stores[1]]

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(given, tmp_path / "out", After(1, stop), box_bytes=1 << 20)
    with fits.open(stores[0].with_suffix(".fits")) as hdus:
        hdus["data"].data[:100] += 1
        hdus.writeto(tmp_path / "other.fits")
    ingest([tmp_path / "other.fits"], store, chunk_rows=CHUNK, overwrite=True)
    outcome = run(given, tmp_path / "out", box_bytes=1 << 20)
    assert outcome.resumed_boxes == 0
    assert any((a != b).any() for a, b in zip(voxels(tmp_path / "out"), undisturbed, strict=True))


def test_a_store_replaced_during_the_run(stores, tmp_path):
    store, new = tmp_path / "a.zarr", tmp_path / "new.zarr"
    store.symlink_to(stores[0], target_is_directory=True)
    with fits.open(stores[0].with_suffix(".fits")) as hdus:
        hdus["data"].data[:] += 1
        hdus.writeto(tmp_path / "other.fits")
    other = ingest([tmp_path / "other.fits"], tmp_path / "other.zarr", chunk_rows=CHUNK)
    new.symlink_to(other, target_is_directory=True)

    def replace():
        # at once: a reader finds the one or the other
        new.replace(store)

    with pytest.raises(MusedeepError, match=r"a\.zarr: .*(is damaged|changed since)"):
        run([store, stores[1]], tmp_path / "out", After(1, replace), box_bytes=1 << 20)
