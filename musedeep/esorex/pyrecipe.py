"""The recipes as classes of PyCPL, ESO's Python bindings of CPL, for pyesorex and EDPS.

1. pyesorex imports every module below PYESOREX_PLUGIN_DIR and makes one object of each class derived from
   `cpl.ui.PyRecipe` that it finds. `musedeep/esorex/pyrecipes` is a folder for that: it has one module, which takes its
   classes from here.
2. Each class follows from a declaration: names, and the parameters as plain values, ranges and enumerations, see
   `parameters.py`.
3. `run` takes the frames and the settings, by full names as muse.muse_bias.nifu. It works in the current directory,
   replaces products that are there, and makes FITS files alone.
4. What musedeep logs goes to the messages of CPL; errors are those of `cpl.core`.

`python -m musedeep.esorex.pyrecipe` prints the folder.
"""

import logging
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import musedeep
from musedeep.declaration import Format, Recipe
from musedeep.errors import MusedeepError, reason
from musedeep.esorex.parameters import CplParameter, cpl_parameters
from musedeep.esorex.products import format_of
from musedeep.progress import LOG
from musedeep.recipes.registry import recipes

DIRECTORY: Final = Path(__file__).with_name("pyrecipes")
"""For PYESOREX_PLUGIN_DIR."""

INT32: Final = (-(2**31), 2**31 - 1)

WORDS: Final = "musedeep: "
"""What lines on a terminal begin with, and messages of CPL need not."""


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

        recipe = self.recipe
        with messages(core.Msg, recipe.name):
            values = {one.name: one.value for one in self.parameters if one.presence} | dict(settings)
            parameters = _raising(core.IllegalInputError, lambda: recipe.parse(short_names(recipe, values)))
            tags = [(str(frame.file), str(frame.tag)) for frame in frameset]
            frames = _raising(core.DataNotFoundError, lambda: recipe.check_frames(tags, "set-of-frames"))
            raws = {one.name for one in recipe.raws}
            for frame in frameset:
                if frame.tag in frames:
                    group = ui.Frame.FrameGroup
                    frame.group = group.RAW if frame.tag in raws else group.CALIB
            try:
                products = _raising(core.IllegalOutputError, lambda: _work(recipe, parameters, frames))
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                raise core.FileIOError(where + reason(error)) from None
            return ui.FrameSet([_frame(ui.Frame, recipe, path) for path in products])


def _raising(kind: Callable[[str], Exception], action: Callable[[], Any]) -> Any:
    """Do what may raise MusedeepError, which becomes an error of CPL, and one line among the messages."""
    try:
        return action()
    except MusedeepError as error:
        LOG.error("%s", error)
        raise kind(str(error)) from None


def _work(recipe: Recipe[Any], parameters: Any, frames: Mapping[str, list[str]]) -> list[Path]:
    """Run the recipe; its products, in FITS."""
    from musedeep.recipes.run_ifus import RecipeCall

    outcome = recipe.run(RecipeCall(frames, parameters, Path("."), overwrite=True, save_fits=True))
    for note in outcome.notes:
        LOG.warning("%s", note)
    for path in outcome.paths:
        if path.suffix == ".zarr" and path.with_suffix(".fits") in outcome.paths:
            shutil.rmtree(path)
    if outcome.failures:
        raise MusedeepError("; ".join(outcome.failures.values()))
    return [path for path in dict.fromkeys(outcome.paths) if path.exists()]


def _frame(kind: Any, recipe: Recipe[Any], path: Path) -> Any:
    """The frame of a product."""
    from musedeep.storage.fits.headers import primary_header, text_of

    tag = text_of(primary_header(path), "ESO PRO CATG", str(path))
    contents = kind.FrameType.TABLE if format_of(recipe, tag) is Format.TABLE else kind.FrameType.IMAGE
    return kind(str(path), tag, kind.FrameGroup.PRODUCT, kind.FrameLevel.FINAL, contents)


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
            "_description": recipe.help_text(),
        }
        classes[name] = type(name, (RunsRecipe, ui.PyRecipe), members)
    return classes


@contextmanager
def messages(msg: Any, component: str) -> Iterator[None]:
    """Send what musedeep logs to the messages of CPL, as words of a component."""
    handler = _Messages(msg, component)
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        LOG.setLevel(level)
        LOG.removeHandler(handler)


class _Messages(logging.Handler):
    def __init__(self, msg: Any, component: str) -> None:
        super().__init__()
        self.component = component
        self.senders = ((logging.ERROR, msg.error), (logging.WARNING, msg.warning), (logging.INFO, msg.info))
        self.lowest = msg.debug

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, line by line."""
        send = next((one for level, one in self.senders if record.levelno >= level), self.lowest)
        for line in record.getMessage().removeprefix(WORDS).splitlines():
            send(self.component, line)


if __name__ == "__main__":
    print(DIRECTORY)
