"""What esorex prints on request: version, help, manual pages, lists of recipes and of parameters.

The layout is that of esorex, so that programs can read it; the texts come from the declarations.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from musedeep import __version__
from musedeep.esorex.layout import LABEL, hanging, listed, terminal_width
from musedeep.esorex.options import ESOREX_VERSION, OPTIONS
from musedeep.esorex.parameters import CplParameter, cpl_parameters, explained, printed

if TYPE_CHECKING:
    from musedeep.declaration import Input, Recipe, Value

PIPELINE_VERSION: Final = "2.8.7"
"""Of the MUSE pipeline that has these recipes, parameters and products."""

BANNER: Final = f"\n     ***** ESO Recipe Execution Tool, version {ESOREX_VERSION}  *****\n"

SELF: Final = f"musedeep {__version__}, with the command line of esorex {ESOREX_VERSION}"

LICENCE: Final = (
    "This file is part of musedeep.",
    "Copyright (c) 2026, the musedeep developers",
    "",
    "Redistribution and use in source and binary forms, with or without",
    "modification, are permitted under the terms of the BSD 3-Clause License,",
    "which comes with musedeep in the file LICENSE. There is no warranty.",
)

EXPLAINED: Final = (
    "The options of esorex itself are shown by 'esorex --help', without a recipe.\n"
    "'esorex --man-page {name}' also shows frames, products and quality\n"
    "keywords of the recipe.\n"
)

FILES: Final = (
    "  A configuration file with these options, to be edited, is written by\n"
    "  'esorex --create-config {name}'; see 'esorex --help'."
)


def version_text() -> str:
    """What --version prints behind the banner."""
    return f"{SELF},\nand the recipes and parameters of the MUSE pipeline {PIPELINE_VERSION}.\n"


def help_text(values: "Mapping[str, Value]", width: int | None = None) -> str:
    """What --help prints without a recipe; `values` of the options by alias, of those left out the defaults."""
    width = width or terminal_width()
    usage = "Usage: esorex [esorex-options] recipe [recipe-options] sof"
    return "\n".join([usage, "", "Options:", "", *(option_entry(one, values, width) for one in OPTIONS), "", SELF, ""])


def option_list(values: "Mapping[str, Value]") -> str:
    """What --params prints of esorex itself."""
    return _list("Caller", OPTIONS, values)


def parameter_list(parameters: Iterable[CplParameter], values: "Mapping[str, Value]") -> str:
    """What --params prints of a recipe."""
    return _list("Recipe", parameters, values)


def recipe_list(width: int | None = None) -> str:
    """What --recipes prints."""
    from musedeep.recipes.registry import recipes

    width = width or terminal_width()
    entries = [listed(name, recipe.summary, width) for name, recipe in recipes().items()]
    return "\n".join(["List of Available Recipes :", "", *entries, ""])


def recipe_help(
    recipe: "Recipe[Any]", hidden: bool = False, values: "Mapping[str, Value] | None" = None, width: int | None = None
) -> str:
    """What --help RECIPE prints.

    Parameters
    ----------
    hidden : whether parameters are shown that are seldom needed
    values : by alias; of those that are left out the defaults
    width : columns; None: those of the terminal
    """
    width = width or terminal_width()
    lines = [
        hanging("Recipe: ", f"{recipe.name} -- {recipe.summary}", width, 2),
        "",
        f"Usage: esorex [esorex-options] {recipe.name} [{recipe.name}-options] sof",
        "",
        "Options:",
        "",
        *_options(recipe, hidden, values or {}, width),
        "",
        EXPLAINED.format(name=recipe.name),
    ]
    return "\n".join(lines)


def man_page(
    recipe: "Recipe[Any]", hidden: bool = False, values: "Mapping[str, Value] | None" = None, width: int | None = None
) -> str:
    """What --man-page RECIPE prints; see `recipe_help`."""
    width = width or terminal_width()
    options = _options(recipe, hidden, values or {}, width)
    provided = [
        "  The following options are provided by this recipe.",
        "",
        *options,
        "",
        FILES.format(name=recipe.name),
    ]
    sections = {
        "NAME": [hanging(f"  {recipe.name} -- ", recipe.summary, width - 2)],
        "SYNOPSIS": [f"  esorex [esorex-options] {recipe.name} [{recipe.name}-options] sof"],
        "DESCRIPTION": [f"  {line}" for line in description(recipe)],
        "OPTIONS": provided if options else ["  No options are provided by this recipe."],
        "AUTHOR": ["  The musedeep developers"],
        "BUGS": ["  Please report any problems with this recipe to the musedeep developers, with its log file."],
        "RELEASE": [
            f"  {recipe.name} -- musedeep {__version__}, with the parameters of MUSE pipeline {PIPELINE_VERSION}"
        ],
        "LICENSE": [f"  {line}" for line in LICENCE],
    }
    return "\n".join("\n".join([name, *lines, ""]) for name, lines in sections.items())


def _list(title: str, parameters: Iterable[CplParameter], values: "Mapping[str, Value]") -> str:
    entries = [f"  {one.alias:<{LABEL}}: {printed(values.get(one.alias, one.default))}" for one in parameters]
    return "\n".join([f"{title} Parameters :", "", *entries, ""])


def _options(recipe: "Recipe[Any]", hidden: bool, values: "Mapping[str, Value]", width: int) -> list[str]:
    shown = [one for one in cpl_parameters(recipe) if hidden or not one.hidden]
    return [option_entry(one, values, width) for one in shown]


def option_entry(one: CplParameter, values: "Mapping[str, Value]", width: int) -> str:
    """An option in help and manual pages."""
    return listed(f"--{one.alias}", f"{explained(one)} [{printed(values.get(one.alias, one.default))}]", width)


def description(recipe: "Recipe[Any]") -> list[str]:
    """Purpose, frames, products and quality keywords; the frames are said once for all raw tags, with the first."""
    tag = recipe.raws[0].name
    frames = [
        f'Input frames for raw frame tag "{tag}":',
        "",
        " Frame tag            Type Req #Fr Description",
        " -------------------- ---- --- --- ------------",
        *(_frame(one) for one in recipe.inputs),
    ]
    made = [
        f'Product frames for raw frame tag "{tag}":',
        "",
        " Frame tag            Description",
        " -------------------- ------------",
        *(f" {category:<20} {description}" for category, description in _products(recipe).items()),
    ]
    quality = [f" {one.keyword} -- {one.description}" for one in recipe.quality]
    keywords = ["", "Keywords of quality (ESO QC ...):", "", *quality] if quality else []
    return [recipe.summary, "", *frames, "", *made, *keywords]


def _products(recipe: "Recipe[Any]") -> dict[str, str]:
    """Descriptions by category; a pixel table, which esorex gives as FITS, has that of its store."""
    found: dict[str, str] = {}
    for one in recipe.products:
        for raw in recipe.raws if "TAG" in one.category else recipe.raws[:1]:
            found.setdefault(one.category.replace("TAG", raw.name), one.description)
    return found


def _frame(one: "Input") -> str:
    number = str(one.maximum) if one.maximum else f">={one.minimum}" if one.minimum > 1 else ""
    kind = "raw" if one.raw else "calib"
    required = "Y" if one.minimum or one.needed else "."
    return f" {one.name:<20} {kind:<5} {required} {number:>4} {one.description}"
