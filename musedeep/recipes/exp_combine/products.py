"""The products of muse_exp_combine."""

from dataclasses import dataclass, field
from typing import Any

from musedeep.declaration import Recipe
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.products import CubeProducts


@dataclass
class ExpCombine(CubeProducts):
    """muse_exp_combine, as the graph runs it (`reduction.cube.job.CubeRecipe`)."""

    recipe: Recipe[Any] = field(default=RECIPE, kw_only=True)
    quality: str = field(default="EXPCOMB", kw_only=True)
