"""The recipes as classes of PyCPL, ESO's Python bindings of CPL, for pyesorex and EDPS.

1. pyesorex imports every module below PYESOREX_PLUGIN_DIR and makes one object of each class derived from
   `cpl.ui.PyRecipe` that it finds. `musedeep/esorex/pyrecipes` is a folder for that: it has one module, which takes its
   classes from here.
2. Each class follows from a declaration: names, and the parameters as plain values, ranges and enumerations, see
   `parameters.py`.
3. `run` takes the frames and the settings, by full names as muse.muse_bias.nifu. It works in the current directory,
   replaces products that are there, and makes FITS files alone, see `run.py`.
4. What musedeep logs goes to the messages of CPL; errors are those of `cpl.core`.

`python -m musedeep.esorex.pyrecipe` prints the folder.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import musedeep
from musedeep.declaration import Recipe
from musedeep.errors import MusedeepError, reason
from musedeep.esorex.frames import Frame
from musedeep.esorex.log import OURS, listening
from musedeep.esorex.manual import description
from musedeep.esorex.parameters import CplParameter, cpl_parameters
from musedeep.esorex.plugin import facts_of
from musedeep.esorex.products import category_of, moved_here, workplace
from musedeep.esorex.run import MEMORY, outcome_of
from musedeep.recipes.registry import recipes

T = TypeVar("T")

DIRECTORY: Final = Path(__file__).with_name("pyrecipes")
"""For PYESOREX_PLUGIN_DIR."""

INT32: Final = (-(2**31), 2**31 - 1)

FRAMES: Final = "the set-of-frames"


class RunsRecipe:
    """What the classes have in common. It is no `cpl.ui.PyRecipe` itself, as pyesorex would take it for a recipe."""

    recipe: Recipe[Any]

    def __init__(self) -> None:
        super().__init__()
        self.parameters = parameter_list(self.recipe)

    def run(self, frameset: Any, settings: Mapping[str, Any]) -> Any:
        """Run the recipe in the current directory; products that are there are replaced.

        Parameters
        ----------
        frameset : cpl.ui.FrameSet
            Raw frames and calibrations. Frames whose tags the recipe does not take are left out.
        settings : values by full name, as muse.muse_bias.nifu. The other parameters have the values of
            `self.parameters`, their defaults if nothing has set them.

        Returns
        -------
        cpl.ui.FrameSet
            The products.

        Raises
        ------
        cpl.core.IllegalInputError
            An unknown parameter, or a value that it does not take.
        cpl.core.DataNotFoundError
            Frames are missing, or there are too many of a tag.
        cpl.core.FileIOError
            A file cannot be read or written.
        cpl.core.IllegalOutputError
            The recipe cannot go on, or an IFU has failed. Products that are whole stay in the directory.
        """
        from cpl import core, ui

        recipe, said = self.recipe, Messages(core.Msg, self.recipe.name)
        frames = [Frame(str(frame.file), str(frame.tag)) for frame in frameset]
        given = {one.name: one.value for one in self.parameters if one.presence} | dict(settings)
        values = short_names(recipe, given)
        with listening(said, logging.DEBUG):  # CPL leaves out what is below its own level
            said.check(core.IllegalInputError, lambda: recipe.parse(values))
            said.check(core.DataNotFoundError, lambda: recipe.check_frames([(f.path, f.tag) for f in frames], FRAMES))
            taken, raws = {one.name for one in recipe.inputs}, {one.name for one in recipe.raws}
            for frame in frameset:
                if frame.tag in taken:
                    frame.group = ui.Frame.FrameGroup.RAW if frame.tag in raws else ui.Frame.FrameGroup.CALIB
            try:
                products = said.check(core.IllegalOutputError, lambda: _products(recipe, values, frames, said))
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                raise core.FileIOError(said.error(where + reason(error))) from None
            except MemoryError:
                raise core.UnspecifiedError(said.error(f"out of memory; set {MEMORY}, as in 2GiB")) from None
        return ui.FrameSet([_frame(ui.Frame, recipe, path) for path in products])


def _products(recipe: Recipe[Any], values: Mapping[str, Any], frames: Sequence[Frame], said: "Messages") -> list[Path]:
    """Run the recipe; its products in the current directory."""
    with workplace(Path()) as place:
        said.place = f"{place}/"
        outcome = outcome_of(recipe, values, frames, place, said, FRAMES)
        names = moved_here(outcome.paths)
    for note in outcome.notes:
        said.say(logging.WARNING, note)
    if outcome.failures:
        raise MusedeepError("; ".join(outcome.failures.values()))
    return [Path(name) for name in names]


def _frame(kind: Any, recipe: Recipe[Any], path: Path) -> Any:
    """The frame of a product."""
    tag, contents, level = facts_of(recipe, category_of(path))
    return kind(
        str(path),
        tag,
        kind.FrameGroup.PRODUCT,
        getattr(kind.FrameLevel, level.upper()),
        getattr(kind.FrameType, contents.upper()),
    )


def short_names(recipe: Recipe[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of the declaration; names that are short already stay."""
    return {name.removeprefix(f"muse.{recipe.name}."): value for name, value in settings.items()}


