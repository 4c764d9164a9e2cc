"""Pages that mkdocs builds from the code: one for each recipe, and their list.

A line `{{ file PATH }}` of any page becomes the text of a file of the repository, `{{ yaml PATH }}` the same as a
block, `{{ list recipes }}` the list.
"""

import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from musedeep.cli.recipe import RECIPES, declared

ROOT = Path(__file__).resolve().parent.parent
LOG = logging.getLogger("mkdocs.hooks")
"""Its warnings end `mkdocs build --strict`."""


def _table(heads: str, rows: list[str]) -> str:
    columns = heads.count("|") + 1
    return "\n".join([f"| {heads} |", "|" + "---|" * columns, *rows]) if rows else "None."


def recipe_page(name: str) -> str:
    """The page of a recipe: its declaration as tables, and the Method that is written by hand."""
    recipe = declared(name)
    method = ROOT / "docs" / "recipes" / "methods" / f"{name}.md"
    if not method.exists():
        LOG.warning(f"{name} has no Method; write docs/recipes/methods/{name}.md, at most a screen")
    inputs = [f"| `{tag.name}` | {_number(tag.minimum, tag.maximum)} | {tag.description} |" for tag in recipe.tags]
    products = [f"| `{product.name}` | {product.description} |" for product in recipe.products]
    quality = [f"| `ESO QC {word.keyword}` | {word.description} |" for word in recipe.quality]
    return "\n\n".join(
        [
            f"# {name}",
            recipe.summary,
            f"```\nmusedeep recipe {name} [--PARAMETER=VALUE ...] FILE.sof\n```",
            "## Method",
            method.read_text().strip() if method.exists() else "",
            "## Inputs",
            _table("tag | number | file", inputs),
            "## Parameters",
            recipe.parameter_table(),
            "## Products",
            _table("file | content", products),
            "## Quality control",
            _table("keyword | meaning", quality),
        ]
    )


def _number(minimum: int, maximum: int | None) -> str:
    if maximum is None:
        return f"{minimum} or more" if minimum else "any"
    return f"{minimum}" if minimum == maximum else f"{minimum} or {maximum}"


def recipe_list() -> str:
    """All recipes, in the order of a reduction, with their pages."""
    return _table("recipe | purpose", [f"| [{name}]({name}.md) | {declared(name).summary} |" for name in RECIPES])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of the recipes to the section Recipes of the navigation."""
    section = next(entry["Recipes"] for entry in config.nav or [] if "Recipes" in entry)
    section += [{name: f"recipes/{name}.md"} for name in RECIPES]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the recipes to the files."""
    for name in RECIPES:
        files.append(File.generated(config, f"recipes/{name}.md", content=recipe_page(name)))
    return files


def _file(path: str) -> str:
    # the page has its own title
    return re.sub(r"\A# .*\n", "", (ROOT / path).read_text())


def _yaml(path: str) -> str:
    return f"```yaml\n{(ROOT / path).read_text().rstrip()}\n```"


MAKERS = {"file": _file, "yaml": _yaml, "list": lambda _: recipe_list()}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the lines of a page that ask for a text."""
    return re.sub(r"^\{\{ (\w+) (\S+) \}\}$", lambda m: MAKERS[m[1]](m[2]), markdown, flags=re.MULTILINE)
