"""The products of muse_exp_combine."""

from dataclasses import dataclass

from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.products import CubeProducts


@dataclass
class ExpCombine(CubeProducts):
    """muse_exp_combine, as the graph runs it (`reduction.cube.job.CubeRecipe`)."""

    recipe = RECIPE
    quality = "EXPCOMB"
