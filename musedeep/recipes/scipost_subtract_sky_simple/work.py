"""muse_scipost_subtract_sky_simple: pixel tables without a spectrum of the sky."""

from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_subtract_sky_simple.recipe import RECIPE, SubtractSkySimpleParameters
from musedeep.reduction.correct.sky import subtract_spectrum
from musedeep.storage.calibrations.sky_spectrum import read_sky_spectrum


def run(call: RecipeCall[SubtractSkySimpleParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    spectrum = read_sky_spectrum(call.frames["SKY_SPECTRUM"][0])

    def step(call: RecipeCall[SubtractSkySimpleParameters], exposure: ExposureRows) -> ExposureRows:
        corrections = subtract_spectrum(exposure.observation, spectrum)
        return exposure.corrected(corrections).within(*spectrum.ends)

    return run_step(RECIPE, step, call)
