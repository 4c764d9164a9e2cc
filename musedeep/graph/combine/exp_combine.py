"""muse_exp_combine, run box by box."""

from dataclasses import dataclass

from musedeep.graph.combine.run import Outcome, RunOptions, make_cube
from musedeep.progress import Progress
from musedeep.recipes.exp_combine.products import ExpCombine


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
