"""All recipes that are declared: RECIPE, or several RECIPES, of `recipe.py` in each folder."""

from functools import cache
from importlib import import_module
from pathlib import Path

from musedeep.declaration import Product, Recipe, Scope
from musedeep.errors import MusedeepError, nearest


@cache
def modules() -> dict[str, str]:
    """Module that declares each recipe, in the order of the manual."""
    here = Path(__file__).parent
    names = sorted(f"musedeep.recipes.{path.parent.name}.recipe" for path in here.glob("*/recipe.py"))
    found = {recipe.name: (recipe.section, name) for name in names for recipe in _of(name)}
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
    """Of each product that is an input of other recipes: the first that makes it, and the product."""
    taken = {one.name for recipe in declared().values() for one in recipe.inputs if not one.raw}
    found: dict[str, tuple[Recipe, Product]] = {}
    for recipe in night_recipes():
        for product in recipe.products:
            if product.category in taken:
                found.setdefault(product.category, (recipe, product))
    return found


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


@cache
def night_recipes() -> tuple[Recipe, ...]:
    """The recipes that a night has sets-of-frames for, in the order in which they need each other."""
    return tuple(recipe for recipe in declared().values() if recipe.in_night)


def steps() -> tuple[str, ...]:
    """Steps in the reduction of a night, as in flat."""
    return tuple(recipe.step for recipe in night_recipes() if recipe.work)


def of_exposure(tag: str, number: int) -> str:
    """Where a night has the product of one exposure: directory and name, as in scipost-2/IMAGE_FOV_0001.fits.

    Raises MusedeepError if no recipe on single exposures makes it.
    """
    for recipe in night_recipes():
        for product in recipe.products:
            if recipe.scope is Scope.EXPOSURE and product.category == tag:
                return f"{recipe.step}-{number}/{product.stem(0)}.fits"
    raise MusedeepError(f"no recipe makes {tag} of single exposures")


def named(name: str) -> Recipe:
    """The recipe of a name; raises MusedeepError, with the nearest name, if there is none."""
    # most are in the folder of their name: the other declarations, a tenth of a second, are not needed then
    folder = name.removeprefix("muse_")
    if folder.isidentifier() and (Path(__file__).parent / folder / "recipe.py").is_file():
        for recipe in _of(f"musedeep.recipes.{folder}.recipe"):
            if recipe.name == name and recipe.work:
                return recipe
    if name not in recipes():
        near = nearest(name, list(recipes()))
        hint = f"did you mean {near}?" if near else "`musedeep recipe --list` names them"
        raise MusedeepError(f"no recipe '{name}'; {hint}")
    return recipes()[name]
