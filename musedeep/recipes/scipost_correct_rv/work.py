"""muse_scipost_correct_rv: wavelengths as they would be seen from the barycentre, the Sun or the Earth's centre."""

from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_correct_rv.recipe import RECIPE, VelocityParameters
from musedeep.reduction.correct.velocity import correct_velocity


def run(call: RecipeCall[VelocityParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    return run_step(RECIPE, _step, call)


def _step(call: RecipeCall[VelocityParameters], exposure: ExposureRows) -> ExposureRows:
    return exposure.corrected(correct_velocity(exposure.observation, call.parameters.rvcorr))
