"""`musedeep recipe NAME`: a recipe on a set-of-frames, as esorex runs it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musedeep.cli.combine import run_request
from musedeep.cli.errors import BAD_INPUT, OK, UsageProblem, complain
from musedeep.cli.resources import Resources
from musedeep.declaration import Recipe
from musedeep.errors import MusedeepError, nearest
from musedeep.recipes.registry import named, recipes


def declared(name: str) -> Recipe[Any]:
    """The declaration of a recipe."""
    try:
        return named(name)
    except MusedeepError as error:
        raise UsageProblem(str(error)) from None


def list_recipes() -> None:
    """Print name and purpose of every recipe."""
    for name, recipe in recipes().items():
        print(f"{name:<20} {recipe.summary}")


def recipe_help(name: str) -> None:
    """Print frames, parameters and products of a recipe."""
    print(declared(name).help_text())


def split_arguments(recipe: Recipe[Any], arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Parameters and files among the arguments.

    `--name=value` is a parameter, as for esorex; so is `--name value`, unless it is true or false: `--name` alone is
    then true, and the next word is a file if it is neither "true" nor "false". Raises UsageProblem for what looks like
    an option and is no parameter of the recipe, a parameter without a value, or one given twice.
    """
    known = {p.name: p for p in recipe.parameters}
    given: dict[str, str] = {}
    files: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            files.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        # esorex also takes the full name of a parameter
        name = name.removeprefix(f"muse.{recipe.name}.")
        if name not in known or not word.startswith("--"):
            near = nearest(name, list(known))
            hint = f"did you mean --{near}?" if near else f"see `musedeep recipe {recipe.name} --help`"
            raise UsageProblem(f"{recipe.name}: no parameter '{word.partition('=')[0]}'; {hint}")
        if not equals:
            if isinstance(known[name].default, bool):
                value = rest.pop(0) if rest and rest[0].lower() in ("true", "false") else "true"
            else:
                value = rest.pop(0) if rest else ""
        if not value:
            raise UsageProblem(f"{recipe.name}: --{name} needs a value")
        if name in given:
            raise UsageProblem(f"{recipe.name}: --{name} is given twice")
        given[name] = value
    return given, files


def run_recipe(name: str, arguments: Sequence[str], resources: Resources, output: Path, dry_run: bool) -> int:
    """Run a recipe (several set-of-frames files are taken as one, as esorex does); exit status 1 if an IFU failed."""
    recipe = declared(name)
    given, files = split_arguments(recipe, arguments)
    memory = resources.memory_bytes()
    if not files:
        raise UsageProblem(f"{name}: no set-of-frames; give FILE.sof, with a path and a tag a line")
    from musedeep.light_fits import load_fits

    load_fits()
    from musedeep.storage.set_of_frames import read_set_of_frames

    try:
        parameters = recipe.parse(given)
    except MusedeepError as error:
        raise UsageProblem(str(error)) from None
    frames = [frame for file in files for frame in read_set_of_frames(file)]
    found = recipe.check_frames(frames, ", ".join(files))
    if recipe.name == "muse_exp_combine":  # on a cluster, too
        from musedeep.graph.combine.exp_combine import request_of

        run_request(request_of(found, parameters, output, memory=memory), resources, dry_run)
        return OK
    if dry_run:
        for tag, paths in found.items():
            print(f"{tag:<18} {len(paths)}")
        return OK
    from musedeep.allocation import keep_freed_memory
    from musedeep.cli.progress import shown
    from musedeep.recipes.run_ifus import RecipeCall
    from musedeep.storage.outputs import make_directory

    make_directory(output)
    keep_freed_memory()  # before the thread that shows the progress gets memory of its own
    with shown(lambda _: "products that are whole stay; start again") as progress:
        call = RecipeCall(
            found,
            parameters,
            output,
            resources.overwrite,
            resources.workers,
            resources.save_fits,
            progress,
            resources.plots,
            memory,
        )
        outcome = recipe.run(call)
    for path in outcome.paths:
        print(path)
    for note in outcome.notes:
        complain(note, logging.WARNING)
    for failure in outcome.failures.values():
        complain(failure)
    return BAD_INPUT if outcome.failures else OK
