"""Declarations of recipes, held against what the reference says of its own: inputs, parameters, products."""

import json
import re
import subprocess

import pytest

from musedeep.declaration import Recipe
from musedeep.esorex.parameters import CplParameter, cpl_parameters
from musedeep.recipes.registry import declared

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("reference_installed")]


WRITTEN = {"PIXTABLE_OBJECT": "PIXTABLE_REDUCED"}
"""Products of the steps of muse_scipost that the reference writes under another category than its page says."""


def manual_of(name: str) -> str:
    """The manual page of a recipe."""
    done = subprocess.run(["esorex", "--man-page", name], capture_output=True, text=True, check=True)
    return done.stdout


def frames_of(page: str) -> dict[str, tuple[str, str]]:
    """Tag, type (raw, calib), required (Y or .) of the frames that go in."""
    rows = re.findall(r"^ +([A-Z][A-Z0-9_]+) +(raw|calib) +([Y.]) ", page, re.M)
    return {tag: (kind, required) for tag, kind, required in rows}


def products_of(page: str) -> set[str]:
    """Categories of products."""
    return set(re.findall(r"^ +([A-Z][A-Z0-9_]+) +(?:intermed|final) ", page, re.M))


def parameters_of(name: str, directory) -> list[dict]:
    """Each parameter as CPL has it, those too that the manual page hides, in the order of headers."""
    path = directory / f"{name}.json"
    subprocess.run(["esorex", f"--create-config={path}", name], capture_output=True, check=True)
    return json.loads(path.read_text())


def as_json(one: CplParameter) -> dict:
    """A parameter of ours as esorex writes it, without its description."""
    limits = {"valmin": one.limits[0], "valmax": one.limits[1]} if one.limits else {}
    choices = {"valenum": list(one.choices)} if one.choices else {}
    kind = {"valtype": one.type, "partype": one.partype}
    return {"name": one.name, "value": one.default} | kind | limits | choices | {"display_name": one.alias}


@pytest.mark.parametrize("name", declared())
def test_parameters_are_those_of_the_reference(name, tmp_path):
    ours = [as_json(one) for one in cpl_parameters(declared()[name]) if not one.own]
    theirs = parameters_of(name, tmp_path)
    assert ours == [{key: value for key, value in one.items() if key in ours[k]} for k, one in enumerate(theirs)]
    assert all(set(one) - {"description", "recipe"} == set(ours[k]) for k, one in enumerate(theirs))
    assert all(one["recipe"] == name for one in theirs)


def test_own_parameters():
    own = {(name, one.alias) for name, recipe in declared().items() for one in cpl_parameters(recipe) if one.own}
    assert own == {
        ("muse_create_sky", "unbiased"),
        ("muse_create_sky", "water"),
        ("muse_exp_combine", "rejection"),
        ("muse_geometry", "saveimage"),
        ("muse_scibasic", "skyneighbours"),
        ("muse_scipost", "reduced"),
        ("muse_scipost", "unbiased"),
        ("muse_scipost", "water"),
        ("muse_scipost_calibrate_flux", "water"),
        ("muse_standard", "telluric"),
        ("muse_twilight", "vignloss"),
    }


@pytest.mark.parametrize("name", declared())
def test_hidden_parameters(name):
    shown = re.findall(r"^  --(\w+)", manual_of(name).partition("\nOPTIONS")[2], re.M)
    assert [one.alias for one in cpl_parameters(declared()[name]) if not (one.own or one.hidden)] == shown


@pytest.mark.parametrize("name", declared())
def test_inputs(name):
    recipe: Recipe = declared()[name]
    theirs = frames_of(manual_of(name))
    assert theirs and {one.name for one in recipe.inputs} == set(theirs)
    required = {one.name for one in recipe.inputs if one.minimum > 0}
    assert required <= {tag for tag, (_, needed) in theirs.items() if needed == "Y"}
    assert {one.name for one in recipe.inputs if one.raw} <= {tag for tag, (kind, _) in theirs.items() if kind == "raw"}


@pytest.mark.parametrize("name", declared())
def test_products(name):
    recipe: Recipe = declared()[name]
    page = manual_of(name)
    tags = {tag for tag, (kind, _) in frames_of(page).items() if kind == "raw"}
    ours = {one.category.replace("TAG", tag) for one in recipe.products for tag in tags}
    theirs = products_of(page)
    if name.startswith("muse_scipost_"):
        theirs = {WRITTEN.get(category, category) for category in theirs}
    assert theirs <= ours
