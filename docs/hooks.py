"""What the documentation takes from the code: parameters from declarations, figures from the benchmarks.

A line `{{ parameters NAME }}` becomes the table of a recipe's parameters, `{{ products NAME }}` that of its
products, `{{ file PATH }}` the text of a file of the repository, `{{ block PATH }}` the same in a block.
"""

import re
from pathlib import Path
from typing import Any

from musedeep.cli.recipe import declared

ROOT = Path(__file__).resolve().parent.parent


def _products(name: str) -> str:
    rows = [f"| `{p.name}` | {p.description} |" for p in declared(name).products]
    return "\n".join(["| product | what it is |", "|---|---|", *rows])


def _text(path: str) -> str:
    if not (ROOT / path).exists():
        return f"`{path}` is not there; the commands of the [development](development.md) page make it."
    text = (ROOT / path).read_text()
    # the page has its own title
    return re.sub(r"\A# .*\n", "", text)


def _block(path: str) -> str:
    return f"```\n{(ROOT / path).read_text().rstrip()}\n```"


MAKERS = {
    "block": _block,
    "parameters": lambda name: declared(name).parameter_table(),
    "products": _products,
    "file": _text,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for every page."""
    return re.sub(r"^\{\{ (\w+) (\S+) \}\}$", lambda m: MAKERS[m[1]](m[2]), markdown, flags=re.MULTILINE)
