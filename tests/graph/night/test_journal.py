"""The journal of a night: what is done, what is not, and journals and products that something has happened to."""

import errno
import json
import os
import shutil

import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.night import journal as night_journal
from musedeep.graph.night.journal import CHANGED, GONE, INCOMPLETE, NEW, OTHER_VERSION, WORK, Journal, task_key, without
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_exposure


def made(journal, task, name, text="product", key="key"):
    """A product as a task makes it, kept."""
    source = journal.output / WORK / task
    source.mkdir(parents=True)
    (source / name).write_text(text)
    (source / ".piece-3").write_text("no product")
    return journal.keep(task, key, source, "", False)


def test_reasons(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    assert journal.why("flat-03", "key") == NEW
    made(journal, "flat-03", "MASTER_FLAT-03.fits")
    assert sorted(p.name for p in tmp_path.iterdir()) == [WORK, "MASTER_FLAT-03.fits"]
    again = Journal(tmp_path)
    assert again.records == journal.records and again.why("flat-03", "key") == ""
    assert again.why("flat-03", "another") == CHANGED
    made(journal, "twilight", "TWILIGHT_CUBE.fits", key=without("key", [7, 3]))
    assert journal.why("twilight", "key") == INCOMPLETE
    assert journal.why("twilight", without("key", [3, 7])) == ""
    os.utime(tmp_path / "MASTER_FLAT-03.fits", (1, 1))
    assert again.why("flat-03", "key") == GONE
    monkeypatch.setattr(night_journal, "code_state", lambda: "upgraded")
    assert again.why("flat-03", "key") == OTHER_VERSION and again.why("flat-04", "key") == NEW


def test_a_journal_of_before_there_was_a_state_of_the_code(tmp_path):
    journal = Journal(tmp_path)
    made(journal, "flat-03", "MASTER_FLAT-03.fits")
    entry = json.loads(journal.path.read_text().splitlines()[-1])
    del entry["code"]
    journal.path.write_text(json.dumps(entry) + "\n")
    assert Journal(tmp_path).why("flat-03", "key") == OTHER_VERSION
    assert Journal(tmp_path).ours("MASTER_FLAT-03.fits")


@pytest.mark.parametrize(
    "spoiled",
    [
        b"\xff\xfe\x00\x80" * 100,
        b"\0" * 4096 + b"\n",
        b'null\n5\n"making"\n[1, 2]\n{}\n{"making": 5}\n',
        b'{"task": "flat-03", "key": "key", "products": ["MASTER_FLAT-03.fits"]}\n',
        b'{"task": ["flat-03"], "key": "key", "products": {}}\n',
        b'{"task": "flat-03", "key": "key", "products": {"MASTER_FLAT-03.fits": [1e999, 5]}}\n',
        b"[" * 100000 + b"\n",
        b'{"task": "flat-03", "key": "key", "pro',
    ],
    ids=["binary", "zeros", "no entries", "no stamps", "no name", "infinite", "nested", "cut"],
)
def test_a_spoiled_journal_knows_nothing_and_goes_on(tmp_path, spoiled):
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / "done.jsonl").write_bytes(spoiled)
    journal = Journal(tmp_path)
    assert journal.why("flat-03", "key") == NEW
    made(journal, "flat-03", "MASTER_FLAT-03.fits")
    # the line that was cut has not spoiled the ones that follow it
    assert Journal(tmp_path).why("flat-03", "key") == ""


def test_a_journal_that_is_a_directory_and_one_below_a_file(tmp_path):
    (tmp_path / WORK / "done.jsonl").mkdir(parents=True)
    with pytest.raises(MusedeepError, match=r"done\.jsonl: cannot be read \(Is a directory\)"):
        Journal(tmp_path)
    shutil.rmtree(tmp_path / WORK)
    (tmp_path / WORK).write_text("a file")
    with pytest.raises(MusedeepError, match=r"done\.jsonl: cannot be read \(Not a directory\)"):
        Journal(tmp_path)


def test_a_full_disk_in_the_journal_is_one_line_and_no_loss(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    made(journal, "bias-03", "MASTER_BIAS-03.fits")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MusedeepError, match=r"disk full while writing done\.jsonl"):
            made(journal, "flat-03", "MASTER_FLAT-03.fits")
    shutil.rmtree(tmp_path / WORK / "flat-03")
    made(journal, "flat-03", "MASTER_FLAT-03.fits")
    again = Journal(tmp_path)
    assert again.why("bias-03", "key") == again.why("flat-03", "key") == ""


def test_directories_are_not_replaced_by_products(tmp_path):
    journal = Journal(tmp_path)
    (tmp_path / "MASTER_BIAS-03.fits").mkdir()
    (tmp_path / "MASTER_BIAS-03.fits" / "thesis").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(MusedeepError, match=r"MASTER_BIAS-03\.fits: is a directory"):
            journal.check_existing(["MASTER_BIAS-03.fits"], overwrite)
    with pytest.raises(MusedeepError, match=r"MASTER_BIAS-03\.fits: is a directory"):
        made(journal, "bias-03", "MASTER_BIAS-03.fits")
    assert (tmp_path / "MASTER_BIAS-03.fits" / "thesis").read_text() == "mine"


