"""muse_scipost_raman: pixel tables without the Raman light of the laser guide stars."""

from pathlib import Path

from astropy.io import fits

from musedeep.recipes.run_exposures import ExposureRows, run_step
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_raman.recipe import RECIPE, RamanParameters
from musedeep.recipes.sky_mask import mask_on_field
from musedeep.reduction.correct.never_twice import is_refraction_corrected
from musedeep.reduction.correct.raman import RamanLight, check_raman, measure_raman, subtract_raman
from musedeep.reduction.correct.raman_images import raman_hdus
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.reduction.sky.line_spread import ifus_of
from musedeep.reduction.sky.products import without_pixel_table
from musedeep.storage.calibrations.lsf_profile import read_lsf_profiles
from musedeep.storage.calibrations.sky_lines import read_sky_lines
from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.fits.hdus import write_hdus

CALL = RecipeCall[RamanParameters]
CATEGORY = "RAMAN_IMAGES"


def run(call: CALL) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    frames, wanted = call.frames, call.parameters
    lines = read_sky_lines(frames["RAMAN_LINES"][0], "RAMAN_LINES")
    mask = read_sky_mask(frames["SKY_MASK"][0])
    images: list[Path] = []

    def step(call: CALL, exposure: ExposureRows) -> ExposureRows:
        observation = exposure.observation
        check_raman(observation, exposure.sources)
        if not is_refraction_corrected(observation):
            exposure = exposure.corrected(correct_refraction(observation, wanted.lambdaref))
        lsfs = read_lsf_profiles(frames["LSF_PROFILE"], ifus_of(exposure.header, observation.name))
        light = measure_raman(
            exposure.sources, observation, lines, lsfs, wanted.fraction, wanted.ignore, wanted.width,
            mask_on_field(mask, exposure), call.workers, wanted.crsigma,
        )  # fmt: skip
        path = call.output / f"{CATEGORY}_{len(images) + 1:04d}.fits"
        write_hdus(path, _images(call, exposure, light, path.name), call.overwrite)
        images.append(path)
        return exposure.corrected(subtract_raman(observation, exposure.sources, light))

    outcome = run_step(RECIPE, step, call)
    outcome.paths += images
    return outcome


def _images(call: CALL, exposure: ExposureRows, light: RamanLight, name: str) -> fits.HDUList:
    """RAMAN_IMAGES of an exposure."""
    frames = {**call.frames, RECIPE.inputs[0].name: list(exposure.paths)}
    header = exposure_header(RECIPE, without_pixel_table(exposure.header), CATEGORY, name, frames, call.parameters)
    return raman_hdus(light, header)
