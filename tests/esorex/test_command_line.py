"""The command line of esorex: which words are what, and which value counts."""

import logging
import os
import re

import pytest

from musedeep.esorex import command_line
from musedeep.esorex.command_line import (
    Words,
    asks_version,
    check_named,
    check_options,
    found,
    option_values,
    parted,
    recipe_values,
    values_of,
)
from musedeep.esorex.errors import REFUSED, UNKNOWN_PARAMETER, EsorexProblem
from musedeep.esorex.options import OPTIONS
from musedeep.esorex.parameters import cpl_parameters
from musedeep.recipes.registry import named

BIAS = cpl_parameters(named("muse_bias"))


def quiet(level, text):
    raise AssertionError(text)


@pytest.fixture(autouse=True)
def nothing_set(tmp_path, monkeypatch):
    """No configuration files, no variables of esorex, and a directory to be in."""
    for name in [name for name in os.environ if name.startswith("ESOREX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(command_line, "INSTALLED", tmp_path / "etc.rc")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], Words()),
        (["--time"], Words(["--time"])),
        (["muse_bias"], Words([], "muse_bias")),
        (["--time", "-log-dir=x", "muse_bias", "--merge", "x.sof"],
         Words(["--time", "-log-dir=x"], "muse_bias", ["--merge", "x.sof"])),
        (["--", "muse_bias", "x.sof"], Words([], "muse_bias", ["x.sof"])),
        (["--output-dir", "muse_bias", "x.sof"], Words(["--output-dir"], "muse_bias", ["x.sof"])),
    ],
)  # fmt: skip
def test_the_first_word_without_a_dash_is_the_recipe(words, parts):
    assert parted(words) == parts


@pytest.mark.parametrize(
    ("words", "values", "sources"),
    [
        (["--nifu=3", "x.sof"], {"nifu": 3}, ["x.sof"]),
        (["-nifu=3", "x.sof"], {"nifu": 3}, ["x.sof"]),
        (["--nifu=3", "--nifu=4"], {"nifu": 4}, []),
        (["--nifu=3.0"], {"nifu": 3}, []),
        (["--merge", "x.sof"], {"merge": True}, ["x.sof"]),
        (["--merge=FALSE", "--merge=true"], {"merge": True}, []),
        (["--nif=3"], {"nifu": 3}, []),
        (["--combine=median"], {"combine": "median"}, []),
        (["--overscan="], {"overscan": ""}, []),
        # what follows a set-of-frames is one
        (["x.sof", "--nifu=3"], {}, ["x.sof", "--nifu=3"]),
        (["--", "--nifu=3"], {}, ["--nifu=3"]),
        (["-", "x.sof"], {}, ["-", "x.sof"]),
    ],
)
def test_words_after_the_recipe(words, values, sources):
    assert recipe_values("muse_bias", words, BIAS, "", quiet) == (values, sources)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--nosuch=3", "Command line parameter '--nosuch=3' not recognized"),
        ("--help", "Command line parameter '--help' not recognized"),
        ("--muse.muse_bias.nifu=3", "Command line parameter '--muse.muse_bias.nifu=3' not recognized"),
        ("--n=3", "'--n=3' not recognized; it may be --nifu or --nlow or --nhigh or --nkeep"),
        ("--ov", "it may be --overscan or --ovscreject"),
        ("---nifu=3", "not recognized"),
        ("--=3", "not recognized"),
        ("--nifu=99", "outside the permitted range -1 to 24"),
        ("--nifu=", "'--nifu' needs an argument"),
        ("--merge=yes", "'Type mismatch' occurred during the processing of the option '--merge'"),
        ("--merge=True", "Type mismatch"),
        ("--combine=foo", "'Input data do not match' occurred during the processing of the option '--combine'"),
    ],
)
def test_refused_options(word, message):
    with pytest.raises(EsorexProblem, match=re.escape(message)) as caught:
        recipe_values("muse_bias", [word, "x.sof"], BIAS, "", quiet)
    assert caught.value.status == REFUSED


def test_a_number_without_value_is_passed_over():
    said = []
    values, sources = recipe_values("muse_bias", ["--nifu", "3"], BIAS, "", lambda *line: said.append(line))
    assert (values, sources) == ({}, ["3"])
    assert said == [(logging.ERROR, "'--nifu' needs an argument but none was specified...")]


def test_a_whole_name_counts_before_its_beginnings():
    assert found("--skymodel_fraction=1", cpl_parameters(named("muse_scipost")))[0].alias == "skymodel_fraction"
    assert found("--log-f=x", OPTIONS)[0].alias == "log-file"


def rc(path, **values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"esorex.caller.{name.replace('_', '-')}={value}\n" for name, value in values.items()))
    return path


