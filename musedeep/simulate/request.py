"""What a simulation was asked for, kept in the directory that it fills: the same request goes on there."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.provenance_key import code_state
from musedeep.simulate.job import Job
from musedeep.simulate.scene import Scene
from musedeep.storage.outputs import appearing_whole, refuse_existing

UNFINISHED: Final = ".musedeep-simulation.json"
"""Holds the request while not everything is there."""
FINISHED: Final = "truth/request.json"
"""Holds it afterwards."""

Request = Mapping[str, str]
"""All that decides which bits are made, for people to compare."""


def request_of(job: Job, what: str) -> Request:
    """The request of a job; `what` is made of it, as "night"."""
    instrument, exposures = job.instrument, job.exposures
    scenes = {_scene_text(exposure.scene) for exposure in exposures if exposure.scene is not None}
    request = {
        "version": __version__,
        "code": code_state(),
        "kind": what,
        "mode": instrument.mode,
        "IFUs": ",".join(map(str, sorted(instrument.ifus))),
        "seed": str(job.seed),
        "effects left out": ",".join(name for name, on in asdict(job.effects).items() if not on) or "none",
        "compression": "yes" if job.compress else "no",
        "scene": "; ".join(sorted(scenes)) or "none",
    }
    for kind in dict.fromkeys(exposure.kind for exposure in exposures):
        times = [exposure.exposure_time for exposure in exposures if exposure.kind == kind]
        request[kind] = f"{len(times)} of {', '.join(f'{t:g}' for t in dict.fromkeys(times))} s"
    details = [replace(exposure, scene=None) for exposure in exposures], instrument.seed, instrument.effects
    request["details"] = hashlib.sha256(repr(details).encode()).hexdigest()[:16]
    return request


def _scene_text(scene: Scene) -> str:
    where = f"at {scene.ra:g} {scene.dec:g}"
    if scene.cube is None:
        return f"{scene.name} {where} with {len(scene.sources)} sources"
    path = scene.cube.path.resolve()
    known = path.stat()
    return f"{path} {where} ({known.st_size} bytes, changed at {known.st_mtime_ns / 1e9:.3f})"


def read_request(directory: Path) -> tuple[Request | None, bool]:
    """The request that a directory belongs to, None if to no simulation; and whether everything is there."""
    for name in (UNFINISHED, FINISHED):
        try:
            found = json.loads((directory / name).read_text())
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            return found, name == FINISHED
    return None, False


def write_request(path: Path, request: Request) -> None:
    """Write a request, whole or not at all."""
    with appearing_whole(path) as partial:
        partial.write_text(json.dumps(request, indent=1) + "\n")


def directory_to_fill(final: Path, request: Request, overwrite: bool) -> Path:
    """Where to make what shall be in `final`: there, or, where that is to be replaced once all is whole, beside it.

    Raises MusedeepError if something else is there that may not be replaced, or the directory above does not exist.
    """
    beside = final.with_name(f".{final.name}.new")
    found, finished = read_request(final)
    if found is None:
        refuse_existing(final, overwrite)
        return beside if final.exists() else final
    if found == request:
        return beside if finished and overwrite else final
    if overwrite:
        return beside if finished else final
    different = differences(found, request)
    if finished:
        raise MusedeepError(
            f"{final}: exists already, made with other options ({different}); give another name, or --overwrite to "
            "replace it"
        )
    raise MusedeepError(
        f"{final}: holds an unfinished simulation with other options ({different}); give those to go on with it, or "
        "--overwrite to start afresh"
    )


def differences(there: Request, now: Request) -> str:
    """In what two requests differ, as in "seed 1, not 2"."""
    names = [name for name in {**there, **now} if there.get(name) != now.get(name)]
    words = [f"{name} {there.get(name, 'none')}, not {now.get(name, 'none')}" for name in names if name != "details"]
    return "; ".join(words) or "times or pointings of the exposures"
