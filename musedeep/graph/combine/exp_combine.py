"""muse_exp_combine, run box by box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musedeep.graph.combine.run import Outcome, RunOptions, make_cube
from musedeep.processors import available_processors
from musedeep.progress import Progress
from musedeep.recipes import run_ifus
from musedeep.recipes.exp_combine.products import ExpCombine
from musedeep.recipes.exp_combine.recipe import ExpCombineParameters
from musedeep.recipes.run_ifus import RecipeCall


@dataclass
class Request(ExpCombine, RunOptions):
    """A combination, and what its run may use."""


def combine(request: Request, progress: Progress | None = None, dry_run: bool = False) -> Outcome:
    """Combine exposures into a cube.

    Raises
    ------
    MusedeepError
        Bad input, an existing output without `overwrite`, another run at work on the output, not enough memory or
        disk.
    """
    return make_cube(request, request, progress, dry_run)


def request_of(
    frames: Mapping[str, Sequence[str]], parameters: ExpCombineParameters, output: Path, **options: Any
) -> Request:
    """The combination of a set-of-frames; `options` are fields of `Request`."""
    optional = ("OFFSET_LIST", "OUTPUT_WCS", "FILTER_LIST")
    single: dict[str, Any] = {tag.lower(): Path(frames[tag][0]) for tag in optional if frames.get(tag)}
    texts = tuple((name, str(value)) for name, value in parameters.given.items())
    tables = [Path(p) for p in frames["PIXTABLE_REDUCED"]]
    return Request(
        pixel_tables=tables, parameters=parameters, output=output, parameter_texts=texts, **single, **options
    )


def run(call: RecipeCall[ExpCombineParameters]) -> run_ifus.Outcome:
    """Combine the exposures of a set-of-frames on threads of this process; raises as `combine`."""
    threads = call.workers or available_processors()
    request = request_of(
        call.frames, call.parameters, call.output, overwrite=call.overwrite, memory=call.memory, threads=threads
    )
    return run_ifus.Outcome(combine(request, call.progress).products)
