"""A stand-in of pyesorex, which is not on PyPI: how it finds and runs recipes in Python, as public recipes tell.

    python -m tests.makers.pyesorex DIRECTORY [RECIPE SOF [--NAME=VALUE ...] [AND RECIPE SOF ...]]

Every module below the directory is imported from its file; an object is made of each class derived from
`cpl.ui.PyRecipe`. Without a recipe, names, texts and parameters of all are printed as JSON. Otherwise options, by the
names for the command line, become settings by full name; the recipe runs on the set-of-frames, and what it says of its
inputs and products is printed, or its error; so with the recipes that follow.
"""

import importlib.util
import inspect
import itertools
import json
import sys
from pathlib import Path

from cpl import core, ui

READ = {"BOOL": lambda text: {"true": True, "false": False}[text.lower()], "INT": int, "DOUBLE": float, "STRING": str}


def found(directory):
    """Objects of all recipes below a directory, by name."""
    recipes = {}
    for number, path in enumerate(sorted(Path(directory).rglob("*.py"))):
        spec = importlib.util.spec_from_file_location(f"plugin_{number}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, ui.PyRecipe) and kind is not ui.PyRecipe:
                assert kind.__module__ == spec.name
                recipe = kind()
                assert recipe.name not in recipes, recipe.name
                recipes[recipe.name] = recipe
    return recipes


def told(parameter):
    """A parameter as JSON."""
    facts = {"name": parameter.name, "alias": parameter.cli_alias, "default": parameter.default}
    facts |= {"type": parameter.data_type.name, "context": parameter.context, "description": parameter.description}
    if isinstance(parameter, ui.ParameterRange):
        return facts | {"partype": "range", "limits": [parameter.min, parameter.max]}
    if isinstance(parameter, ui.ParameterEnum):
        return facts | {"partype": "enum", "choices": list(parameter.alternatives)}
    return facts | {"partype": "value"}


def settings_of(recipe, words):
    """Settings of words --NAME=VALUE."""
    known = {one.cli_alias: one for one in recipe.parameters}
    settings = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if name in known:
            one = known[name]
            one.value = READ[one.data_type.name](value)
            settings[one.name] = one.value
        else:
            settings[name] = value
    return settings


def listed(frames):
    """Frames as JSON."""
    return [
        {"file": one.file, "tag": one.tag, "group": one.group.name, "level": one.level.name, "type": one.type.name}
        for one in frames
    ]


def described(recipe):
    """Texts and parameters of a recipe as JSON."""
    keys = ("author", "copyright", "description", "email", "synopsis", "version")
    texts = {key: getattr(recipe, key) for key in keys}
    return {"texts": texts, "parameters": [told(one) for one in recipe.parameters]}


def run(directory, name, sof, *words):
    """Inputs and products of a recipe as JSON, or its error."""
    recipe = found(directory)[name]
    frames = ui.FrameSet(sof)
    try:
        products = recipe.run(frames, settings_of(recipe, words))
    except core.Error as error:
        return {"error": type(error).__name__, "message": error.message}
    assert isinstance(products, ui.FrameSet)
    return {"inputs": listed(frames), "products": listed(products)}


def main(directory, *words):
    """Print what is asked for, a line for each recipe that runs."""
    if not words:
        print(json.dumps({name: described(recipe) for name, recipe in found(directory).items()}))
    for _, call in itertools.groupby(words, lambda word: word == "AND"):
        if (call := list(call)) != ["AND"]:
            print(json.dumps(run(directory, *call)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