def test_options_have_the_values_of_what_counts_most(tmp_path, monkeypatch):
    assert option_values([], quiet)["output-prefix"] == "out"
    rc(tmp_path / "etc.rc", output_prefix="installed", time="TRUE")
    assert option_values([], quiet)["output-prefix"] == "installed" and option_values([], quiet)["time"] is True
    # the file of the user stands for that of the installation
    rc(tmp_path / "home" / ".esorex" / "esorex.rc", output_prefix="user", log_file="u.log")
    values = option_values([], quiet)
    assert (values["output-prefix"], values["time"], values["log-file"]) == ("user", False, "u.log")
    # that of --config is read beside it
    rc(tmp_path / "c.rc", output_prefix="config")
    values = option_values(["--config=c.rc"], quiet)
    assert (values["output-prefix"], values["log-file"]) == ("config", "u.log")
    monkeypatch.setenv("ESOREX_CONFIG", "c.rc")
    monkeypatch.setenv("ESOREX_OUTPUT_PREFIX", "variable")
    assert option_values([], quiet)["output-prefix"] == "variable"
    assert option_values(["--output-prefix=given"], quiet)["output-prefix"] == "given"


def test_parameters_have_the_values_of_what_counts_most(tmp_path):
    user = tmp_path / "home" / ".esorex" / "muse_bias.rc"
    user.parent.mkdir(parents=True)
    user.write_text("muse.muse_bias.nifu=1\nmuse.muse_bias.nlow=2\n")
    (tmp_path / "r.rc").write_text("muse.muse_bias.nlow=3\nmuse.muse_bias.nhigh=4\n")
    values, _ = recipe_values("muse_bias", ["--nhigh=5"], BIAS, "r.rc", quiet)
    assert values == {"nifu": 1, "nlow": 3, "nhigh": 5}


def test_wrong_files_of_recipes_end_the_call_those_of_esorex_do_not(tmp_path):
    (tmp_path / "r.rc").write_text("nifu=3\n")
    with pytest.raises(EsorexProblem) as caught:
        recipe_values("muse_bias", [], BIAS, "r.rc", quiet)
    assert caught.value.status == UNKNOWN_PARAMETER
    (tmp_path / "c.rc").write_text("esorex.caller.time=TRUE\nesorex.caller.none=3\nesorex.caller.log-file=x\n")
    said = []
    values = option_values(["--config=c.rc"], lambda *line: said.append(line))
    assert values["time"] is True and values["log-file"] == "esorex.log"
    assert "esorex.caller.none" in said[0][1]


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--config=none.rc"], {}, "'--config=none.rc' was specified, but the file 'none.rc' could not be found."),
        ([], {"ESOREX_MSG_LEVEL": "foo"}, "option '--msg-level'"),
        ([], {"ESOREX_SUPPRESS_PREFIX": "yes"}, "option '--suppress-prefix'"),
        (["--products-sof="], {}, "'--products-sof' was specified, but no argument was given"),
        (["--config"], {}, "'--config' was specified, but no argument was given"),
        ([], {"ESOREX_RECIPE_CONFIG": ""}, "'--recipe-config' was specified"),
        (["--suppress=FALSE"], {}, "'--suppress=FALSE' not recognized"),
        (["--suppress-prefix=1"], {}, "option '--suppress-prefix'"),
    ],
)
def test_refused_options_of_esorex(monkeypatch, words, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EsorexProblem, match=re.escape(message)) as caught:
        option_values(words, quiet)
    assert caught.value.status == REFUSED


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"output-dir": "none"}, "The argument to '--output-dir' [none] is not a valid directory"),
        ({"log-dir": "none"}, "'--log-dir=none' specified, but 'none' is not a valid directory."),
        ({"suppress-link": False, "link-dir": "none"}, "The argument to '--link-dir' [none] is not a valid directory"),
        ({"recipe-config": "none.rc"}, "'--recipe-config=none.rc' was specified, but the file"),
        ({"paf-config": "none.paf"}, "'--paf-config=none.paf' specified, but 'none.paf' could not be opened"),
        ({"output-dir": ""}, "--output-dir has no value"),
        ({"log-file": ""}, "--log-file has no value"),
        ({"suppress-prefix": False, "output-prefix": ""}, "needs a prefix"),
    ],
)
def test_what_options_name_must_be_there(changed, message):
    values = option_values([], quiet)
    check_options(values | {"link-dir": "nowhere"})
    with pytest.raises(EsorexProblem, match=re.escape(message)):
        check_options(values | changed)


def test_a_refused_value_leaves_the_ones_before():
    before = {"nifu": 3}
    with pytest.raises(EsorexProblem):
        values_of(["--nifu=99"], BIAS, before, quiet)
    assert before == {"nifu": 3}


def test_options_that_name_a_file_have_a_value(monkeypatch):
    check_named(["--config=x.rc", "--products-sof=x.sof"])
    for words in (["--config="], ["--recipe-config"], ["--products-sof="], ["--paf-config="]):
        with pytest.raises(EsorexProblem, match="was specified, but no argument was given") as caught:
            check_named(words)
        assert caught.value.status == REFUSED
    monkeypatch.setenv("ESOREX_RECIPE_CONFIG", "")
    with pytest.raises(EsorexProblem, match="'--recipe-config' was specified"):
        check_named([])
    check_named(["--recipe-config=x.rc"])


def test_the_version_is_asked_for():
    assert asks_version(["--config=none.rc", "--version"]) and not asks_version(["--version", "--version=FALSE"])
