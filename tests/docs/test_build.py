"""The documentation builds without a warning: every page is in the navigation, every link and picture resolves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from musedeep import __version__
from musedeep.recipes.registry import recipes
from tests.makers.places import ROOT

LARGEST_PICTURE = 150_000
"""Bytes."""

SCREEN = 50
"""Lines of a Method at most."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="needs pip install '.[docs]'")
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    # a page outside the navigation is only information to mkdocs
    assert 'not included in the "nav"' not in done.stdout, done.stdout
    return directory


@pytest.mark.parametrize("name", recipes())
def test_page_of_a_recipe_has_all_that_is_declared(site: Path, name: str) -> None:
    recipe = recipes()[name]
    page = (site / "recipes" / name / "index.html").read_text()
    for word in [
        *(tag.name for tag in recipe.inputs), *(p.name for p in recipe.parameters), *(p.name for p in recipe.products),
        *(q.keyword for q in recipe.quality),
    ]:  # fmt: skip
        assert word in page, word


def test_no_page_loads_anything_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe)[^>]+src=\"(https?:[^\"]+)|<link[^>]+href=\"(https?:[^\"]+)", page.read_text()
        )
        assert not loaded, f"{page}: {loaded}"


def test_methods_fit_a_screen_and_belong_to_a_recipe() -> None:
    methods = {path.stem: path.read_text() for path in (ROOT / "docs" / "recipes" / "methods").glob("*.md")}
    assert set(methods) == set(recipes())
    assert {name for name, text in methods.items() if len(text.splitlines()) > SCREEN} == set()


def test_pictures_are_small_and_used() -> None:
    pages = "".join(p.read_text() for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size <= LARGEST_PICTURE, picture
        assert f"images/{picture.name}" in pages, f"{picture} is on no page"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_outside_the_site_resolve(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    assert links and not [link for link in links if not (ROOT / link).exists()]


def test_citation_has_what_the_format_needs() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["authors"] == [{"name": "musedeep developers"}]
    assert citation["version"] == __version__
