"""muse_scipost_subtract_sky: pixel tables without the lines and the continuum of a model of the sky."""

from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_subtract_sky.recipe import RECIPE, SubtractSkyParameters
from musedeep.reduction.correct.sky import ORIGINAL, Original, sky_range, subtract_model
from musedeep.reduction.rows.source import Correction, scaled_flux
from musedeep.reduction.sky.line_spread import ifus_of
from musedeep.reduction.sky.model import SkyModel
from musedeep.storage.calibrations.lsf_profile import read_lsf_profiles
from musedeep.storage.calibrations.sky_continuum import read_sky_continuum
from musedeep.storage.calibrations.sky_lines import read_sky_lines
from musedeep.storage.fits.headers import number_or_none
from musedeep.storage.pixel_tables.open import FLUX_KEYS, open_pixel_table

CALL = RecipeCall[SubtractSkyParameters]


def run(call: CALL) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    frames = call.frames
    if call.parameters.orig not in ("", ORIGINAL):
        raise MusedeepError(f"{RECIPE.name}: orig={call.parameters.orig} is not {ORIGINAL}, the one name that there is")
    model = SkyModel(read_sky_lines(frames["SKY_LINES"][0]), read_sky_continuum(frames["SKY_CONTINUUM"][0]))

    def step(call: CALL, exposure: ExposureRows) -> ExposureRows:
        observation = exposure.observation
        lsfs = read_lsf_profiles(frames["LSF_PROFILE"], ifus_of(exposure.header, observation.name))
        corrections: list[Correction] = scaled_flux(flux_factor(call, exposure))
        if call.parameters.orig:
            corrections.append(Original(exposure.sources[0].units.get("data", "")))
        corrections += subtract_model(observation, exposure.sources, model, lsfs)
        return exposure.corrected(corrections).within(*sky_range(model))

    return run_step(RECIPE, step, call)


def flux_factor(call: CALL, exposure: ExposureRows) -> float:
    """What data are multiplied by, so that they have the level of the IFU that the sky was measured with.

    The IFUs of the exposure have the level of the first one, whose flat flux its header gives.
    """
    given = call.parameters.flux_sky, call.parameters.flux_lamp
    if not any(given):
        return 1.0
    table = open_pixel_table(Path(exposure.paths[0]))
    try:
        own = [number_or_none(table.facts, key) for key in FLUX_KEYS]
    finally:
        table.close()
    for wanted, flux in zip(given, own, strict=True):
        if wanted and flux and flux > 0:
            return wanted / flux
    raise MusedeepError(
        f"{exposure.paths[0]}: no {' or '.join(FLUX_KEYS)} to be compared with flux_sky and flux_lamp; leave these "
        "parameters out"
    )
