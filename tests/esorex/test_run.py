"""A recipe, run as esorex runs it."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.declaration import GIB
from musedeep.errors import MusedeepError
from musedeep.esorex import products
from musedeep.esorex import run as module
from musedeep.esorex.errors import EsorexProblem
from musedeep.esorex.frames import Frame
from musedeep.esorex.log import Messages, listening
from musedeep.esorex.products import Delivery
from musedeep.esorex.run import RecipeRun, Told, memory_limit, pixel_table_forms
from musedeep.progress import LOG
from musedeep.recipes.registry import named
from musedeep.recipes.run_ifus import Outcome
from tests.makers.field_tables import write_field_table
from tests.makers.raw_frames import write_biases


@pytest.fixture
def biases(tmp_path, monkeypatch):
    """A run of muse_bias on IFU 2 of small frames, in a directory of its own."""
    monkeypatch.delenv("MUSEDEEP_PIXTABLES", raising=False)
    monkeypatch.setattr("musedeep.esorex.run.QUIET_SECONDS", 1e9)  # however slow the machine is
    _, paths = write_biases(tmp_path, ifus=(2, 9))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    frames = [Frame(str(path), "BIAS") for path in paths]
    return RecipeRun(named("muse_bias"), {"nifu": 2}, frames, Delivery())


def made(directory="."):
    return sorted(path.name for path in Path(directory).iterdir())


def test_products_and_messages(biases, capsys):
    assert replace(biases, listing="x.sof", timed=True).run(Messages()) == 0
    assert made() == ["MASTER_BIAS-02.fits", "x.sof"]
    assert Path("x.sof").read_text() == "MASTER_BIAS-02.fits     MASTER_BIAS"
    lines = [re.sub(r"\d\d:\d\d:\d\d ", "", line) for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0].startswith("[ INFO  ] muse_bias: musedeep ")
    assert lines[1:4] == [
        "[ INFO  ] esorex: [tid=000] Calculating product checksums",
        "[ INFO  ] esorex: [tid=000] Created product MASTER_BIAS-02.fits (in place)",
        "[ INFO  ] esorex: [tid=000] 1 product created",
    ]
    took, size, rate = lines[4:]
    assert re.search(r"Recipe operation\(s\) took [ \d.e+-]{14} seconds to complete\.$", took)
    assert size.endswith("Total size of 3 raw input frames  =     2.76 MB")
    assert re.search(r"=> processing rate of [ \d.]{8} MB/sec $", rate)


def test_existing_products_are_replaced(biases):
    Path("MASTER_BIAS-02.fits").write_text("old")
    assert biases.run(Messages()) == 0
    assert fits.getheader("MASTER_BIAS-02.fits")["PIPEFILE"] == "MASTER_BIAS-02.fits"


def test_a_recipe_that_fails(biases, capsys):
    assert replace(biases, frames=biases.frames[:2], listing="x.sof").run(Messages()) == 255
    out, err = capsys.readouterr()
    assert "muse_bias needs at least 3 BIAS, found 2" in err
    assert "Execution of recipe 'muse_bias' failed, status = -1" in err
    assert "list of products is not written" in out and not made()


def test_a_parameter_that_the_recipe_refuses(biases, capsys):
    assert replace(biases, values={"overscan": "vpoly:3,nan"}).run(Messages()) == 255
    assert "overscan=vpoly:3,nan is not none, offset, vpoly" in capsys.readouterr().err


def test_what_a_failed_recipe_has_made_stays_in_the_working_directory(biases, capsys, monkeypatch):
    def one_ifu_fails(self, call):
        (call.output / "MASTER_BIAS-02.fits").write_text("whole")
        return Outcome([call.output / "MASTER_BIAS-02.fits"], {9: "IFU 9: bad"}, ["a note"])

    monkeypatch.setattr(type(biases.recipe), "run", one_ifu_fails)
    Path("out").mkdir()
    assert replace(biases, delivery=Delivery("out")).run(Messages()) == 255
    assert made() == ["MASTER_BIAS-02.fits", "out"] and not made("out")
    out, err = capsys.readouterr()
    assert "[tid=000] IFU 9: bad" in err and "[WARNING] muse_bias: [tid=000] a note" in out


def test_products_that_cannot_be_moved_stay_in_the_working_directory(biases, capsys):
    Path("out").mkdir()
    assert replace(biases, delivery=Delivery("out", prefix="none/p"), listing="x.sof").run(Messages()) == 61
    assert made() == ["MASTER_BIAS-02.fits", "out"] and not made("out")
    assert "An error occurred while trying to move the output products" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_products_get_their_names_all_or_none(biases, monkeypatch, number):
    named_one = products.moved

    def interrupted(source, target):
        os.kill(os.getpid(), number)
        named_one(source, target)

    monkeypatch.setattr(products, "moved", interrupted)
    assert replace(biases, values={"nifu": 0}).run(Messages()) == 0
    assert made() == ["MASTER_BIAS-02.fits", "MASTER_BIAS-09.fits"]


def test_an_interrupted_recipe_leaves_nothing(biases, monkeypatch):
    def interrupted(self, call):
        (call.output / ".half.part").write_text("half")
        (call.output / "MASTER_BIAS-02.fits").write_text("whole")
        raise KeyboardInterrupt

    monkeypatch.setattr(type(biases.recipe), "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        biases.run(Messages())
    assert not made()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "x.fits"), "x.fits: No space left on device"),
        (MemoryError(), "out of memory; set MUSEDEEP_MEMORY, as in 2GiB"),
        (MusedeepError("x.fits: no MUSE frame"), "x.fits: no MUSE frame"),
    ],
)
def test_errors_are_one_line_and_a_status(biases, monkeypatch, capsys, error, message):
    def fails(self, call):
        raise error

    monkeypatch.setattr(type(biases.recipe), "run", fails)
    assert biases.run(Messages()) == 255
    assert message in capsys.readouterr().err and not made()


def test_frames_without_tag_are_left_out(biases, capsys):
    frames = [*biases.frames, Frame(biases.frames[0].path)]
    assert replace(biases, frames=frames).run(Messages()) == 0
    assert "has no tag; it is left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("form", "tables"),
    [("", [".fits"]), ("fits", [".fits"]), ("store", [".zarr"]), ("both", [".fits", ".zarr"])],
)
def test_pixel_tables_are_fits_files_unless_stores_are_asked_for(tmp_path, monkeypatch, form, tables):
    monkeypatch.setenv("MUSEDEEP_PIXTABLES", form)
    write_field_table(tmp_path / "t.fits")
    (tmp_path / "out").mkdir()
    frames = [Frame(str(tmp_path / "t.fits"), "PIXTABLE_OBJECT")]
    one = RecipeRun(named("muse_scipost_correct_rv"), {}, frames, Delivery(str(tmp_path / "out")))
    assert one.run(Messages()) == 0
    assert made(tmp_path / "out") == [f"PIXTABLE_REDUCED_0001{end}" for end in tables]


def test_words_of_variables_are_checked(monkeypatch):
    monkeypatch.setenv("MUSEDEEP_PIXTABLES", "table")
    with pytest.raises(EsorexProblem, match="MUSEDEEP_PIXTABLES=table is not fits, store or both"):
        pixel_table_forms()
    monkeypatch.delenv("MUSEDEEP_MEMORY", raising=False)
    assert memory_limit() == 4 * GIB
    monkeypatch.setenv("MUSEDEEP_MEMORY", "8GiB")
    assert memory_limit() == 8 * GIB
    for wrong in ("much", "-1GiB", "0"):
        monkeypatch.setenv("MUSEDEEP_MEMORY", wrong)
        with pytest.raises(EsorexProblem, match="is not an amount of memory"):
            memory_limit()


def test_progress_is_told_every_ten_seconds(capsys):
    times = iter([0.0, 5.0, 11.0, 11.0])
    told = Told(Messages(), "muse_bias", lambda: next(times))
    told.begin(3, "IFUs")
    told.advance()
    told.advance()
    told.stop()
    assert capsys.readouterr().out == "[ INFO  ] esorex: 2 of 3 IFUs done\n"


def test_what_is_logged_is_heard_for_so_long(capsys):
    messages, level = Messages(), LOG.level
    with listening(messages, messages.least):
        LOG.info("heard")
    LOG.info("not heard")
    assert capsys.readouterr().out == "[ INFO  ] esorex: heard\n" and LOG.level == level


def test_sizes_of_files_and_stores(tmp_path):
    (tmp_path / "a").write_text("12345")
    assert module.size_of(str(tmp_path / "a")) == module.size_of(str(tmp_path)) == 5
