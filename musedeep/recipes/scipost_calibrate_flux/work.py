"""muse_scipost_calibrate_flux: from counts to fluxes above the atmosphere."""

from musedeep.recipes.flux_calibrations import FluxCalibrations
from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_calibrate_flux.recipe import RECIPE, FluxParameters


def run(call: RecipeCall[FluxParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    calibrations = FluxCalibrations(call.frames)

    def step(call: RecipeCall[FluxParameters], exposure: ExposureRows) -> ExposureRows:
        return calibrations.calibrated(calibrations.lamp_colour(exposure), call.parameters.water)

    return run_step(RECIPE, step, call)
