"""`musedeep recipe`: which words are parameters, and which are files."""

import threading

import pytest

from musedeep.cli.errors import UsageProblem
from musedeep.cli.main import run
from musedeep.cli.recipe import declared, split_arguments
from musedeep.recipes.registry import recipes
from tests.makers.raw_frames import write_biases


@pytest.mark.parametrize(
    ("words", "given", "files"),
    [
        (["--merge", "x.sof"], {"merge": "true"}, ["x.sof"]),
        (["--merge"], {"merge": "true"}, []),
        (["--merge", "--nifu=3", "x.sof"], {"merge": "true", "nifu": "3"}, ["x.sof"]),
        (["--merge", "false", "x.sof"], {"merge": "false"}, ["x.sof"]),
        (["--merge=FALSE", "x.sof"], {"merge": "FALSE"}, ["x.sof"]),
        # a file is not a truth value, whatever it is called
        (["--merge", "1", "yes.sof"], {"merge": "true"}, ["1", "yes.sof"]),
        (["--nifu", "-1", "x.sof", "y.sof"], {"nifu": "-1"}, ["x.sof", "y.sof"]),
        (["--muse.muse_bias.merge", "x.sof"], {"merge": "true"}, ["x.sof"]),
        (["x.sof", "--merge"], {"merge": "true"}, ["x.sof"]),
    ],
)
def test_words_are_parameters_or_files(words, given, files):
    assert split_arguments(declared("muse_bias"), words) == (given, files)


@pytest.mark.parametrize("name", recipes())
def test_every_truth_value_may_stand_alone(name):
    recipe = declared(name)
    for p in recipe.parameters:
        if isinstance(p.default, bool):
            given, files = split_arguments(recipe, [f"--{p.name}", "x.sof"])
            assert files == ["x.sof"] and recipe.parse(given).texts()[p.name] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nifu"], "--nifu needs a value"),
        (["--nifu=", "x.sof"], "--nifu needs a value"),
        (["--merge=", "x.sof"], "--merge needs a value"),
        (["--no-merge", "x.sof"], "no parameter '--no-merge'; did you mean --merge?"),
        (["-nifu=3", "x.sof"], "no parameter '-nifu'; did you mean --nifu?"),
        (["--merge", "--merge=false"], "--merge is given twice"),
    ],
)
def test_wrong_words_are_refused(words, message):
    with pytest.raises(UsageProblem, match=message.replace("?", r"\?")):
        split_arguments(declared("muse_bias"), words)


def test_merging_two_ifus_with_the_bare_word(tmp_path, capsys):
    sof, _ = write_biases(tmp_path, ifus=(2, 9))
    assert run(["recipe", "muse_bias", "--merge", str(sof), "--output-dir", str(tmp_path / "out")]) == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["MASTER_BIAS.fits"]
    assert run(["recipe", "muse_bias", "--merge=perhaps", str(sof)]) == 2
    assert "merge=perhaps is not true or false" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--output-dir", "{here}/file"], 1, "{here}/file: is no directory; give another name"),
        (["--output-dir", "{here}/file/below"], 1, "{here}/file/below: cannot be written (Not a directory)"),
        (["--output-dir", "{here}/" + 300 * "n"], 1, "File name too long"),
        (["--output-dir", "/proc/none"], 1, "/proc/none: cannot be written"),
        (["--memory=-3GiB"], 2, "--memory -3GiB: not an amount of memory"),
        (["--overscan=vpoly:3,nan"], 2, "overscan=vpoly:3,nan is not none, offset, vpoly"),
        (["--nifu=99"], 2, "muse_bias: nifu=99 is out of range, -1 to 24; the default is 0"),
    ],
)
def test_bad_places_and_numbers_are_one_line(tmp_path, capsys, options, status, message):
    sof, _ = write_biases(tmp_path)
    (tmp_path / "file").write_text("")
    words = [word.format(here=tmp_path) for word in options]
    assert run(["recipe", "muse_bias", str(sof), *words]) == status
    (line,) = [x for x in capsys.readouterr().err.splitlines() if not x.startswith("compiled kernels")]
    assert line.startswith("musedeep: ") and message.format(here=tmp_path) in line
    assert (tmp_path / "file").read_text() == ""


def test_memory_is_kept_before_the_progress_has_a_thread(tmp_path, monkeypatch):
    """Else that thread has an arena of its own, and threads that follow share both: each keeps what arrays leave."""
    threads = []

    def kept():
        threads.append([thread.name for thread in threading.enumerate()])

    monkeypatch.setattr("musedeep.allocation.keep_freed_memory", kept)
    sof, _ = write_biases(tmp_path)
    assert run(["recipe", "muse_bias", "--nifu=1", str(sof), "--output-dir", str(tmp_path / "out")]) == 0
    assert threads and "progress" not in threads[0]
