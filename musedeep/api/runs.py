"""Combinations and recipes, run from Python as the commands run them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musedeep.errors import MusedeepError
from musedeep.recipes.registry import named

if TYPE_CHECKING:
    from musedeep.graph.combine.exp_combine import Request
    from musedeep.selection.campaign.selection_file import Selection

_MEMORY = 4 * 2**30


def combine(
    exposures: str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    memory: int = _MEMORY,
    workers: int | None = None,
    threads: int | None = None,
) -> list[Path]:
    """Combine exposures into a cube, as `musedeep combine` does; an interrupted run is resumed.

    Parameters
    ----------
    exposures : path of a selection file (YAML), or pixel tables: files and stores
    output : directory of the products; default: that of the selection file, or the working directory
    parameters : of muse_exp_combine by name, for pixel tables; a selection file has its own
    memory : limit of all processes together [bytes]
    workers : processes; default: threads of this one
    threads : of this process; default: one per processor

    Returns
    -------
    list of Path
        The products.

    Raises
    ------
    MusedeepError
        Bad input; an output that exists; not enough memory or disk.
    """
    from musedeep.graph.combine.exp_combine import combine as run
    from musedeep.graph.combine.exp_combine import request_of
    from musedeep.recipes.exp_combine.recipe import ExpCombineParameters

    options: dict[str, Any] = {"overwrite": overwrite, "workers": workers}
    if threads is not None:
        options["threads"] = threads
    if isinstance(exposures, str | Path) and Path(exposures).suffix.lower() in (".yaml", ".yml"):
        if parameters:
            raise MusedeepError(f"{exposures}: has parameters of its own; write them there, or give pixel tables")
        from musedeep.selection.campaign.selection_file import load_selection

        request = selected(load_selection(exposures), None if output is None else Path(output), memory, **options)
    else:
        tables = [exposures] if isinstance(exposures, str | Path) else list(exposures)
        recipe = named("muse_exp_combine")
        parsed = recipe.parse(_texts(parameters))
        assert isinstance(parsed, ExpCombineParameters)
        found = recipe.check_frames([(str(table), "PIXTABLE_REDUCED") for table in tables], "combine")
        request = request_of(found, parsed, Path(output or "."), memory=memory, **options)
    return list(run(request).products)


def selected(chosen: "Selection", output: Path | None, memory: int, **options: Any) -> "Request":
    """The combination that a selection file asks for; `options` are fields of `Request`."""
    from musedeep.graph.combine.exp_combine import Request

    return Request(
        pixel_tables=chosen.exposures,
        parameters=chosen.parameters,
        parameter_texts=chosen.parameter_texts,
        output=output or chosen.output,
        offset_list=chosen.offset_list,
        output_wcs=chosen.output_wcs,
        filter_list=chosen.filter_list,
        memory=memory,
        combined_format=chosen.combined_format,
        **options,
    )


def run_recipe(
    name: str,
    frames: str | Path | Mapping[str, str | Path | Sequence[str | Path]],
    output: str | Path = ".",
    *,
    parameters: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    memory: int = _MEMORY,
    workers: int | None = None,
    save_fits: bool = False,
) -> list[Path]:
    """Run a recipe, as `musedeep recipe` does.

    Parameters
    ----------
    name : for example muse_scipost
    frames : path of a set-of-frames, or files by tag
    output : directory of the products; made where it is not there
    parameters : of the recipe by name; the others have their defaults
    memory : limit of the process [bytes]
    workers : processes; default: one per processor where the recipe uses several
    save_fits : write pixel tables as FITS files, too

    Returns
    -------
    list of Path
        The products.

    Raises
    ------
    MusedeepError
        An unknown recipe or parameter; missing frames; bad input; an output that exists; the failure of an IFU.
    """
    from musedeep.storage.outputs import make_directory
    from musedeep.storage.set_of_frames import read_set_of_frames

    recipe = named(name)
    parsed = recipe.parse(_texts(parameters))
    if isinstance(frames, Mapping):
        source, listed = name, [(str(file), tag) for tag, files in frames.items() for file in _several(files)]
    else:
        source, listed = str(frames), read_set_of_frames(frames)
    found = recipe.check_frames(listed, source)
    make_directory(Path(output))
    if recipe.name == "muse_exp_combine":
        from musedeep.graph.combine.exp_combine import combine as run
        from musedeep.graph.combine.exp_combine import request_of

        request: Any = request_of(
            found,
            parsed,
            Path(output),
            memory=memory,
            overwrite=overwrite,
            workers=workers,
        )
        return list(run(request).products)
    from musedeep.progress import LOG
    from musedeep.recipes.run_ifus import RecipeCall

    call = RecipeCall(
        found, parsed, Path(output), overwrite=overwrite, workers=workers, save_fits=save_fits, memory=memory
    )
    outcome = recipe.run(call)
    for note in outcome.notes:
        LOG.warning(note)
    if outcome.failures:
        raise MusedeepError("; ".join(str(one) for one in outcome.failures.values()))
    return list(outcome.paths)


def _several(files: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [files] if isinstance(files, str | Path) else files


def _texts(parameters: Mapping[str, Any] | None) -> dict[str, str]:
    """Parameters as a command line gives them."""
    return {name: _text(value) for name, value in (parameters or {}).items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
