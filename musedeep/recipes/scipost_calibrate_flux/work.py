"""muse_scipost_calibrate_flux: from counts to fluxes above the atmosphere."""

from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_calibrate_flux.recipe import RECIPE, FluxParameters
from musedeep.reduction.correct.flux import calibrate_flux
from musedeep.storage.calibrations.extinction import read_extinction
from musedeep.storage.calibrations.response import read_response, read_telluric


def run(call: RecipeCall[FluxParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    response = read_response(call.frames["STD_RESPONSE"][0])
    extinction = read_extinction(call.frames["EXTINCT_TABLE"][0])
    given = call.frames.get("STD_TELLURIC", ())
    telluric = read_telluric(given[0]) if given else None

    def step(call: RecipeCall[FluxParameters], exposure: ExposureRows) -> ExposureRows:
        # the colour of the lamp is put back where the standard star had it
        rows = exposure.with_lamp_colour() if response.flat_corrected else exposure
        colour, wavelengths = rows.has_lamp_colour, exposure.wavelengths
        water = call.parameters.water
        return rows.corrected(
            calibrate_flux(exposure.observation, response, extinction, telluric, colour, wavelengths, water)
        )

    return run_step(RECIPE, step, call)
