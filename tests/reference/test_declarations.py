"""Declarations of recipes, held against what the reference says of its own: inputs, parameters, products."""

import re
import subprocess

import pytest

from musedeep.declaration import Recipe
from musedeep.recipes.registry import declared

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("reference_installed")]


OWN = {"muse_geometry": {"saveimage"}, "muse_twilight": {"vignloss"}}
"""Parameters that the reference does not have, though they count as given in headers."""

DESCRIBED = {"ovscreject"}
"""Parameters whose choices the reference names in their descriptions alone."""

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


def parameters_of(name: str, directory) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Default and choices of each parameter, those too that the manual page hides, in the order of headers."""
    path = directory / f"{name}.rc"
    subprocess.run(["esorex", f"--create-config={path}", name], capture_output=True, check=True)
    found = {}
    for block in path.read_text().split("\n# --")[1:]:
        text = " ".join(line.strip("# ") for line in block.splitlines() if line.startswith("#"))
        # a parameter without a default is commented out
        match = re.search(rf"^#?muse\.{name}\.(\w+)=(.*)$", block, re.M)
        assert match, block
        key, value = match.groups()
        listed = re.search(r"<([^<>]* \| [^<>]*)>", text)
        found[key] = value, tuple(listed[1].split(" | ")) if listed else ()
    return found


def same(ours, theirs: str) -> bool:
    """Whether a default is that of the reference, which prints numbers with few digits."""
    if isinstance(ours, bool):
        return str(ours).upper() == theirs
    if isinstance(ours, int | float):
        return float(theirs) == pytest.approx(ours, rel=5e-3)
    return ours == theirs


@pytest.mark.parametrize("name", declared())
def test_parameters_with_defaults_and_choices(name, tmp_path):
    recipe: Recipe = declared()[name]
    theirs = parameters_of(name, tmp_path)
    ours = {one.name: one for one in recipe.parameters if one.neutral is None and one.name not in OWN.get(name, ())}
    assert list(ours) == list(theirs)
    wrong = [
        (key, ours[key].default, value) for key, (value, _) in theirs.items() if not same(ours[key].default, value)
    ]
    assert not wrong
    for key in set(theirs) - DESCRIBED:
        choices = theirs[key][1]
        assert set(ours[key].choices) == set(choices), key


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
