"""The made-up recipe in pieces, one for each IFU: as muse_twilight."""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.recipes.run_ifus import Outcome
from tests.makers import made_up_recipe
from tests.makers.made_up_recipe import run  # noqa: F401

RECIPE = replace(made_up_recipe.RECIPE, work=__name__)


@dataclass(frozen=True)
class Looked:
    ifus: tuple[int, ...]


def look(call):
    return Looked(tuple(sorted(int(Path(p).stem[-2:]) for p in call.frames["MASTER_BIAS"])))


def piece(call, looked, ifu):
    assert ifu in looked.ifus
    time.sleep(call.parameters.wait)
    if ifu == call.parameters.losing:
        raise MusedeepError("no light")
    if call.parameters.breaking == f"piece-{ifu:02d}":
        raise ZeroDivisionError("division by zero")
    return hashlib.sha256(Path(call.frames["MASTER_BIAS"][looked.ifus.index(ifu)]).read_bytes()).hexdigest()


def finish(call, looked, pieces):
    found = dict(zip(looked.ifus, pieces, strict=True))
    lost = {ifu: f"IFU {ifu}: {made}" for ifu, made in found.items() if isinstance(made, MusedeepError)}
    if call.parameters.losing and call.parameters.losing not in found:  # raw frames hold it, calibrations do not
        lost[call.parameters.losing] = f"IFU {call.parameters.losing}: no MASTER_BIAS"
    text = " ".join(made for ifu, made in found.items() if ifu not in lost)
    digest = hashlib.sha256(f"{call.parameters.order} {text}".encode())
    for paths in call.frames.values():
        for path in paths:
            digest.update(Path(path).read_bytes())
    path = call.output / "TWILIGHT_CUBE.fits"
    path.write_text(digest.hexdigest())
    return Outcome([path], lost)
