"""One task of a night, as workers run it: a recipe on a set-of-frames, in a directory of its own.

A recipe that works on all IFUs may be one of pieces: it has functions `look`, `piece` and `finish`, as
`recipes.twilight` has. The pieces are calls of their own, for any worker; what they give lies in the directory of the
task.
"""

import functools
import pickle
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from musedeep.declaration import Parameters, Recipe, Scope
from musedeep.errors import MusedeepError
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.graph.workers.records import peak_memory, worker_name
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.storage.outputs import write_error
from musedeep.storage.set_of_frames import existing_form


@dataclass(frozen=True)
class TaskCall:
    """What workers have to know of a task.

    Attributes
    ----------
    module : of the recipe
    frames : path and tag of each
    parameters : all, parsed
    work : directory to make the products in
    save_fits : write pixel tables as FITS files, too
    plots : draw pictures beside the products
    """

    module: str
    frames: Sequence[tuple[str, str]]
    parameters: Parameters
    work: str
    save_fits: bool = False
    plots: bool = False

    @property
    def directory(self) -> Path:
        """To make the products in."""
        return Path(self.work)

    def recipe(self) -> tuple[Recipe[Any], RecipeCall]:
        """The recipe, and what to call its functions with."""
        recipe = import_module(self.module).RECIPE
        frames = [(existing_form(path), tag) for path, tag in self.frames]
        files = recipe.check_frames(frames, self.directory.name)
        # exposures are few, and each has work for all processors
        workers = None if recipe.scope in (Scope.EXPOSURE, Scope.EXPOSURES) else 1
        memory = BASE_BYTES + recipe.cost.memory
        return recipe, RecipeCall(
            files, self.parameters, self.directory, True, workers, self.save_fits, plots=self.plots, memory=memory
        )


@dataclass(frozen=True)
class TaskResult:
    """How a task, or a part of it, ended.

    Attributes
    ----------
    failure : why there are no products; empty if there are
    seconds : it took
    lost : what went wrong by IFU, where a task of all IFUs has made its products without some
    ended : when, seconds since the epoch
    peak_memory : largest resident memory of the worker's process until then [bytes]
    worker : its name
    notes : what is missing in the products
    pieces : IFUs, after `look_task`
    """

    failure: str
    seconds: float
    lost: dict[int, str] = field(default_factory=dict)
    ended: float = 0.0
    peak_memory: int = 0
    worker: str = ""
    notes: list[str] = field(default_factory=list)
    pieces: tuple[int, ...] = ()


def _refused(error: OSError, work: Path) -> str:
    """What the system has refused to read or to write."""
    path = Path(error.filename or work)
    if error.filename is None or path.is_relative_to(work):
        return str(write_error(path, error, 0))
    return f"{path}: cannot be read ({error.strerror}); check that it is there, and its rights"


def _timed(work: Callable[..., TaskResult]) -> Callable[..., TaskResult]:
    """The result of `work`, with what it took; its failure is one line."""

    @functools.wraps(work)
    def timed(call: TaskCall, *ifu: int) -> TaskResult:
        began = time.monotonic()
        try:
            result = work(call, *ifu)
        except MusedeepError as error:
            result = TaskResult(str(error), 0.0)
        except MemoryError:
            result = TaskResult("out of memory; give fewer --threads or --workers", 0.0)
        except OSError as error:
            result = TaskResult(_refused(error, call.directory), 0.0)
        except Exception as error:
            text = str(error).strip().splitlines()
            result = TaskResult(f"unexpected {type(error).__name__}: {text[0] if text else 'no message'}", 0.0)
        return replace(
            result, failure=" ".join(result.failure.split()), seconds=time.monotonic() - began, ended=time.time(),
            peak_memory=peak_memory(), worker=worker_name(),
        )  # fmt: skip

    return timed


@_timed
def run_task(call: TaskCall) -> TaskResult:
    """Run a recipe, with its products in a new directory. Whatever goes wrong is in the result."""
    _new(call.directory)
    recipe, given = call.recipe()
    return _made(recipe.run(given))


@_timed
def look_task(call: TaskCall) -> TaskResult:
    """Begin a task of pieces in a new directory: `pieces` of the result are the IFUs to call `piece_task` for."""
    _new(call.directory)
    recipe, given = call.recipe()
    loaded = recipe.load()
    looked = loaded.look(given)
    _put(call.directory / ".looked", looked)
    return TaskResult("", 0.0, pieces=tuple(looked.ifus))


@_timed
def piece_task(call: TaskCall, ifu: int) -> TaskResult:
    """One IFU of a task of pieces; that it cannot be reduced is no failure here, `finish_task` goes on without it."""
    recipe, given = call.recipe()
    loaded = recipe.load()
    try:
        made = loaded.piece(given, _get(call.directory / ".looked"), ifu)
    except MusedeepError as error:
        made = error
    _put(call.directory / f".piece-{ifu}", made)
    return TaskResult("", 0.0)


@_timed
def finish_task(call: TaskCall) -> TaskResult:
    """End a task whose pieces are there."""
    recipe, given = call.recipe()
    loaded = recipe.load()
    looked = _get(call.directory / ".looked")
    return _made(loaded.finish(given, looked, (_get(call.directory / f".piece-{ifu}") for ifu in looked.ifus)))


def _new(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


def _put(path: Path, what: object) -> None:
    with path.open("wb") as stream:
        pickle.dump(what, stream, pickle.HIGHEST_PROTOCOL)


def _get(path: Path) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream)


def _made(outcome: Outcome) -> TaskResult:
    failure = "" if outcome.paths else "; ".join(outcome.failures.values()) or "it made nothing"
    return TaskResult(failure, 0.0, outcome.failures, notes=outcome.notes)
