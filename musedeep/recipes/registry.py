"""All recipes that are declared: RECIPE or RECIPES of `recipe.py` in each folder, and those of `elsewhere.py`."""

from functools import cache
from importlib import import_module
from pathlib import Path

from musedeep.declaration import Product, Recipe
from musedeep.errors import MusedeepError, nearest


@cache
def modules() -> dict[str, str]:
    """Module that declares each recipe, in the order of the manual."""
    here = Path(__file__).parent
    names = sorted(f"musedeep.recipes.{path.parent.name}.recipe" for path in here.glob("*/recipe.py"))
    found = {
        recipe.name: (recipe.section, name) for name in [*names, "musedeep.recipes.elsewhere"] for recipe in _of(name)
    }
    return {name: module for name, (_, module) in sorted(found.items(), key=lambda item: item[1])}


def _of(module: str) -> tuple[Recipe, ...]:
    loaded = import_module(module)
    return loaded.RECIPES if hasattr(loaded, "RECIPES") else (loaded.RECIPE,)


@cache
def declared() -> dict[str, Recipe]:
    """All recipes by name, in the order of the manual; without work: those that only the ESO pipeline has."""
    return {name: next(one for one in _of(module) if one.name == name) for name, module in modules().items()}


def recipes() -> dict[str, Recipe]:
    """The recipes that can be run, by name."""
    return {name: recipe for name, recipe in declared().items() if recipe.work}


@cache
def makers() -> dict[str, tuple[Recipe, Product]]:
    """Of each product that is an input of other recipes: who makes it, and the product."""
    taken = {one.name for recipe in declared().values() for one in recipe.inputs if not one.raw}
    return {
        product.category: (recipe, product)
        for recipe in declared().values()
        for product in recipe.products
        if product.category in taken
    }


@cache
def first_stage() -> tuple[Recipe, ...]:
    """The recipes that work on raw frames, in the order in which they need each other."""
    made = {
        product.category.replace("TAG", one.name)
        for recipe in declared().values()
        for product in recipe.products
        for one in recipe.raws
    }
    return tuple(recipe for recipe in declared().values() if not any(one.name in made for one in recipe.raws))


def steps() -> tuple[str, ...]:
    """Steps in the reduction of a night, as in flat."""
    return tuple(recipe.step for recipe in first_stage() if recipe.work)


def named(name: str) -> Recipe:
    """The recipe of a name; raises MusedeepError, with the nearest name, if there is none."""
    if name not in recipes():
        near = nearest(name, list(recipes()))
        hint = f"did you mean {near}?" if near else "`musedeep recipe --list` names them"
        raise MusedeepError(f"no recipe '{name}'; {hint}")
    return recipes()[name]
