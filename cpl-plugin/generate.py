"""Write the recipes of musedeep as C tables, from their declarations: python generate.py DIRECTORY.

recipes.c holds parameters, frames and texts of all recipes, and how musedeep is started: by the interpreter that runs
this script. recipes.mk names the recipes for make.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

try:
    import musedeep
except ModuleNotFoundError:
    sys.exit(f"{sys.executable} has no musedeep; give the Python that has it: make PYTHON=/path/to/venv/bin/python")
from musedeep.declaration import Format, Input, Recipe
from musedeep.esorex.manual import description
from musedeep.esorex.parameters import CplParameter, cpl_parameters
from musedeep.recipes.registry import recipes

REDUCED = "REDUCED"
"""The tag of reduced images that muse_scibasic takes in place of raw ones; they are not reduced again."""

TYPES = {"bool": "CPL_TYPE_BOOL", "int": "CPL_TYPE_INT", "double": "CPL_TYPE_DOUBLE", "string": "CPL_TYPE_STRING"}
KINDS = {
    "value": "CPL_PARAMETER_CLASS_VALUE",
    "range": "CPL_PARAMETER_CLASS_RANGE",
    "enum": "CPL_PARAMETER_CLASS_ENUM",
}
WIDTH = 100
"""Of lines in the C source [characters], about."""

AUTHORS = "the musedeep developers"
COPYRIGHT = """\
Copyright (c) 2026, the musedeep developers

Recipe and plugin are free software under the BSD 3-Clause License.
The plugin is linked with ESO's Common Pipeline Library, which is free
software under the GNU General Public License, version 2 or later."""


def text(content: str) -> str:
    """A string literal of C, in several lines where it is long."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "?": "\\?"}  # ?: no trigraphs
    lines = [
        piece
        for line in content.splitlines(keepends=True)
        for piece in re.findall(rf".{{1,{WIDTH}}}(?: |$)|\S+", line, re.DOTALL)
    ]
    return "\n        ".join('"' + "".join(escapes.get(c, c) for c in piece) + '"' for piece in lines or [""])


def structure(fields: Mapping[str, Any]) -> str:
    """A structure of C, one line per field where one line would be long."""
    words = [f".{name} = {value}" for name, value in fields.items()]
    line = f"{{ {', '.join(words)} }}"
    return line if len(line) < WIDTH else "{" + "".join(f"\n      {word}," for word in words) + "\n    }"


def strings(name: str, values: Iterable[str]) -> str:
    """An array of strings that ends with NULL."""
    return f"static const char *const {name}[] = {{ {', '.join([*map(text, values), 'NULL'])} }};\n"


def structures(kind: str, name: str, values: Iterable[Mapping[str, Any]]) -> str:
    """An array of structures that ends with an empty one."""
    rows = "".join(f"    {structure(value)},\n" for value in values)
    return f"static const {kind} {name}[] = {{\n{rows}    {{ 0 }}\n}};\n"


def parameter(one: CplParameter, choices: str) -> dict[str, Any]:
    """A `declared_parameter`; `choices` is the name of the array of its choices."""
    made: dict[str, Any] = {
        "name": text(one.name),
        "alias": text(one.alias),
        "type": TYPES[one.type],
        "kind": KINDS[one.partype],
        "description": text(one.description),
    }
    if one.type == "string":
        made["text"] = text(str(one.default))
    else:
        assert not isinstance(one.default, str)
        made["number" if one.type == "double" else "integer"] = +one.default  # of a truth value 0 or 1
    if one.limits:
        made |= {"low": float(one.limits[0]), "high": float(one.limits[1])}
    if one.choices:
        made["choices"] = choices
    return made | ({"hidden": 1} if one.hidden else {})


def takes_part(one: Input) -> bool:
    """Whether products are made of it, or with it: not a calibration."""
    return one.raw or bool(one.nearest) or one.name == REDUCED


