"""The recipes as classes of PyCPL, found and run as pyesorex does.

`tests/makers/pyesorex.py` stands in for pyesorex, `tests/makers/pycpl` for PyCPL: neither is on PyPI. Where
MUSEDEEP_TEST_PYCPL names the directory of PyCPL's own module `cpl`, all tests run with that, too.
"""

import json
import os
import subprocess
import sys

import pytest
from astropy.io import fits

import musedeep
from musedeep.esorex.parameters import cpl_parameters
from musedeep.esorex.pyrecipe import DIRECTORY, RunsRecipe
from musedeep.recipes.registry import recipes
from tests.makers.field_tables import write_field_table
from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT
from tests.makers.raw_frames import write_biases

STAND_IN = ROOT / "tests/makers/pycpl"
PYCPL = os.environ.get("MUSEDEEP_TEST_PYCPL", "")


@pytest.fixture(
    params=[
        STAND_IN,
        pytest.param(PYCPL, marks=pytest.mark.skipif(not PYCPL, reason="no PyCPL: MUSEDEEP_TEST_PYCPL is not set")),
    ],
    ids=["stand-in", "PyCPL"],
    scope="module",
)
def python(request):
    """Runs Python with a module `cpl`."""

    def run(*arguments, cwd=ROOT):
        path = os.pathsep.join([str(ROOT), str(request.param), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": "error::RuntimeWarning"}
        words = [sys.executable, *map(str, arguments)]
        return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture
def pyesorex(python, tmp_path):
    """Runs recipes in `work` below the directory of the test: what became of each, and what was said of errors."""
    work = tmp_path / "work"
    work.mkdir()

    def run(*calls):
        words = []
        for number, (name, frames, *settings) in enumerate(calls):
            sof = tmp_path / f"{number}.sof"
            sof.write_text("".join(f"{path} {tag}\n" for path, tag in frames))
            words += ["AND", name, sof, *settings]
        done = python("-m", "tests.makers.pyesorex", DIRECTORY, *words, cwd=work)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr

    run.work = work
    return run


@pytest.fixture(scope="module")
def listed(python):
    done = python("-m", "tests.makers.pyesorex", DIRECTORY)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_folder_is_printed_without_pycpl():
    done = subprocess.run([sys.executable, "-m", "musedeep.esorex.pyrecipe"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == f"{DIRECTORY}\n"
    assert {path.name for path in DIRECTORY.rglob("*.py")} == {"__init__.py", "musedeep_recipes.py"}
    # pyesorex would make an object of it
    assert RunsRecipe.__bases__ == (object,)


def test_every_recipe_is_found(listed):
    assert set(listed) == set(recipes())
    for name, recipe in recipes().items():
        texts = listed[name]["texts"]
        assert texts["synopsis"] == recipe.summary and texts["version"] == musedeep.__version__
        assert all(one.name in texts["description"] for one in recipe.inputs)
        assert all(isinstance(text, str) for text in texts.values())


@pytest.mark.parametrize("name", recipes())
def test_parameters_are_those_of_cpl(listed, name):
    wanted = cpl_parameters(recipes()[name])
    assert [one["name"] for one in listed[name]["parameters"]] == [f"muse.{name}.{one.alias}" for one in wanted]
    for one, declared in zip(listed[name]["parameters"], wanted, strict=True):
        assert one["context"] == f"muse.{name}" and one["alias"] == declared.alias
        assert one["type"].lower() == declared.type and one["partype"] == declared.partype
        assert one["default"] == declared.default and type(one["default"]) is type(declared.default)
        assert one["description"] == declared.description
        if declared.partype == "enum":
            assert one["choices"] == list(declared.choices)
        if declared.partype == "range":
            low, high = one["limits"]
            assert low <= one["default"] <= high
            assert (low, high) == declared.limits


def test_a_recipe_on_raw_frames(pyesorex, tmp_path):
    sof, paths = write_biases(tmp_path, ifus=(2, 9))
    frames = [(path, "BIAS") for path in paths]
    (pyesorex.work / "MASTER_BIAS.fits").write_text("of an earlier run")
    (made,), _ = pyesorex(("muse_bias", [*frames, (sof, "UNKNOWN")], "--nifu=-1", "--merge=true"))
    product = {"file": "MASTER_BIAS.fits", "tag": "MASTER_BIAS", "group": "PRODUCT", "level": "FINAL", "type": "IMAGE"}
    assert made["products"] == [product]
    assert {one["tag"]: one["group"] for one in made["inputs"]} == {"BIAS": "RAW", "UNKNOWN": "NONE"}
    assert [path.name for path in pyesorex.work.iterdir()] == ["MASTER_BIAS.fits"]
    # the bits of the command
    musedeep.run_recipe("muse_bias", sof, tmp_path / "command", parameters={"nifu": -1, "merge": True})
    with fits.open(pyesorex.work / "MASTER_BIAS.fits") as here, fits.open(tmp_path / "command/MASTER_BIAS.fits") as by:
        assert [one.name for one in here] == [one.name for one in by]
        assert [one.header.get("DATASUM") for one in here] == [one.header.get("DATASUM") for one in by]
        header = here[0].header
    assert header["ESO PRO REC1 PARAM1 NAME"] == "nifu" and header["ESO PRO REC1 PARAM1 VALUE"] == "-1"


def test_pixel_tables_are_fits_alone(pyesorex, tmp_path):
    write_field_table(tmp_path / "t.fits")
    paths, _ = write_dithers(tmp_path, 2, step=0.0, slices=(1, 2, 3), wavelength=(7000.0, 7012.0))
    frames = [(path, "PIXTABLE_REDUCED") for path in paths]
    (corrected, combined), _ = pyesorex(
        ("muse_scipost_correct_rv", [(tmp_path / "t.fits", "PIXTABLE_OBJECT")], "--rvcorr=geo"),
        ("muse_exp_combine", frames, "--save=cube,combined", "--pixfrac=0.8"),
    )
    products = corrected["products"] + combined["products"]
    tags = ["PIXTABLE_REDUCED", "DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_COMBINED"]
    assert sorted(one["tag"] for one in products) == sorted(tags)
    assert {one["file"] for one in products} == {path.name for path in pyesorex.work.iterdir()}
    assert all(one["file"].endswith(".fits") and one["type"] == "IMAGE" for one in products)
    header = fits.getheader(pyesorex.work / "PIXTABLE_REDUCED_0001.fits")
    assert header["ESO PRO REC2 PARAM3 NAME"] == "rvcorr" and header["ESO PRO REC2 PARAM3 VALUE"] == "geo"


def test_what_is_wrong_is_an_error_of_cpl(pyesorex, tmp_path):
    _, paths = write_biases(tmp_path, ifus=(2,))
    frames = [(path, "BIAS") for path in paths]
    damaged = tmp_path / "damaged.fits"
    damaged.write_text("no FITS file")
    calls = {
        ("--nifu=99",): ("IllegalInputError", "muse_bias: nifu=99 is out of range, -1 to 24"),
        ("--overscan=perhaps",): ("IllegalInputError", "muse_bias: overscan=perhaps is not none, offset, vpoly"),
        ("--nifou=2",): ("IllegalInputError", "muse_bias: no parameter 'nifou'; did you mean nifu?"),
        ("--nifu=17",): ("IllegalOutputError", "CHAN17"),
    }
    wrong = [(frames, words, *error) for words, error in calls.items()]
    wrong.append((frames[:1], ["--nifu=2"], "DataNotFoundError", "muse_bias needs at least 3 BIAS, found 1"))
    wrong.append(([*frames, (damaged, "BIAS")], ["--nifu=2"], "IllegalOutputError", str(damaged)))
    made, complaints = pyesorex(*(("muse_bias", frames, *words) for frames, words, _, _ in wrong))
    for result, (_, _, error, message) in zip(made, wrong, strict=True):
        assert result["error"] == error and message in result["message"] and "\n" not in result["message"]
        assert result["message"] in complaints
    assert not list(pyesorex.work.iterdir())


REFUSED = {
    "a value of another type": "ui.ParameterValue('a', 'd', 'c', 'x').value = 2",
    "a truth value for a number": "ui.ParameterRange('a', 'd', 'c', 1, 0, 2).value = True",
    "text as limits": "ui.ParameterRange('a', 'd', 'c', 'x', 'a', 'z')",
    "a default that is no choice": "ui.ParameterEnum('a', 'd', 'c', 'z', ['x', 'y'])",
    "another default": "ui.ParameterValue('a', 'd', 'c', 1).default = 2",
    "an alias of no text": "ui.ParameterValue('a', 'd', 'c', 1).cli_alias = None",
    "a list of numbers": "ui.ParameterList([3])",
    "an unknown parameter": "ui.ParameterList([])['a']",
    "a file that is missing": "ui.Frame('no-such-file.fits', 'BIAS')",
    "a frame of no text": "ui.Frame('/', 3)",
    "a type by its name": "ui.Frame.FrameType['IMAGE']",
    "a set of paths": "ui.FrameSet().append('/')",
    "a message of no text": "core.Msg.info('muse_bias', 3)",
    "a recipe without name": "type('R', (ui.PyRecipe,), {'run': print})()",
    "a recipe that does not run": (
        "type('R', (ui.PyRecipe,), dict.fromkeys(['_name', '_author', '_copyright', '_description', '_email', "
        "'_synopsis', '_version'], ''))()"
    ),
}
ACCEPTED = {
    "values beyond a range": "p = ui.ParameterRange('a', 'd', 'c', 1, 0, 2); p.value = 9; assert p.value == 9",
    "values that are no choice": "p = ui.ParameterEnum('a', 'd', 'c', 'x', ['x']); p.value = 'y'; assert p.presence",
    "names by default": "p = ui.ParameterValue('a.b', 'd', 'c', 1.5); assert p.cli_alias == 'a.b' and not p.presence",
    "whole numbers as real ones": "p = ui.ParameterValue('a', 'd', 'c', 1.5); p.value = 2; assert p.value == 2.0",
    "errors as those of Python": "assert issubclass(core.IllegalInputError, ValueError)",
    "frames of the empty tag": "ui.FrameSet([ui.Frame('/')])",
}


TRIED = """
import json, sys
from cpl import core, ui
results = {}
for name, code in json.loads(sys.argv[1]).items():
    try:
        exec(code)
    except Exception as error:
        results[name] = type(error).__name__
print(json.dumps(results))
"""


def test_the_stand_in_is_as_strict_as_pycpl(python):
    """It refuses what PyCPL refuses, and accepts what PyCPL accepts."""
    done = python("-c", TRIED, json.dumps(REFUSED | ACCEPTED))
    assert done.returncode == 0, done.stderr
    refused = json.loads(done.stdout.splitlines()[-1])
    assert set(refused) == set(REFUSED) and not {"NameError", "SyntaxError"} & set(refused.values())
