"""A recipe that stands for all of a night: its products are digests of its inputs, it fails and waits as told."""

import hashlib
import time
from pathlib import Path

from musedeep.declaration import Parameter, Recipe, Tag
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import STEPS
from musedeep.recipes.run_ifus import Outcome
from musedeep.selection.night.classify import RAW_TAGS
from musedeep.selection.night.rules import FIRST_STAGE, MADE

TAGS = dict.fromkeys([*RAW_TAGS.values(), *(word.lstrip("?") for rule in FIRST_STAGE for word in rule.inputs)])

RECIPE = Recipe(
    name="muse_made_up",
    summary="Digests.",
    tags=tuple(Tag(name, 0, None, name) for name in TAGS),
    parameters=(
        Parameter("nifu", 0, "IFU."),
        Parameter("failing", "", "Tasks that fail, with commas."),
        Parameter("breaking", "", "Tasks that fail in a way nobody expects."),
        Parameter("losing", 0, "An IFU that tasks of all IFUs go on without."),
        Parameter("wait", 0.0, "Seconds that a task takes."),
        Parameter("order", 5, "Goes into the digest."),
    ),
    products=(),
)

MODULES = {f"muse_{step}": "tests.makers.made_up_recipe" for step in STEPS} | {
    "muse_twilight": "tests.makers.made_up_pieces"
}


def run(call):
    task = call.output.name
    time.sleep(call.parameters["wait"])
    if task in call.parameters["failing"].split(","):
        raise MusedeepError(f"{call.frames['BADPIX_TABLE'][0]}: no light")
    if task in call.parameters["breaking"].split(","):
        raise ZeroDivisionError("division by zero")
    digest = hashlib.sha256(f"{call.parameters['order']} {call.parameters['losing']}".encode())
    for tag, paths in call.frames.items():
        for path in paths:
            digest.update(tag.encode() + Path(path).read_bytes())
    names = [made.name.split("/")[-1] for made in MADE.values() if made.by == task.split("-")[0]]
    if task.startswith("scibasic"):
        kind = task.split("-")[1].split(".")[0]
        names = [f"PIXTABLE_{kind}_{k:04d}" for k in range(1, 1 + len(call.frames[kind]))]
    ifu = call.parameters["nifu"]
    paths = [call.output / (f"{name}-{ifu:02d}.fits" if ifu else f"{name}.fits") for name in names]
    for path in paths:
        path.write_text(digest.hexdigest())
    lost = call.parameters["losing"]
    return Outcome(paths, {lost: f"IFU {lost}: no light"} if lost and not ifu else {})
