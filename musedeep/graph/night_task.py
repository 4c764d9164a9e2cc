"""One task of a night, as a worker runs it: a recipe on a set-of-frames, in a directory of its own."""

import shutil
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.graph.records import peak_memory, worker_name
from musedeep.recipes.basic_run import RecipeCall


@dataclass(frozen=True)
class TaskResult:
    """How a task ended.

    Attributes
    ----------
    failure : why there are no products; empty if there are
    seconds : it took
    lost : what went wrong by IFU, where a task of all IFUs has made its products without some
    ended : when, seconds since the epoch
    peak_memory : largest resident memory of the worker's process until then [bytes]
    worker : its name
    notes : what is missing in the products
    """

    failure: str
    seconds: float
    lost: dict[int, str] = field(default_factory=dict)
    ended: float = 0.0
    peak_memory: int = 0
    worker: str = ""
    notes: list[str] = field(default_factory=list)


def run_task(
    module: str, frames: list[tuple[str, str]], parameters: dict[str, Any], work: str, save_fits: bool = False
) -> TaskResult:
    """Run a recipe on a set-of-frames, with its products in a new directory. Whatever goes wrong is in the result."""
    began = time.monotonic()
    directory = Path(work)
    failure, lost, notes = "", {}, []
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        loaded = import_module(module)
        found = loaded.RECIPE.check_frames(frames, directory.name)
        outcome = loaded.run(RecipeCall(found, parameters, directory, True, 1, save_fits))
        lost, notes = outcome.failures, outcome.notes
        if not outcome.paths:
            failure = "; ".join(lost.values()) or "it made nothing"
    except MusedeepError as error:
        failure = str(error)
    except MemoryError:
        failure = "out of memory; give fewer --threads or --workers"
    except Exception as error:
        text = str(error).strip().splitlines()
        failure = f"unexpected {type(error).__name__}: {text[0] if text else 'no message'}"
    if failure:
        shutil.rmtree(directory, ignore_errors=True)
    seconds = time.monotonic() - began
    return TaskResult(" ".join(failure.split()), seconds, lost, time.time(), peak_memory(), worker_name(), notes)