def parameter_list(recipe: Recipe[Any]) -> Any:
    """The parameters of a recipe, as a `cpl.ui.ParameterList`."""
    from cpl import ui

    made = ui.ParameterList([])
    for one in cpl_parameters(recipe):
        parameter = _parameter(ui, one)
        parameter.cli_alias = parameter.cfg_alias = one.alias
        made.append(parameter)
    return made


def _parameter(ui: Any, one: CplParameter) -> Any:
    common = {"name": one.name, "context": f"muse.{one.recipe}", "description": one.description, "default": one.default}
    if one.partype == "enum":
        return ui.ParameterEnum(**common, alternatives=list(one.choices))
    if one.partype == "range" and one.limits:
        low, high = one.limits
        if one.type == "int":
            low, high = (int(limit) if math.isfinite(limit) else INT32[limit > 0] for limit in (low, high))
        return ui.ParameterRange(**common, min=low, max=high)
    return ui.ParameterValue(**common)


def recipe_classes(module: str) -> dict[str, type]:
    """A class of PyCPL for each recipe, by its name as MuseScibasic.

    Parameters
    ----------
    module : name of the module that they will be attributes of
    """
    from cpl import ui

    classes = {}
    for recipe in recipes().values():
        name = "".join(word.capitalize() for word in recipe.name.split("_"))
        members = {
            "__module__": module,
            "__doc__": recipe.summary,
            "recipe": recipe,
            "_name": recipe.name,
            "_version": musedeep.__version__,
            "_author": "musedeep developers",
            "_email": "",
            "_copyright": "BSD-3-Clause",
            "_synopsis": recipe.summary,
            "_description": "\n".join(description(recipe)),
        }
        classes[name] = type(name, (RunsRecipe, ui.PyRecipe), members)
    return classes


class Messages(logging.Handler):
    """Sends to the messages of CPL what musedeep logs and says.

    Attributes
    ----------
    place : directory of products in work, which messages leave out
    """

    def __init__(self, msg: Any, component: str) -> None:
        super().__init__()
        self.component, self.place = component, ""
        self.senders = ((logging.ERROR, msg.error), (logging.WARNING, msg.warning), (logging.INFO, msg.info))
        self.lowest = msg.debug

    def say(self, level: int, text: str, function: str | None = None) -> None:
        """Send a message, line by line."""
        send = next((one for least, one in self.senders if level >= least), self.lowest)
        for line in self.shown(text).splitlines():
            send(self.component, line)

    def shown(self, text: str) -> str:
        """A text as users know it."""
        return text.replace(self.place, "") if self.place else text

    def error(self, text: str) -> str:
        """Send what is wrong; returns it."""
        self.say(logging.ERROR, text)
        return self.shown(text)

    def emit(self, record: logging.LogRecord) -> None:
        """Send what is logged."""
        self.say(record.levelno, record.getMessage().removeprefix(OURS))

    def check(self, kind: Callable[[str], Exception], action: Callable[[], T]) -> T:
        """Do what may raise MusedeepError, which becomes an error of CPL."""
        try:
            return action()
        except MusedeepError as error:
            raise kind(self.error(str(error))) from None


if __name__ == "__main__":
    print(DIRECTORY)
