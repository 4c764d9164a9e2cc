"""muse_scipost_apply_astrometry: from the field of view to the sky."""

from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_apply_astrometry.recipe import RECIPE, AstrometryParameters
from musedeep.reduction.correct.placing import place
from musedeep.storage.calibrations.astrometry_wcs import read_astrometry_wcs


def run(call: RecipeCall[AstrometryParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    given = call.frames.get("ASTROMETRY_WCS", ())
    wcs = read_astrometry_wcs(given[0]) if given else None

    def step(call: RecipeCall[AstrometryParameters], exposure: ExposureRows) -> ExposureRows:
        return exposure.corrected(place(exposure.observation, wcs))

    return run_step(RECIPE, step, call)