def test_a_product_that_is_a_directory_now_is_made_again(tmp_path):
    journal = Journal(tmp_path)
    made(journal, "bias-03", "MASTER_BIAS-03.fits")
    (tmp_path / "MASTER_BIAS-03.fits").unlink()
    (tmp_path / "MASTER_BIAS-03.fits").mkdir()
    assert journal.why("bias-03", "key") == GONE and not journal.ours("MASTER_BIAS-03.fits")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two stores of the same size, of different exposures."""
    directory = tmp_path_factory.mktemp("stores")
    for seed in (1, 2):
        write_exposure(directory / f"{seed}.fits", seed=seed, slices=(1, 2), wavelength=(7000.0, 7010.0))
        ingest([directory / f"{seed}.fits"], directory / f"{seed}.zarr")
    return directory


def test_a_store_is_known_by_what_it_holds(stores, tmp_path):
    def key(name):
        return task_key("muse_scipost", {}, ((str(tmp_path / name), "PIXTABLE_OBJECT"),), {})

    store = tmp_path / "a.zarr"
    shutil.copytree(stores / "1.zarr", store)
    first = key("a.zarr")
    # a copy, whose parts have other times
    shutil.rmtree(store)
    shutil.copytree(stores / "1.zarr", store, copy_function=shutil.copyfile)
    assert key("a.zarr") == first
    # another exposure in its place
    shutil.rmtree(store)
    shutil.copytree(stores / "2.zarr", store)
    assert key("a.zarr") not in (first, "")
    # one that has lost a part, or whose header was changed
    for change in (
        lambda path: next(path.glob("data/c/*")).unlink(),
        lambda path: (path / "zarr.json").write_text("{}"),
    ):
        shutil.rmtree(store)
        shutil.copytree(stores / "1.zarr", store)
        change(store)
        assert key("a.zarr") != first


def test_a_store_that_was_replaced_is_made_again(stores, tmp_path):
    journal = Journal(tmp_path)
    source = tmp_path / WORK / "scibasic-OBJECT-03"
    source.mkdir(parents=True)
    shutil.copytree(stores / "1.zarr", source / "PIXTABLE_OBJECT_0001-03.zarr")
    journal.keep("scibasic-OBJECT-03", "key", source, "", False)
    journal = Journal(tmp_path)
    assert journal.why("scibasic-OBJECT-03", "key") == ""
    shutil.rmtree(tmp_path / "PIXTABLE_OBJECT_0001-03.zarr")
    shutil.copytree(stores / "2.zarr", tmp_path / "PIXTABLE_OBJECT_0001-03.zarr")
    assert journal.why("scibasic-OBJECT-03", "key") == GONE
    assert not journal.ours("PIXTABLE_OBJECT_0001-03.zarr")
    size = sum(p.stat().st_size for p in (stores / "1.zarr").rglob("*") if p.is_file())
    assert journal.replaced("scibasic-OBJECT-03", ["PIXTABLE"]) == size
    assert journal.replaced("scibasic-OBJECT-03", ["_RED_"]) == journal.replaced("flat-03", ["MASTER"]) == 0


def test_what_was_discarded_need_not_be_there(stores, tmp_path):
    journal, task = Journal(tmp_path), "scibasic-OBJECT-03"
    names = [f"PIXTABLE_OBJECT_000{k}-03.zarr" for k in (1, 2)]
    source = tmp_path / WORK / task
    source.mkdir(parents=True)
    for name in names:
        shutil.copytree(stores / "1.zarr", source / name)
    journal.keep(task, "key", source, "", False)
    assert journal.discard([names[0], "PIXTABLE_OBJECT_0001-03.fits"]) == [tmp_path / names[0]]
    assert sorted(p.name for p in tmp_path.iterdir()) == [WORK, names[1]]
    assert [p.name for p in (tmp_path / WORK).iterdir()] == ["done.jsonl"]
    for one in (journal, Journal(tmp_path)):
        assert one.why(task, "key") == "" and one.lacks(names[0]) and not one.lacks(names[1])
        assert one.discard([names[0]]) == []
    # the other one was not discarded
    shutil.rmtree(tmp_path / names[1])
    assert Journal(tmp_path).why(task, "key") == GONE
    # made again, both have to be there
    source.mkdir()
    for name in names:
        shutil.copytree(stores / "1.zarr", source / name)
    journal.keep(task, "key", source, "", False)
    assert Journal(tmp_path).why(task, "key") == ""
    shutil.rmtree(tmp_path / names[0])
    assert Journal(tmp_path).why(task, "key") == journal.why(task, "key") == GONE


def test_a_run_that_was_killed_before_it_removed_a_table(stores, tmp_path, monkeypatch):
    journal, name = Journal(tmp_path), "PIXTABLE_STD_0001-03.zarr"
    source = tmp_path / WORK / "scibasic-STD-03"
    source.mkdir(parents=True)
    shutil.copytree(stores / "1.zarr", source / name)
    journal.keep("scibasic-STD-03", "key", source, "", False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only", name)))
        with pytest.raises(MusedeepError, match="cannot be written"):
            journal.discard([name])
    again = Journal(tmp_path)
    assert again.why("scibasic-STD-03", "key") == "" and not again.lacks(name)
    assert again.discard([name]) == [tmp_path / name] and again.lacks(name)
    # what another program has put there since is not removed
    (tmp_path / name).mkdir()
    assert again.discard([name]) == [] and again.why("scibasic-STD-03", "key") == GONE
