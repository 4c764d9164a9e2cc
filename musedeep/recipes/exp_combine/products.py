"""The products of muse_exp_combine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musedeep.declaration import Recipe
from musedeep.recipes.exp_combine.recipe import RECIPE, ExpCombineParameters
from musedeep.reduction.cube.products import CubeProducts

if TYPE_CHECKING:
    from musedeep.recipes.run_ifus import Outcome, RecipeCall


@dataclass
class ExpCombine(CubeProducts):
    """muse_exp_combine, as the graph runs it (`reduction.cube.job.CubeRecipe`)."""

    recipe: Recipe[Any] = field(default=RECIPE, kw_only=True)
    quality: str = field(default="EXPCOMB", kw_only=True)


def fields_of(frames: Mapping[str, Sequence[str]], parameters: ExpCombineParameters, output: Path) -> dict[str, Any]:
    """The fields of `ExpCombine` for a set-of-frames, files by tag."""
    optional = ("OFFSET_LIST", "OUTPUT_WCS", "FILTER_LIST")
    return {
        "pixel_tables": [Path(path) for path in frames["PIXTABLE_REDUCED"]],
        "parameters": parameters,
        "output": output,
        "parameter_texts": tuple((name, str(value)) for name, value in parameters.given.items()),
        **{tag.lower(): Path(frames[tag][0]) for tag in optional if frames.get(tag)},
    }


def run(call: "RecipeCall[ExpCombineParameters]") -> "Outcome":
    """Combine the exposures in this process, as a task of a night does; raises as `make_cube_here`."""
    from musedeep.recipes.run_ifus import Outcome
    from musedeep.reduction.cube.make import make_cube_here

    cube = ExpCombine(**fields_of(call.frames, call.parameters, call.output))
    return Outcome(
        make_cube_here(cube, memory=call.memory, workers=call.workers, overwrite=call.overwrite, progress=call.progress)
    )
