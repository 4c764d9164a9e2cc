"""muse_exp_combine, run box by box: the whole cube, or a piece of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musedeep.graph.combine.run import Outcome, RunOptions, make_cube
from musedeep.progress import Progress
from musedeep.recipes.exp_combine.piece import ExpCombinePiece
from musedeep.recipes.exp_combine.products import ExpCombine, fields_of
from musedeep.recipes.exp_combine.recipe import ExpCombineParameters


@dataclass
class Request(ExpCombine, RunOptions):
    """A combination, and what its run may use."""


@dataclass
class PieceRequest(ExpCombinePiece, RunOptions):
    """A piece of a combination, and what its run may use."""


def combine(request: Request | PieceRequest, progress: Progress | None = None, dry_run: bool = False) -> Outcome:
    """Combine exposures into a cube, or a piece of one.

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
    return Request(**fields_of(frames, parameters, output), **options)
