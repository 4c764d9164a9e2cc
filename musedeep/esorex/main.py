"""`musedeep-esorex`: the command line of esorex, with musedeep's recipes.

It may be linked under the name esorex. Nothing heavy is imported before a recipe runs.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from musedeep import __version__
from musedeep.errors import debugging
from musedeep.esorex import manual
from musedeep.esorex.command_line import (
    Words,
    asks_version,
    check_options,
    option_values,
    parted,
    recipe_values,
)
from musedeep.esorex.configuration import file_to_create, write_configuration
from musedeep.esorex.errors import REFUSED, UNKNOWN_RECIPE, EsorexProblem
from musedeep.esorex.foreign import COMMAND, other_esorex, run_other
from musedeep.esorex.layout import terminal_width
from musedeep.esorex.log import LEVELS, PROGRAM, Messages, listening
from musedeep.esorex.manual import BANNER, ESOREX_VERSION
from musedeep.esorex.options import OPTIONS
from musedeep.esorex.parameters import CplParameter, cpl_parameters
from musedeep.graph.workers.interrupts import SIGNALS, as_interrupts
from musedeep.progress import LOG
from musedeep.start import set_up_process

if TYPE_CHECKING:
    from musedeep.declaration import Recipe, Value

LIBRARIES: Final = f"musedeep = {__version__}"
"""In place of the libraries that esorex names."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0 done; 255 refused, or the recipe failed; 250 to 254 a configuration file is wrong; 13 no such recipe; 9 a
        set-of-frames or a frame is missing; 8 the list of products cannot be written; 61 a product cannot be moved, 67
        the output directory cannot be written; 128 + the number of a signal.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    set_up_process()
    messages = Messages()
    try:
        status = _guarded(words, messages)
    finally:
        messages.close()
    if arguments is None:
        # a second Ctrl-C, while threads end, ends the process at once
        signal.signal(signal.SIGINT, lambda *_: os._exit(status))
    return status


def _guarded(words: Sequence[str], messages: Messages) -> int:
    """The call; whatever ends it is said, and becomes a status."""
    with as_interrupts(SIGNALS) as caught:
        try:
            return _called(words, messages)
        except EsorexProblem as problem:
            messages.problem(problem)
            return problem.status
        except KeyboardInterrupt:
            number = caught[0] if caught else signal.SIGINT
            messages.error(f"Interrupted by {signal.Signals(number).name}; there are no products")
            return 128 + number
        except Exception as error:
            messages.error(f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")
            if debugging():
                raise
            return REFUSED


def _called(words: Sequence[str], messages: Messages) -> int:
    """The call: options of esorex first, then the recipe."""
    given = parted(words)
    recipe = _recipe(given.recipe) if given.recipe else None
    if given.recipe and recipe is None and (program := other_esorex()) is not None:
        return _handed_over(program, words, given, messages)
    messages.print(BANNER)
    if asks_version(given.options):
        messages.print(manual.version_text())
        return 0
    values = option_values(given.options, messages.say)
    messages.terminal = LEVELS[str(values["msg-level"])]
    if not given.recipe or values["recipes"]:
        return _without_recipe(values, messages)
    check_options(values)
    messages.open_file(Path(str(values["log-dir"])) / str(values["log-file"]), str(values["log-level"]))
    messages.begin(ESOREX_VERSION, LIBRARIES, [PROGRAM, *words])
    if recipe is None:
        raise EsorexProblem(
            UNKNOWN_RECIPE,
            f"Unable to find recipe '{given.recipe}'. musedeep has no such recipe, and there is no other esorex that "
            f"may have it; set {COMMAND} to one",
        )
    messages.timed = True
    return _with_recipe(values, given.rest, recipe, messages)


def _recipe(name: str) -> "Recipe[Any] | None":
    from musedeep.recipes.registry import recipes

    return recipes().get(name)


def _without_recipe(values: "Mapping[str, Value]", messages: Messages) -> int:
    """Show what is asked for, or nothing."""
    if values["help"]:
        messages.print(manual.help_text(values, terminal_width()))
    elif values["recipes"]:
        messages.print(manual.recipe_list(terminal_width()))
    elif values["params"]:
        messages.print(manual.option_list(values))
    elif str(values["create-config"]) != "FALSE":
        _write_configuration(values, "esorex", OPTIONS, values, messages)
    else:
        check_options(values)
        messages.print(manual.version_text())
    return 0


def _with_recipe(values: "Mapping[str, Value]", words: Sequence[str], recipe: "Recipe[Any]", messages: Messages) -> int:
    """Show what is asked for of a recipe, or run it."""
    parameters, hidden = cpl_parameters(recipe), bool(values["show-hidden"])
    given, sources = recipe_values(recipe.name, words, parameters, str(values["recipe-config"]), messages.say)
    if values["help"]:
        messages.print(manual.recipe_help(recipe, hidden, given, terminal_width()))
    elif values["man-page"]:
        messages.print(manual.man_page(recipe, hidden, given, terminal_width()))
    elif str(values["create-config"]) != "FALSE":
        _write_configuration(values, recipe.name, parameters, given, messages)
    elif values["params"]:
        messages.print(f"{manual.option_list(values)}\n{manual.parameter_list(parameters, given)}")
    else:
        return _run(values, given, sources, recipe, messages)
    return 0


def _write_configuration(
    values: "Mapping[str, Value]",
    name: str,
    parameters: Sequence[CplParameter],
    current: "Mapping[str, Value]",
    messages: Messages,
) -> None:
    path, said = file_to_create(str(values["create-config"]), name)
    for line in said + write_configuration(path, parameters, current):
        messages.say(*line)


def _run(
    values: "Mapping[str, Value]",
    given: "Mapping[str, Value]",
    sources: Sequence[str],
    recipe: "Recipe[Any]",
    messages: Messages,
) -> int:
    from musedeep.esorex.frames import read_frames
    from musedeep.esorex.products import Delivery
    from musedeep.esorex.run import RecipeRun

    frames = read_frames(sources, bool(values["check-sof-exist"]))
    delivery = Delivery(
        str(values["output-dir"]),
        None if values["suppress-prefix"] else str(values["output-prefix"]),
        bool(values["output-readonly"]),
        None if values["suppress-link"] else str(values["link-dir"]),
        not values["no-checksum"],
        not values["no-datamd5"],
    )
    with listening(messages, min(LOG.level or logging.INFO, messages.least)):
        called = RecipeRun(
            recipe, given, frames, delivery, str(values["products-sof"]), bool(values["time"]),
            ", ".join(sources) or recipe.name,
        )  # fmt: skip
        return called.run(messages)


def _handed_over(program: str, words: Sequence[str], given: Words, messages: Messages) -> int:
    """Run a recipe that is not ours by another esorex, and say so in its log."""
    said = f"Recipe '{given.recipe}' is none of musedeep's; {program} runs it"
    messages.info(said)
    status = run_other(program, words)
    try:
        values = option_values(given.options, lambda *_: None)
    except EsorexProblem:
        return status  # the other one has said so
    if LEVELS[str(values["log-level"])] <= logging.INFO:
        messages.append(Path(str(values["log-dir"])) / str(values["log-file"]), logging.INFO, said)
    return status


if __name__ == "__main__":
    sys.exit(run())
