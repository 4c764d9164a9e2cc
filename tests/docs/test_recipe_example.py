"""The recipe on the page "Write a recipe" works as it is printed."""

import re
import sys
from types import ModuleType

import numpy as np
import pytest
from astropy.io import fits

from musedeep.recipes.run_ifus import RecipeCall
from tests.makers.places import ROOT
from tests.makers.raw_frames import write_biases


@pytest.fixture
def example(monkeypatch):
    """The modules of the page: the declaration and the work."""
    text = (ROOT / "docs" / "develop" / "write-a-recipe.md").read_text()
    found = {}
    for name, code in zip(("recipe", "work"), re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S), strict=True):
        module = ModuleType(f"musedeep.recipes.example.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(code, name, "exec"), module.__dict__)
        found[name] = module
    return found


def test_recipe_of_the_page(example, tmp_path):
    _, paths = write_biases(tmp_path, n=3)
    recipe = example["recipe"].RECIPE
    parameters = recipe.parse({"nifu": "1", "limit": "10"})
    (tmp_path / "out").mkdir()
    outcome = example["work"].run(RecipeCall({"BIAS": [str(path) for path in paths]}, parameters, tmp_path / "out"))
    assert not outcome.failures
    (path,) = outcome.paths
    with fits.open(path) as hdus:
        assert hdus["DATA"].data.shape == (300, 400)
        assert hdus[0].header["ESO QC EXAMPLE NBRIGHT"] == np.count_nonzero(hdus["DATA"].data > 10)
        assert hdus[0].header["ESO PRO CATG"] == "EXAMPLE"


def test_example_is_short(example):
    text = (ROOT / "docs" / "develop" / "write-a-recipe.md").read_text()
    code = "".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))
    assert len([line for line in code.splitlines() if line.strip()]) <= 55
