"""What an interrupted combination has done, and when that is of use."""

import os
import shutil

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.output import log_shown
from musedeep.graph.combine import journal as combine_journal
from musedeep.graph.combine.run import WORK
from musedeep.progress import Silent
from musedeep.provenance_key import code_state
from musedeep.reduction.cube import job as cube_job
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.open_tables import OpenTables
from tests.makers.pixel_tables import write_dithers
from tests.makers.store_runs import assert_same, run, voxels

SMALL = 4 << 20
OPTIONS = {"ifus": (12,), "wavelength": (7000.0, 7030.0), "slices": range(1, 49, 2)}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two exposures of the same shape, but with other values, and the first of them again."""
    here = tmp_path_factory.mktemp("stores")
    paths, _ = write_dithers(here, 2, step=0.0, **OPTIONS)
    return [ingest([p], p.with_suffix(".zarr"), chunk_rows=4000) for p in paths]


class Watch(Silent):
    """Stops a run after some boxes."""

    def __init__(self, boxes):
        self.left = boxes

    def advance(self, rows):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def interrupted(stores, output, boxes=2):
    with pytest.raises(KeyboardInterrupt):
        run(stores, output, Watch(boxes), box_bytes=SMALL)
    return output / WORK / combine_journal.NAME


def again(stores, output):
    """Resumed boxes, and what was said about the work that there was."""
    said = []
    with log_shown(said.append):
        outcome = run(stores, output, box_bytes=SMALL)
    return outcome.resumed_boxes, [line for line in said if "cannot be continued" in line]


def test_other_code_starts_afresh_and_says_so(stores, tmp_path, monkeypatch):
    run(stores, tmp_path / "undisturbed", box_bytes=SMALL)
    with monkeypatch.context() as patch:
        for module in (combine_journal, cube_job):
            patch.setattr(module, "code_state", lambda: "0123456789abcdef")
        interrupted(stores, tmp_path / "out")
        assert "0123456789abcdef" in (tmp_path / "out" / WORK / "done.txt").read_text()
    resumed, said = again(stores, tmp_path / "out")
    assert resumed == 0
    assert said == [
        f"{tmp_path / 'out' / WORK}: an interrupted run cannot be continued: another version of musedeep, or of a "
        "library that computes, has begun it; starting afresh"
    ]
    assert_same(tmp_path / "out", voxels(tmp_path / "undisturbed"))


def test_work_of_the_version_before_this_file_existed_starts_afresh(stores, tmp_path):
    journal = interrupted(stores, tmp_path / "out")
    first, *boxes = journal.read_text().splitlines()
    journal.write_text("\n".join([first.split()[0], *(line.rpartition(" ")[0] for line in boxes)]) + "\n")
    (journal.parent / "job.json").write_text('{"exposures": []}')
    resumed, said = again(stores, tmp_path / "out")
    assert resumed == 0
    assert len(said) == 1 and "another version" in said[0]


def test_a_store_replaced_by_one_of_the_same_size_starts_afresh(stores, tmp_path):
    mine = [shutil.copytree(store, tmp_path / store.name) for store in stores]
    interrupted(mine, tmp_path / "out")
    times = os.stat(mine[1])
    shutil.copy(stores[1].with_suffix(".fits"), tmp_path / "other.fits")
    change(tmp_path / "other.fits")
    shutil.rmtree(mine[1])
    ingest([tmp_path / "other.fits"], mine[1], chunk_rows=4000)
    os.utime(mine[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    resumed, said = again(mine, tmp_path / "out")
    assert resumed == 0
    assert len(said) == 1 and "other inputs or parameters" in said[0]
    run(mine, tmp_path / "anew", box_bytes=SMALL)
    assert_same(tmp_path / "out", voxels(tmp_path / "anew"))


def change(path):
    """Other data in a pixel table, of the same number of bytes."""
    with fits.open(path, mode="update") as hdus:
        hdus["data"].data[...] = np.roll(hdus["data"].data, 1)


def test_the_same_code_goes_on_and_an_unfinished_line_does_not_count(stores, tmp_path):
    journal = interrupted(stores, tmp_path / "out", 3)
    assert journal.read_text().splitlines()[0].split()[1] == code_state()
    with journal.open("a") as stream:
        stream.write("5 1")  # a full disk has cut it
    with pytest.raises(KeyboardInterrupt):
        run(stores, tmp_path / "out", Watch(1), box_bytes=SMALL)
    assert again(stores, tmp_path / "out") == (4, [])
    run(stores, tmp_path / "undisturbed")
    assert_same(tmp_path / "out", voxels(tmp_path / "undisturbed"))


def test_a_worker_that_outlives_a_run_opens_what_was_replaced(stores, tmp_path):
    """As one of a scheduler that is given: it has read the table for an earlier run."""
    path = tmp_path / "a.fits"
    shutil.copy(stores[0].with_suffix(".fits"), path)
    tables, whole = OpenTables(), np.array([[0, 500]])
    key = (str(path),)
    before = tables.get(key, open_pixel_table(path).identity)
    values = before.read(whole, ("data",))["data"]
    change(path)
    os.utime(path, ns=(1, 1))
    identity = open_pixel_table(path).identity
    table = tables.get(key, identity)
    assert table is not before
    assert (table.read(whole, ("data",))["data"] != values).any()
    assert tables.get(key, identity) is table
    assert tables.get(key) is table
