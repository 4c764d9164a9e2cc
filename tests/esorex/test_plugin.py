"""The channel between the CPL plugin and musedeep; `tests/reference/test_cpl_plugin.py` has the plugin itself."""

import io
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import musedeep
from musedeep.declaration import Format
from musedeep.errors import MusedeepError
from musedeep.esorex import plugin
from musedeep.esorex.frames import Frame
from musedeep.esorex.plugin import Channel, Refused, Request, answer, facts_of, fields_of, line_of
from musedeep.esorex.products import format_of
from musedeep.recipes.registry import recipes
from musedeep.recipes.run_ifus import Outcome

FIELD = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("\\\t\nntx"))


@given(st.lists(FIELD, min_size=1))
def test_fields_survive(fields):
    line = line_of(*fields)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert fields_of(line) == fields


def test_names_that_are_no_text():
    assert fields_of(b"frame\tBIAS\t/raw/\xff.fits\n")[2].encode(errors="surrogateescape") == b"/raw/\xff.fits"


def request_of(*lines):
    return io.BytesIO(b"".join(line_of(*line) for line in lines))


def test_request():
    rows = [("plugin", "1.2"), ("recipe", "muse_bias"), ("parameter", "nifu", "3"), ("frame", "BIAS", "a b\t.fits")]
    request = Request.read(request_of(*rows, ("run",), ("frame", "BIAS", "later")))
    assert request == Request("1.2", "muse_bias", {"nifu": "3"}, [Frame("a b\t.fits", "BIAS")])


@pytest.mark.parametrize(
    ("rows", "status", "words"),
    [
        ([("recipe", "muse_bias")], "unspecified", "ends early"),
        ([("recipe", "muse_bias"), ("dance", "now"), ("run",)], "unsupported", "unknown request .*'dance'.* again"),
        ([("parameter", "nifu"), ("run",)], "unsupported", "unknown request"),
    ],
)
def test_bad_requests(rows, status, words):
    with pytest.raises(Refused, match=words) as caught:
        Request.read(request_of(*rows))
    assert caught.value.status == status


@pytest.fixture
def talk(monkeypatch, tmp_path):
    """Answers to a request; `work` stands in for the recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugin, "interrupt_once", lambda: None)
    monkeypatch.setattr(plugin, "end_with_application", lambda stream: None)

    def run(work, name="muse_bias", version=musedeep.__version__):
        monkeypatch.setattr(plugin, "outcome_of", lambda recipe, values, frames, place, channel: work(place, channel))
        heard = io.BytesIO()
        channel = Channel(heard)
        logging.getLogger("musedeep").addHandler(channel)
        try:
            status = answer(request_of(("plugin", version), ("recipe", name), ("run",)), channel)
        finally:
            logging.getLogger("musedeep").removeHandler(channel)
        return status, [fields_of(line) for line in heard.getvalue().splitlines()]

    return run


def write_product(path, category):
    from astropy.io import fits

    header = fits.Header()
    header["HIERARCH ESO PRO CATG"] = category
    fits.PrimaryHDU(header=header).writeto(path)


def test_answers(talk, tmp_path):
    def work(place, channel):
        logging.getLogger("musedeep").warning("musedeep: %s/x is\n  odd", place)
        channel.say(logging.INFO, "half done", "combine")
        for name in ("MASTER_BIAS-01", "MASTER_BIAS-02"):
            write_product(place / f"{name}.fits", "MASTER_BIAS")
        return Outcome([place / "MASTER_BIAS-01.fits", place / "MASTER_BIAS-02.fits"], notes=["IFU 2: dim"])

    assert talk(work) == (
        0,
        [
            ["warning", "work", "x is odd"],
            ["info", "combine", "half done"],
            ["product", "MASTER_BIAS-01.fits", "MASTER_BIAS", "image", "final"],
            ["product", "MASTER_BIAS-02.fits", "MASTER_BIAS", "image", "final"],
            ["warning", "muse_bias", "IFU 2: dim"],
            ["end", "done", ""],
        ],
    )
    assert {path.name for path in tmp_path.iterdir()} == {"MASTER_BIAS-01.fits", "MASTER_BIAS-02.fits"}


def test_failure_of_some_ifus(talk):
    def work(place, channel):
        write_product(place / "MASTER_BIAS-01.fits", "MASTER_BIAS")
        return Outcome([place / "MASTER_BIAS-01.fits"], {2: "IFU 2: no frames"})

    status, said = talk(work)
    assert status == 1 and [one[0] for one in said] == ["product", "error", "end"]
    assert said[1][2] == "IFU 2: no frames" and said[2][1] == "illegal-output" and "IFU 2" in said[2][2]


def raises(error):
    def work(place, channel):
        (place / "half.fits").write_text("half")
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (MusedeepError("a.fits: no frame"), "illegal-input", "a.fits: no frame"),
        (OSError(28, "No space left on device", "b.fits"), "file-io", "b.fits: No space left on device"),
        (OSError("odd"), "file-io", "odd"),
        (MemoryError(), "unspecified", "out of memory; set MUSEDEEP_MEMORY, as in 2GiB"),
        (KeyboardInterrupt(), "unspecified", "interrupted"),
        (ZeroDivisionError("by zero"), "unspecified", "unexpected ZeroDivisionError: by zero"),
    ],
)
def test_errors(error, status, reason, talk, tmp_path):
    code, said = talk(raises(error))
    assert code == 1 and said[-1] == ["end", status, reason]
    assert {one[0] for one in said[:-1]} <= {"debug"}
    assert not list(tmp_path.iterdir())


def test_another_version(talk):
    _, said = talk(lambda place, channel: Outcome(), version="0.0.9")
    assert said[0][0] == "warning" and "the plugin was built with musedeep 0.0.9" in said[0][2]


def test_unknown_recipe(talk):
    status, said = talk(lambda place, channel: Outcome(), name="muse_bais")
    assert status == 1 and said == [["end", "unsupported", "no recipe 'muse_bais'; did you mean muse_bias?"]]


@pytest.mark.parametrize(
    ("recipe", "tag", "facts"),
    [
        ("muse_flat", "TRACE_TABLE", ("table", "final")),
        ("muse_flat", "MASTER_FLAT", ("image", "final")),
        ("muse_scibasic", "PIXTABLE_SKY", ("image", "intermediate")),
        ("muse_scibasic", "SKY_RED", ("image", "intermediate")),
        ("muse_scipost", "DATACUBE_FINAL", ("image", "final")),
    ],
)
def test_facts(recipe, tag, facts):
    assert facts_of(recipes()[recipe], tag) == (tag, *facts)


def test_formats():
    assert format_of(recipes()["muse_scibasic"], "STD_RESAMPLED") is Format.PLANE
    assert format_of(recipes()["muse_scibasic"], "MASTER_BIAS") is None


def test_process(tmp_path):
    """What libraries print does not disturb the answers, and the end of the channel ends the process."""
    program = "import os, time; from musedeep.esorex import plugin\n"
    program += "plugin.outcome_of = lambda *_: (os.system('echo stray'), print('stray'), time.sleep(60))\n"
    program += "plugin.main()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        rows = [("plugin", "old"), ("recipe", "muse_bias"), ("run",)]
        running.stdin.write(request_of(*rows).getvalue())
        running.stdin.flush()
        said = [fields_of(running.stdout.readline())]
        said += [fields_of(line) for line in running.communicate()[0].splitlines(keepends=True)]
    assert [one[0] for one in said] == ["warning", "end"] and said[1] == ["end", "unspecified", "interrupted"]
    assert not list(tmp_path.iterdir())
