"""muse_create_sky: the sky of exposures of a mostly empty field, as lines and a continuum.

1. The pixel tables of the IFUs become one: brought to one level, the colour of the flat's lamp put back.
2. Fluxes are calibrated and positions corrected for refraction, unless they are so already.
3. Exposures are put together, pixel of the field upon pixel of the field: each with its own exposure time and airmass.
4. The sky is measured and modelled (`reduction.sky.exposure`).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.instrument import FLUX_UNIT
from musedeep.recipes.create_sky.recipe import RECIPE, CreateSkyParameters
from musedeep.recipes.flux_calibrations import FluxCalibrations
from musedeep.recipes.run_exposures import ExposureRows, check_one_mode, exposures_of
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.sky_mask import mask_on_field
from musedeep.reduction.correct import flat_field
from musedeep.reduction.correct.never_twice import is_flux_calibrated, is_refraction_corrected, refuse_placed
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.correct.sky import check_has_sky
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.reduction.sky.exposure import SkyChoice, measure_sky
from musedeep.reduction.sky.line_spread import ifus_of
from musedeep.reduction.sky.parameters import crsigma_of
from musedeep.reduction.sky.products import WITH_PIXEL_TABLE, sky_products, without_pixel_table
from musedeep.storage.calibrations.lsf_profile import read_lsf_profiles
from musedeep.storage.calibrations.response import flat_corrected_card
from musedeep.storage.calibrations.sky_continuum import read_sky_continuum
from musedeep.storage.calibrations.sky_lines import read_sky_lines
from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.outputs import refuse_existing


def run(call: RecipeCall[CreateSkyParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input. Nothing is written then."""
    p, frames = call.parameters, call.frames
    for product in RECIPE.products:
        refuse_existing(call.output / product.name, call.overwrite)
    lines = read_sky_lines(frames["SKY_LINES"][0])
    continuum = read_sky_continuum(frames["SKY_CONTINUUM"][0]) if frames.get("SKY_CONTINUUM") else None
    mask = read_sky_mask(frames["SKY_MASK"][0]) if frames.get("SKY_MASK") else None
    given = exposures_of(frames["PIXTABLE_SKY"])
    check_one_mode(given)
    calibrations = FluxCalibrations(frames)
    exposures = [calibrated(one.within(p.lambdamin, p.lambdamax), calibrations, p.lambdaref, p.water) for one in given]
    ifus = {ifu for one in exposures for ifu in ifus_of(one.header, one.observation.name)}
    lsfs = read_lsf_profiles(frames["LSF_PROFILE"], sorted(ifus))
    choice = SkyChoice(p.fraction, p.ignore, p.sampling, p.csampling, crsigma_of(p.crsigma), p.unbiased)
    # the rows of all exposures, with the header of the first
    exposure = replace(
        exposures[0],
        sources=tuple(source for one in exposures for source in one.sources),
        paths=tuple(path for one in exposures for path in one.paths),
    )
    if mask is not None and not mask.in_pixels and len(exposures) > 1:
        raise MusedeepError(
            f"{mask.path}: celestial coordinates, which are other pixels in each of {len(exposures)} exposures; give "
            "one exposure, or a mask in pixels of the field"
        )
    mask = None if mask is None else mask_on_field(mask, exposure)
    pointing = exposure.observation.ra, exposure.observation.dec
    measured = measure_sky(exposure.sources, pointing, choice, mask, workers=call.workers, progress=call.progress)
    model, fit = measured.model(lines, lsfs, choice, continuum)
    outcome = Outcome()
    if not fit.converged:
        outcome.notes.append(f"{exposure.observation.name}: the fit of the sky lines has not converged")
    for category, hdus in sky_products(measured, model, "SKY", FLUX_UNIT, partial(_header, call, exposure)).items():
        path = call.output / f"{category}.fits"
        write_hdus(path, hdus, call.overwrite)
        outcome.paths.append(path)
    if call.plots:
        from musedeep.reduction.sky.plots import draw_sky

        outcome.paths += draw_sky(call.output, "", measured, model, fit, call.overwrite)
    return outcome


def calibrated(
    exposure: ExposureRows, calibrations: FluxCalibrations, lambdaref: float, water: bool = False
) -> ExposureRows:
    """The exposure with fluxes calibrated and positions corrected for refraction.

    With `water` the absorption of water is scaled with its amount, not with the airmass alone.

    Raises
    ------
    MusedeepError
        The sky is subtracted already, or positions are on the sky; counts, and no STD_RESPONSE or EXTINCT_TABLE.
    """
    observation = exposure.observation
    check_has_sky(observation)
    refuse_placed(observation, "the mask of the sky")
    if not is_flux_calibrated(observation):
        missing = [tag for tag in ("STD_RESPONSE", "EXTINCT_TABLE") if not calibrations.path(tag)]
        if missing:
            raise MusedeepError(
                f"{observation.name}: the data are counts, which {' and '.join(missing)} turn into fluxes; add "
                f"{'it' if len(missing) == 1 else 'them'}, or give a flux-calibrated pixel table"
            )
        exposure = calibrations.calibrated(calibrations.lamp_colour(exposure), water)
    if not is_refraction_corrected(observation):
        exposure = exposure.corrected(correct_refraction(observation, lambdaref))
    return exposure


def _header(
    call: RecipeCall[CreateSkyParameters], exposure: ExposureRows, category: str, cards: Sequence[Card]
) -> fits.Header:
    """Primary header of a product."""
    frames = {**call.frames, "PIXTABLE_SKY": list(exposure.paths)}
    header = exposure.header
    own: list[Card] = [("ESO PRO SCIENCE", False, "Scientific product if T"), *cards]
    if category == "SKY_IMAGE" and any(key == flat_field.FFCORR for key, _, _ in exposure.cards):
        own.append(flat_corrected_card(True))
    if category in WITH_PIXEL_TABLE:
        own = [*exposure.cards, *own]
    else:
        header = without_pixel_table(header)
    return exposure_header(RECIPE, header, category, f"{category}.fits", frames, call.parameters, own)
