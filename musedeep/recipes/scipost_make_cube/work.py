"""muse_scipost_make_cube: a cube of pixel tables, in pixels of the field or on the sky, whatever they are."""

from musedeep.recipes.run_cube import cube_of, make
from musedeep.recipes.run_exposures import exposures_of
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_make_cube.recipe import RECIPE, MakeCubeParameters


def run(call: RecipeCall[MakeCubeParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    saved = {"cube", "stacked"} if call.parameters.stacked else {"cube"}
    cube = cube_of(RECIPE, call, exposures_of(call.frames["PIXTABLE_OBJECT"]), frozenset(saved), "none")
    return Outcome(make(call, cube))
