"""A recipe that stands for all of a night: its products are digests of its inputs, it fails and waits as told."""

import hashlib
import time
from pathlib import Path

from musedeep.declaration import Input, Parameters, Recipe, parameter
from musedeep.errors import MusedeepError
from musedeep.recipes.registry import makers, night_recipes, steps
from musedeep.recipes.run_ifus import Outcome
from musedeep.selection.night.classify import RAW_TAGS

TAGS = dict.fromkeys([*RAW_TAGS.values(), *(one.name for recipe in night_recipes() for one in recipe.inputs)])


class MadeUpParameters(Parameters):
    nifu: int = parameter(0, "IFU.")
    failing: str = parameter("", "Tasks that fail, with commas.")
    breaking: str = parameter("", "Tasks that fail in a way nobody expects.")
    missing: str = parameter("", "Products that are not made, though others are; with commas.")
    losing: int = parameter(0, "An IFU that tasks of all IFUs go on without.")
    wait: float = parameter(0.0, "Seconds that a task takes.")
    order: int = parameter(5, "Goes into the digest.")


RECIPE = Recipe(
    name="muse_made_up",
    summary="Digests.",
    inputs=tuple(Input(name, 0, None, name) for name in TAGS),
    model=MadeUpParameters,
    products=(),
    work="tests.makers.made_up_recipe",
)

MODULES = {f"muse_{step}": "tests.makers.made_up_recipe" for step in steps()} | {
    "muse_twilight": "tests.makers.made_up_pieces"
}


def run(call):
    task = call.output.name
    time.sleep(call.parameters.wait)
    if task in call.parameters.failing.split(","):
        raise MusedeepError(f"{(call.frames['BADPIX_TABLE'] or ['frame'])[0]}: no light")
    if task in call.parameters.breaking.split(","):
        raise ZeroDivisionError("division by zero")
    digest = hashlib.sha256(f"{call.parameters.order} {call.parameters.losing}".encode())
    for tag, paths in call.frames.items():
        for path in paths:
            digest.update(tag.encode() + Path(path).read_bytes())
    made = [product for maker, product in makers().values() if maker.step == task.split("-")[0]]
    names = [product.name.partition(".")[0].removesuffix("-nn") for product in made]
    if task.startswith("scibasic"):
        kind = task.split("-")[1].split(".")[0]
        names = [f"PIXTABLE_{kind}_{k:04d}" for k in range(1, 1 + len(call.frames[kind]))]
    elif task.startswith("scipost"):
        names = ["PIXTABLE_REDUCED_0001", "IMAGE_FOV_0001"]
    elif task == "exp_combine":
        names = ["DATACUBE_FINAL"]
    names = [name.replace("kkkk", "0001") for name in names if name not in call.parameters.missing.split(",")]
    ifu = call.parameters.nifu
    paths = [call.output / (f"{name}-{ifu:02d}.fits" if ifu else f"{name}.fits") for name in names]
    for path in paths:
        path.write_text(digest.hexdigest())
    lost = call.parameters.losing
    failures = {lost: f"IFU {lost}: no light"} if lost and not ifu else {}
    if call.parameters.missing:
        failures[ifu] = f"IFU {ifu}: no light in {call.parameters.missing}"
    return Outcome(paths, failures)
