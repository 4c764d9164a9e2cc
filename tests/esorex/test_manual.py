"""Help, manual pages and lists, from the declarations."""

import re
import subprocess
import sys

import pytest

from musedeep import __version__
from musedeep.esorex.manual import (
    BANNER,
    help_text,
    man_page,
    option_list,
    parameter_list,
    recipe_help,
    recipe_list,
    version_text,
)
from musedeep.esorex.options import OPTIONS
from musedeep.esorex.parameters import cpl_parameters
from musedeep.recipes.registry import declared, recipes
from tests.makers.places import ROOT


def test_version():
    assert BANNER.strip() == "***** ESO Recipe Execution Tool, version 3.13.6  *****"
    assert f"musedeep {__version__}" in version_text()


def test_help_of_esorex():
    text = help_text({"time": True}, 80)
    assert re.findall(r"^  --(\S+) +: ", text, re.M) == [one.alias for one in OPTIONS]
    assert "Environment variable: ESOREX_TIME. [TRUE]" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", declared())
def test_help_and_manual_page_of_each_recipe(name):
    recipe = declared()[name]
    parameters = cpl_parameters(recipe)
    for text in (recipe_help(recipe, width=80), man_page(recipe, width=80).partition("\nOPTIONS")[2]):
        options = re.findall(r"^  --(\S+) +: ", text, re.M)
        assert options == [one.alias for one in parameters if not one.hidden]
        behind = [line for line in text.splitlines() if re.match(r" {26}|  --", line)]
        assert all(len(line) <= 80 for line in behind)
    hidden = re.findall(r"^  --(\S+) +: ", recipe_help(recipe, hidden=True, width=80), re.M)
    assert hidden == [one.alias for one in parameters]


def test_sections_of_a_manual_page():
    page = man_page(declared()["muse_scibasic"], width=80)
    sections = re.findall(r"^[A-Z]+$", page, re.M)
    assert sections == ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "AUTHOR", "BUGS", "RELEASE", "LICENSE"]
    assert "\n   MASTER_BIAS          calib Y      Master bias of the IFU\n" in page
    assert "\n   ILLUM                calib .    1 Raw lamp flat" in page
    # once, though a store and a FITS file have it
    assert page.count("\n   PIXTABLE_STD ") == 1


def test_values_in_help_are_those_that_hold():
    recipe = declared()["muse_bias"]
    assert "[7]" in recipe_help(recipe, values={"nlow": 7}) and "[7]" in man_page(recipe, values={"nlow": 7})


def test_lists():
    assert re.findall(r"^  (muse_\w+) *: ", recipe_list(80), re.M) == list(recipes())
    assert "  recipe-dir            : /x\n" in option_list({"recipe-dir": "/x"})
    bias = parameter_list(cpl_parameters(declared()["muse_bias"]), {"nifu": 3})
    assert bias.startswith("Recipe Parameters :\n\n  nifu                  : 3\n  overscan              : vpoly\n")


def test_version_and_help_of_esorex_load_no_recipe():
    code = (
        "import sys; from musedeep.esorex.main import run; run(['--version']); run(['--help']); run(['--params']); "
        "print([name for name in sys.modules if name.startswith(('pydantic', 'musedeep.recipes'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"