def is_raw_tag(one: Input) -> bool:
    """Whether clients ask for its frames and products by this tag."""
    return one.raw or one.nearest == one.name or one.name == REDUCED


def counts(one: Input) -> dict[str, int]:
    """Numbers of files."""
    return {"minimum": one.minimum, "maximum": -1 if one.maximum is None else one.maximum}


def products(recipe: Recipe[Any], raw: Input) -> list[str]:
    """Tags of the products of a raw tag, each once."""
    if not raw.raw and raw.name != REDUCED:
        return []
    made = [one for one in recipe.products if one.format is not Format.STORE]
    if raw.name == REDUCED:
        made = [one for one in made if one.category != "TAG_RED"]
    return list(dict.fromkeys(one.category.replace("TAG", raw.name) for one in made))


def declaration(recipe: Recipe[Any]) -> tuple[str, dict[str, str]]:
    """Tables of a recipe, and its `declared_recipe`."""
    name, parameters = recipe.name, cpl_parameters(recipe)
    tables = "".join(strings(f"{name}_{one.alias}", one.choices) for one in parameters if one.choices)
    tables += structures(
        "declared_parameter", f"{name}_parameters", (parameter(one, f"{name}_{one.alias}") for one in parameters)
    )
    groups = {True: "CPL_FRAME_GROUP_RAW", False: "CPL_FRAME_GROUP_CALIB"}
    frames = [{"tag": text(one.name), "group": groups[takes_part(one)], **counts(one)} for one in recipe.inputs]
    tables += structures("declared_frame", f"{name}_frames", frames)
    raws = [one for one in recipe.inputs if is_raw_tag(one)]
    others = [frame for one, frame in zip(recipe.inputs, frames, strict=True) if not is_raw_tag(one)]
    tables += structures("declared_frame", f"{name}_inputs", others)
    for one in raws:
        tables += strings(f"{name}_products_{one.name}", products(recipe, one))
    entries = [
        {"tag": text(one.name), **counts(one), "inputs": f"{name}_inputs", "outputs": f"{name}_products_{one.name}"}
        | ({"minimum": 1} if one.name == REDUCED else {})
        for one in raws
    ]
    tables += structures("declared_raw", f"{name}_raws", entries)
    return tables, {
        "name": text(name),
        "synopsis": text(recipe.summary),
        "description": text("\n".join(description(recipe)) + "\n"),
        "parameters": f"{name}_parameters",
        "frames": f"{name}_frames",
        "raws": f"{name}_raws",
    }


def python_path() -> str | None:
    """Directory of musedeep, if the interpreter by itself would find none, or another one."""
    here = Path(musedeep.__file__).resolve().parent.parent
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    code = "import musedeep; print(musedeep.__file__)"
    found = subprocess.run([sys.executable, "-P", "-c", code], env=bare, capture_output=True, text=True, check=False)
    alone = found.returncode == 0 and Path(found.stdout.strip()).resolve().parent.parent == here
    return None if alone else str(here)


def main(directory: Path) -> None:
    """Write the files."""
    made = [declaration(recipe) for recipe in recipes().values()]
    path = python_path()
    source = f"""/* Written by generate.py from the declarations of musedeep {musedeep.__version__} */
#include "recipe.h"

const char musedeep_version[] = {text(musedeep.__version__)};
const char musedeep_python[] = {text(sys.executable)};
const char *const musedeep_python_path = {text(path) if path else "NULL"};
const char musedeep_authors[] = {text(AUTHORS)};
const char musedeep_copyright[] = {text(COPYRIGHT)};

{"".join(tables + chr(10) for tables, _ in made)}const declared_recipe musedeep_recipes[] = {{
{"".join(f"    {structure(entry)}," + chr(10) for _, entry in made)}    {{ 0 }}
}};
"""
    (directory / "recipes.c").write_text(source, encoding="utf-8")
    (directory / "recipes.mk").write_text(f"RECIPES := {' '.join(recipes())}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
