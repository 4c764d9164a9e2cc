"""The floors of the house: each imports from those beneath it alone, no import runs in a circle, tests mirror it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers.places import ROOT

FLOORS = (
    ("kernels",), ("storage",), ("statics",), ("reduction",), ("recipes", "quality"), ("graph",), ("selection",),
    ("campaign",), ("simulate",), ("api",), ("cli", "esorex"), ("tools",),
)  # fmt: skip
"""From the lowest to the highest; below all of them are the modules of the package itself."""

LANES = ("makers", "reference", "clients", "cluster", "fuzz", "docs")
"""Folders of tests that mirror no part of the package."""

PACKAGE = ROOT / "musedeep"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of each import of the package in a file, wherever it stands.

    Those of the package itself for type checkers do not count: its public names are loaded when they are used.
    """
    tree = ast.parse(path.read_text())
    if path == PACKAGE / "__init__.py":
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names if name.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "musedeep":
            assert not node.level, f"{path}:{node.lineno}: give the whole name"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield node.lineno, full if full in FILES else node.module


IMPORTS = {name: [(line, module) for line, module in imported(path) if module != name] for name, path in FILES.items()}


def floor(module: str) -> int:
    """Number of the floor, 0 for the modules of the package itself."""
    part = (module.split(".") + [""])[1]
    return next((k for k, parts in enumerate(FLOORS, 1) if part in parts), 0)


def folder(module: str, depth: int) -> list[str]:
    return module.split(".")[:depth]


@pytest.mark.parametrize("name", FILES)
def test_imports_point_down(name):
    if name in ("musedeep", "musedeep.__main__"):
        return
    for line, module in IMPORTS[name]:
        own = floor(module) == floor(name) and folder(module, 2) == folder(name, 2)
        below = floor(module) < floor(name) or floor(name) == 0 == floor(module)
        assert own or below, f"{FILES[name]}:{line}: {module} is not beneath"


def test_no_recipe_imports_another():
    for name in FILES:
        if name.startswith("musedeep.recipes.") and name.count(".") > 2:
            for line, module in IMPORTS[name]:
                if module.startswith("musedeep.recipes.") and module.count(".") > 2:
                    assert folder(module, 3) == folder(name, 3), f"{FILES[name]}:{line}: put it into reduction"


def test_no_import_runs_in_a_circle():
    """Each module is removed once all that it imports are; what is left runs in circles."""
    left = {name: {module for _, module in imports} for name, imports in IMPORTS.items()}
    while free := [name for name, modules in left.items() if not modules & left.keys()]:
        for name in free:
            del left[name]
    # what merely imports a circle is none of it
    while free := [name for name in left if not any(name in modules for modules in left.values())]:
        for name in free:
            del left[name]
    assert not left


def test_tests_mirror_the_package():
    """tests/A/test_B.py and tests/A/test_B_SUBJECT.py test musedeep/A/B.py."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests")
        if place.parts[0] in LANES or path.name == "test_floors.py":
            continue
        modules = [file.stem for file in (PACKAGE / place.parent).glob("*.py")]
        subject = path.stem.removeprefix("test_")
        assert any(re.fullmatch(f"{module}(_.+)?", subject) for module in modules), f"{path}: of which module?"


def test_every_folder_is_on_a_floor():
    known = {part for parts in FLOORS for part in parts}
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == known
