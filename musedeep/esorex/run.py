"""A recipe, run as esorex runs it: from a set-of-frames to products in their places, and the exit status.

1. The frames that the recipe takes are sorted by tag. What is not there, or has no tag, is left out with a warning.
2. The recipe makes its products in a directory of its own within the output directory. Pixel tables are FITS files,
   unless $MUSEDEEP_PIXTABLES asks for stores.
3. The products get their names, which signals do not interrupt, and are listed if that is asked for. A recipe that
   fails leaves in the working directory what it has made, as those of the ESO pipeline do; so does one whose products
   cannot be moved.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from musedeep import __version__
from musedeep.amounts import bytes_of
from musedeep.declaration import GIB, Recipe, Scope, Value
from musedeep.errors import MusedeepError
from musedeep.esorex.errors import REFUSED, EsorexProblem
from musedeep.esorex.frames import Frame, tagged
from musedeep.esorex.log import Messages
from musedeep.esorex.products import NOT_MOVED, Delivery, deliver, moved, ordered, workplace, write_list
from musedeep.graph.workers.interrupts import uninterrupted

if TYPE_CHECKING:
    from musedeep.recipes.run_ifus import Outcome

TABLES: Final = "MUSEDEEP_PIXTABLES"
"""Environment variable: pixel tables as fits, as store, or as both."""

FORMS: Final = {"": ("fits",), "fits": ("fits",), "store": ("store",), "both": ("store", "fits")}

MEMORY: Final = "MUSEDEEP_MEMORY"
"""Environment variable: limit of the memory of a recipe, as in 8GiB."""

QUIET_SECONDS: Final = 10.0
"""Time between two messages on the progress [s]."""


class Says(Protocol):
    """Receives messages for the user."""

    def say(self, level: int, text: str, function: str | None = None) -> None:
        """A message; `function` is what says it."""


@dataclass(frozen=True)
class RecipeRun:
    """What a recipe is run with.

    Attributes
    ----------
    values : parameters that are given, by name
    source : of the frames, for messages
    listing : file that the products are listed in; empty: none
    timed : whether to report times
    """

    recipe: Recipe[Any]
    values: Mapping[str, Value]
    frames: Sequence[Frame]
    delivery: Delivery
    listing: str = ""
    timed: bool = False
    source: str = "the set-of-frames"

    def run(self, messages: Messages) -> int:
        """Run it; the exit status.

        Raises
        ------
        KeyboardInterrupt
            It was interrupted; nothing is left of it.
        EsorexProblem
            The output directory cannot be written, or a variable has no meaning.
        """
        messages.recipe, messages.timed = self.recipe.name, True
        messages.say(logging.INFO, f"musedeep {__version__}", self.recipe.name)
        messages.threaded = True
        with workplace(Path(self.delivery.directory)) as place:
            messages.call_place(place, Path(self.delivery.directory))
            began = time.monotonic()
            try:
                outcome = outcome_of(self.recipe, self.values, self.frames, place, messages, self.source)
            except MusedeepError as error:
                return self._failed([str(error)], [], messages)
            except MemoryError:
                return self._failed([f"out of memory; set {MEMORY}, as in 2GiB"], [], messages)
            except OSError as error:
                return self._failed([f"{error.filename or ''}: {error.strerror or error}"], [], messages)
            seconds = time.monotonic() - began
            for note in outcome.notes:
                messages.say(logging.WARNING, note, self.recipe.name)
            if outcome.failures:
                return self._failed([str(one) for one in outcome.failures.values()], outcome.paths, messages)
            try:
                with uninterrupted("giving the products their names"):
                    listed = deliver(ordered(outcome.paths), self.delivery, messages)
            except MusedeepError as error:
                messages.error(str(error))
                messages.error("An error occurred while trying to move the output products")
                self._leave([path for path in outcome.paths if path.exists()], messages)
                return NOT_MOVED
        self._report(seconds, messages)
        if self.listing:
            try:
                write_list(Path(self.listing), listed)
            except EsorexProblem as problem:
                messages.problem(problem)
                return problem.status
        return 0

    def _failed(self, why: Sequence[str], left: Sequence[Path], messages: Messages) -> int:
        """Say why the recipe has failed, and keep what it has made all the same."""
        for text in why:
            messages.say(logging.ERROR, text, self.recipe.name)
        messages.error(f"Execution of recipe '{self.recipe.name}' failed, status = -1")
        self._leave(left, messages)
        return REFUSED

    def _leave(self, paths: Sequence[Path], messages: Messages) -> None:
        """Put products that do not get to the output directory into the working directory."""
        for path in paths:
            try:
                moved(path, Path(path.name))
            except MusedeepError as error:
                messages.error(str(error))
        if self.listing:
            messages.warning("The list of products is not written because of the errors above")

    def _report(self, seconds: float, messages: Messages) -> None:
        """Report time and rate, as esorex does with --time."""
        if not self.timed:
            return
        tags = {one.name for one in self.recipe.raws}
        raws = [one.path for one in self.frames if one.tag in tags and os.path.exists(one.path)]
        size = sum(map(size_of, raws)) / 1e6
        messages.info(f"Recipe operation(s) took {seconds:14.3g} seconds to complete.")
        messages.info(f"Total size of {len(raws)} raw input frame{'' if len(raws) == 1 else 's'}  = {size:8.2f} MB\n")
        messages.info(f"=> processing rate of {size / max(seconds, 1e-3):8.2f} MB/sec \n")


def outcome_of(
    recipe: Recipe[Any],
    values: Mapping[str, Value],
    frames: Sequence[Frame],
    place: Path,
    messages: Says,
    source: str = "the set-of-frames",
) -> "Outcome":
    """Run a recipe as what drives the ESO pipeline expects it: products are replaced, pixel tables are FITS files.

    Parameters
    ----------
    values : parameters that are given, by name
    place : directory of the products
    source : where the frames are from, for messages

    Raises
    ------
    MusedeepError
        A parameter is wrong, frames are missing; see the recipe.
    EsorexProblem
        A variable has no meaning.
    """
    from musedeep.allocation import keep_freed_memory
    from musedeep.recipes.run_ifus import Outcome, RecipeCall

    kept, said = tagged(frames, recipe.scope in (Scope.EXPOSURE, Scope.EXPOSURES))
    for level, text in said:
        messages.say(level, text, recipe.name)
    for path, tag in kept:
        messages.say(logging.DEBUG, f"{path}\t{tag}", recipe.name)
    parameters = recipe.parse(dict(values))
    found = recipe.check_frames(kept, source)
    forms, memory, progress = pixel_table_forms(), memory_limit(), Told(messages, recipe.name)
    if recipe.name == "muse_exp_combine":
        from musedeep.graph.combine.exp_combine import combine, request_of

        request = request_of(found, parameters, place, memory=memory, combined_format=frozenset(forms))
        return Outcome(list(combine(request, progress).products))
    keep_freed_memory()
    call = RecipeCall(
        found, parameters, place, overwrite=True, save_fits="fits" in forms, save_store="store" in forms,
        progress=progress, memory=memory,
    )  # fmt: skip
    done: Outcome = recipe.run(call)
    return done


def size_of(path: str) -> int:
    """Size of a file, or of all files of a store [bytes]."""
    if os.path.isdir(path):
        return sum(one.stat().st_size for one in Path(path).rglob("*") if one.is_file())
    return os.path.getsize(path)


def pixel_table_forms() -> tuple[str, ...]:
    """How pixel tables are written: "store", "fits" or both; raises EsorexProblem for another word of the variable."""
    word = os.environ.get(TABLES, "").strip().lower()
    if word not in FORMS:
        raise EsorexProblem(REFUSED, f"{TABLES}={word} is not fits, store or both")
    return FORMS[word]


def memory_limit() -> int:
    """The memory that a recipe may take [bytes]; raises EsorexProblem if the variable is no amount."""
    word = os.environ.get(MEMORY, "").strip()
    if not word:
        return 4 * GIB
    number = bytes_of(word)
    if not number:
        raise EsorexProblem(REFUSED, f"{MEMORY}={word} is not an amount of memory; give it as in 8GiB")
    return number


class Told:
    """The progress as messages, one every ten seconds; see `musedeep.progress.Progress`."""

    def __init__(self, messages: Says, function: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._messages, self._function, self._clock = messages, function, clock
        self._total = self._done = 0
        self._unit, self._told = "", clock()

    def begin(self, total: int, unit: str, done: int = 0, cost: float | None = None) -> None:
        """Work begins, or its next part."""
        self._total, self._done, self._unit = total, done, unit

    def advance(self, n: int = 1, *, rows: int = 0, cost: float | None = None, made: bool = True) -> None:
        """More units are done."""
        self._done += n
        if self._clock() - self._told >= QUIET_SECONDS:
            self._told = self._clock()
            of_all = f" of {self._total}" if self._total else ""
            self._messages.say(logging.INFO, f"{self._done}{of_all} {self._unit} done", self._function)

    def stop(self) -> None:
        """The work, or this part of it, has ended."""
