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

from musedeep.declaration import MIB, Input, Product, Recipe, Scope
from musedeep.recipes.registry import recipes

ROOT = Path(__file__).resolve().parent.parent
LOG = logging.getLogger("mkdocs.hooks")
"""Its warnings end `mkdocs build --strict`."""


def _table(heads: str, rows: list[str]) -> str:
    columns = heads.count("|") + 1
    return "\n".join([f"| {heads} |", "|" + "---|" * columns, *rows]) if rows else "None."


def recipe_page(recipe: Recipe[Any]) -> str:
    """The page of a recipe: its declaration as tables, and the Method that is written by hand."""
    method = ROOT / "docs" / "recipes" / "methods" / f"{recipe.name}.md"
    if not method.exists():
        LOG.warning(f"{recipe.name} has no Method; write docs/recipes/methods/{recipe.name}.md, at most a screen")
    inputs = [
        f"| `{one.name}` | {_number(one.minimum, one.maximum)} | {one.description} | {_association(one)} |"
        for one in recipe.inputs
    ]
    products = [
        f"| `{one.name}` | {one.description} | {one.format.value} | {_condition(one)} |" for one in recipe.products
    ]
    quality = [f"| `ESO QC {one.keyword}` | {one.description} |" for one in recipe.quality]
    cost = recipe.cost
    more = f", and {cost.memory_per_ifu / MIB:.0f} MiB for each IFU in addition" if cost.memory_per_ifu else ""
    memory = f"A call takes about {cost.memory / MIB:.0f} MiB of memory beyond the process itself{more}."
    if recipe.scope == Scope.EXPOSURES:  # it takes what it is allowed
        memory = ""
    return "\n\n".join(
        [
            f"# {recipe.name}",
            recipe.summary,
            f"```\nmusedeep recipe {recipe.name} [--PARAMETER=VALUE ...] FILE.sof\n```",
            f"A set-of-frames is for {recipe.scope.value}. {memory}",
            "## Method",
            method.read_text().strip() if method.exists() else "",
            "## Inputs",
            _table("tag | number | file | passed on by association", inputs),
            "## Parameters",
            recipe.parameter_table(),
            "## Products",
            _table("file | content | format | only with", products),
            "## Quality control",
            _table("keyword | meaning", quality),
        ]
    )


def _number(minimum: int, maximum: int | None) -> str:
    if maximum is None:
        return f"{minimum} or more" if minimum else "any"
    return f"{minimum}" if minimum == maximum else f"{minimum} or {maximum}"


def _association(one: Input) -> str:
    if one.left_out:
        return f"no: {one.left_out}"
    return "on demand" if one.on_demand else "yes"


def _condition(product: Product) -> str:
    choices = [product.when, product.or_when] if product.or_when is not None else [product.when]
    texts = [", ".join(f"`{name}={str(value).lower()}`" for name, value in c.items()) for c in choices if c]
    return " or ".join(texts)


def recipe_list() -> str:
    """All recipes, in the order of a reduction, with their pages."""
    return _table("recipe | purpose", [f"| [{name}]({name}.md) | {one.summary} |" for name, one in recipes().items()])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of the recipes to the section Recipes of the navigation."""
    section = next(entry["Recipes"] for entry in config.nav or [] if "Recipes" in entry)
    section += [{name: f"recipes/{name}.md"} for name in recipes()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the recipes to the files."""
    for name, recipe in recipes().items():
        files.append(File.generated(config, f"recipes/{name}.md", content=recipe_page(recipe)))
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
