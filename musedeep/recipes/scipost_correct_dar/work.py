"""muse_scipost_correct_dar: positions as they would be at one wavelength."""

from musedeep.recipes.run_exposures import ExposureRows, check_refraction, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_correct_dar.recipe import RECIPE, RefractionParameters
from musedeep.reduction.correct.refraction import correct_refraction


def run(call: RecipeCall[RefractionParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    return run_step(RECIPE, _step, call)


def _step(call: RecipeCall[RefractionParameters], exposure: ExposureRows) -> ExposureRows:
    wanted = call.parameters
    rows = exposure.corrected(correct_refraction(exposure.observation, wanted.lambdaref))
    return check_refraction(rows, wanted.darcheck, wanted.lambdaref, call.workers)
