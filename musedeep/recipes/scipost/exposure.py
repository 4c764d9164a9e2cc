"""muse_scipost on one exposure: from the pixel tables of its IFUs to one that is reduced.

1. The IFUs are merged: brought to one level, and the colour of the flat's lamp put back.
2. Positions are corrected for refraction, and that is checked on sources if it is wanted; data are calibrated in flux
   and for telluric bands.
3. Raman light of the laser guide stars is subtracted, where there were any.
4. Slices are calibrated by themselves, where that is wanted.
5. The sky is subtracted: its spectrum is the mean of the rows in the darkest part of the field.
6. Wavelengths become those of the barycentre, positions those on the sky.

An exposure that is reduced to its place on the sky (a PIXTABLE_REDUCED given as PIXTABLE_OBJECT, as users do to combine
exposures by muse_scipost) is taken as it is, if nothing but the velocity is asked for; that is corrected if it is not.

Each correction is put on the rows (`ExposureRows.corrected`), and made when they are read. Between them are sums over
all rows: an image of the field for 3 to 5, a spectrum for 5. The rows are read once for each, and once to be written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.instrument import FLUX_UNIT
from musedeep.recipes.run_exposures import ExposureRows, check_refraction
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.recipes.scipost.calibrations import MODELS, ScipostCalibrations
from musedeep.recipes.scipost.recipe import ScipostParameters
from musedeep.recipes.sky_mask import mask_on_field
from musedeep.reduction.correct.autocal_plot import draw_factors
from musedeep.reduction.correct.autocalibration import SkyPixels, calibrate_slices, measure_factors, sky_pixels
from musedeep.reduction.correct.never_twice import (
    FLUXCAL,
    is_flux_calibrated,
    is_velocity_corrected,
    placed_as,
    refuse,
)
from musedeep.reduction.correct.placing import PROJECTED, place
from musedeep.reduction.correct.raman import RamanLight, has_laser, measure_raman, subtract_raman
from musedeep.reduction.correct.raman_images import raman_hdus
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.correct.sky import (
    check_calibrated,
    check_has_sky,
    sky_range,
    subtract_model,
    subtract_spectrum,
)
from musedeep.reduction.correct.velocity import correct_velocity
from musedeep.reduction.cube.field_cube import white_image
from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.planes import BAND_MEMORY
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.sky.exposure import MeasuredSky, SkyChoice, measure_sky
from musedeep.reduction.sky.line_fit import LineFit
from musedeep.reduction.sky.line_spread import ifus_of
from musedeep.reduction.sky.model import SkyModel
from musedeep.reduction.sky.products import HeaderOf, sky_products
from musedeep.storage.calibrations.autocal_factors import AutocalFactors
from musedeep.storage.calibrations.filters import WHITE
from musedeep.storage.calibrations.lsf_profile import LsfProfile, read_lsf_profiles
from musedeep.storage.calibrations.sky_mask import SkyMask, mask_hdu

NOT_CONVERGED: Final[Card] = ("ESO QC SCIPOST SKY CONVERGED", False, "The fit of the sky lines has not converged")
"""In the header of an exposure whose fit has not; the others say nothing."""

Maker = Callable[[HeaderOf], Mapping[str, fits.HDUList]]
"""Makes products by category, with primary headers that it asks for."""

Drawer = Callable[[Path, str, bool], Sequence[Path]]
"""Draws pictures into a directory, with an ending of their names, and may replace others; returns their paths."""


@dataclass(frozen=True)
class ReducedExposure:
    """An exposure, reduced.

    Attributes
    ----------
    rows : corrected
    makers : of products beside them
    drawers : of pictures
    """

    rows: ExposureRows
    makers: tuple[Maker, ...] = ()
    drawers: tuple[Drawer, ...] = ()

    def corrected(self, rows: ExposureRows, *makers: Maker, drawers: Sequence[Drawer] = ()) -> "ReducedExposure":
        """With further corrections, and products and pictures of what they have found."""
        return ReducedExposure(rows, (*self.makers, *makers), (*self.drawers, *drawers))


def is_taken_as_it_is(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, exposure: ExposureRows
) -> bool:
    """Whether an exposure is reduced to its place already, and the call asks for nothing that was done before that.

    Astrometry, which is on by default, is not asked for: that is its place.
    """
    parameters = call.parameters
    asked = (
        calibrations.response is not None
        or calibrations.raman_lines is not None
        or (parameters.skymethod, parameters.autocalib, parameters.darcheck) != ("none", "none", "none")
    )
    return placed_as(exposure.observation) == PROJECTED and not asked


def check_exposure(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, exposure: ExposureRows
) -> None:
    """Find out what the header and the calibrations do not allow, before the work.

    Raises
    ------
    MusedeepError
        A correction is made already; a keyword, or the line-spread function of an IFU, is missing or wrong.
    """
    observation = exposure.observation
    if is_taken_as_it_is(call, calibrations, exposure):
        if not is_velocity_corrected(observation):
            correct_velocity(observation, call.parameters.rvcorr)
        return
    check_has_sky(observation)
    correct_refraction(observation, call.parameters.lambdaref)
    if calibrations.response is not None:
        refuse(is_flux_calibrated(observation), observation, "its fluxes are calibrated", FLUXCAL)
    correct_velocity(observation, call.parameters.rvcorr)
    if call.parameters.astrometry:
        place(observation, calibrations.astrometry)
    if call.parameters.skymethod in MODELS:
        _profiles(calibrations, exposure)


def reduce_exposure(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, exposure: ExposureRows
) -> ReducedExposure:
    """Put all corrections on the rows of an exposure; what they need to know is found on the way.

    Raises
    ------
    MusedeepError
        A correction is made already, or cannot be made; see its module.
    """
    parameters, observation = call.parameters, exposure.observation
    rows = exposure.within(parameters.lambdamin, parameters.lambdamax)
    if not rows.n_rows:
        low, high = exposure.wavelengths
        raise MusedeepError(
            f"{observation.name}: no row between lambdamin={parameters.lambdamin:g} and lambdamax="
            f"{parameters.lambdamax:g}; it has {low:.1f} to {high:.1f} Angstrom"
        )
    if is_taken_as_it_is(call, calibrations, exposure):
        if parameters.astrometry:
            note = (
                f"{observation.name}: its positions are on the sky already, and stay as they are; no astrometry is done"
            )
            rows = replace(rows, notes=(*rows.notes, note))
        known = is_velocity_corrected(observation)
        return ReducedExposure(rows if known else rows.corrected(correct_velocity(observation, parameters.rvcorr)))
    rows = calibrations.lamp_colour(rows).corrected(correct_refraction(observation, parameters.lambdaref))
    rows = check_refraction(rows, parameters.darcheck, parameters.lambdaref, call.workers)
    reduced = ReducedExposure(calibrations.calibrated(rows, parameters.water))
    reduced = _without_raman(call, calibrations, reduced)
    reduced = _autocalibrated(call, calibrations, reduced)
    reduced = _without_sky(call, calibrations, reduced)
    rows = reduced.rows.corrected(correct_velocity(observation, parameters.rvcorr))
    if parameters.astrometry:
        rows = rows.corrected(place(observation, calibrations.astrometry))
    return reduced.corrected(rows)


def _without_raman(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, reduced: ReducedExposure
) -> ReducedExposure:
    """The exposure without the Raman light of the laser, of a mode that has one and with RAMAN_LINES."""
    rows, lines = reduced.rows, calibrations.raman_lines
    if lines is None or not has_laser(rows.observation):
        return reduced
    light = measure_raman(
        rows.sources, rows.observation, lines, _profiles(calibrations, rows), call.parameters.skymodel_fraction,
        call.parameters.skymodel_ignore, call.parameters.raman_width, _given_mask(calibrations, rows), call.workers,
    )  # fmt: skip
    return reduced.corrected(
        rows.corrected(subtract_raman(rows.observation, rows.sources, light)), partial(_raman_images, light)
    )


def _raman_images(light: RamanLight, header_of: HeaderOf) -> dict[str, fits.HDUList]:
    return {"RAMAN_IMAGES": raman_hdus(light, header_of("RAMAN_IMAGES", ()))}


def _profiles(calibrations: ScipostCalibrations, rows: ExposureRows) -> dict[int, LsfProfile]:
    """Line-spread functions of the IFUs of an exposure."""
    return read_lsf_profiles(calibrations.frames["LSF_PROFILE"], ifus_of(rows.header, rows.observation.name))


def _autocalibrated(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, reduced: ReducedExposure
) -> ReducedExposure:
    """The exposure with the fluxes of its slices calibrated, as `autocalib` says."""
    rows, observation = reduced.rows, reduced.rows.observation
    if call.parameters.autocalib == "none":
        return reduced
    if call.parameters.autocalib == "user":
        assert calibrations.factors is not None
        return reduced.corrected(rows.corrected(calibrate_slices(observation, calibrations.factors, user=True)))
    maker: tuple[Maker, ...] = ()
    given = _given_mask(calibrations, rows)
    if given is not None:
        mask, start = given.mask, given.start
    else:
        pointing = observation.ra, observation.dec
        survey = survey_rows(rows.sources, float(np.deg2rad(pointing[1])), call.workers)
        grid = field_grid(survey, pointing)
        memory = min(BAND_MEMORY, call.memory // 3)
        found = sky_pixels(white_image(survey, grid, memory=memory, workers=call.workers))
        mask, start = found.mask, grid.start[:2]
        low, step = grid.start[2], grid.grid.step
        maker = (partial(_autocal_mask, found, start, (low, low + step * grid.shape[0])),)
    factors = measure_factors(rows.sources, mask, start, observation.mode, call.workers)
    return reduced.corrected(
        rows.corrected(calibrate_slices(observation, factors)),
        *maker,
        partial(_autocal_factors, factors),
        drawers=[partial(draw_factors, factors)],
    )


def _autocal_mask(
    found: SkyPixels, start: Sequence[float], covered: tuple[float, float], header_of: HeaderOf
) -> dict[str, fits.HDUList]:
    cards: list[Card] = [
        *WHITE.cards(*covered),
        ("ESO QC SCIPOST LOWLIMIT", found.low, "Low limit in the white light image"),
        ("ESO QC SCIPOST THRESHOLD", found.high, "Threshold in the white light considered as sky"),
        ("BUNIT", FLUX_UNIT, ""),
    ]
    return {"AUTOCAL_MASK": fits.HDUList([mask_hdu(found.mask, start, header_of("AUTOCAL_MASK", cards))])}


def _autocal_factors(factors: AutocalFactors, header_of: HeaderOf) -> dict[str, fits.HDUList]:
    header = header_of("AUTOCAL_FACTORS", factors.cards())
    return {"AUTOCAL_FACTORS": fits.HDUList([fits.PrimaryHDU(header=header), factors.table()])}


def _without_sky(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, reduced: ReducedExposure
) -> ReducedExposure:
    """The exposure without its sky, as `skymethod` says."""
    parameters, rows = call.parameters, reduced.rows
    method, observation = parameters.skymethod, rows.observation
    if method == "none":
        return reduced
    if method != "simple":
        check_calibrated(observation, rows.sources)
    if method == "subtract-model":
        assert calibrations.lines is not None and calibrations.continuum is not None
        model = SkyModel(calibrations.lines, calibrations.continuum)
        return reduced.corrected(_less_model(rows, model, _profiles(calibrations, rows)))
    choice = SkyChoice(
        parameters.skymodel_fraction, parameters.skymodel_ignore, parameters.skymodel_sampling,
        parameters.skymodel_csampling, parameters.sky_crsigma, parameters.unbiased,
    )  # fmt: skip
    measured = measure_sky(
        rows.sources, (observation.ra, observation.dec), choice, _given_mask(calibrations, rows),
        memory=min(BAND_MEMORY, call.memory // 3), workers=call.workers, progress=call.progress,
    )  # fmt: skip
    unit = rows.sources[0].units.get("data", "")
    if method == "simple":
        less = rows.corrected(subtract_spectrum(observation, measured.table(choice)))
        return reduced.corrected(less, partial(sky_products, measured, None, "SCIPOST", unit))
    assert calibrations.lines is not None
    lsfs = _profiles(calibrations, rows)  # only now: they take memory that the image needs
    model, fit = measured.model(calibrations.lines, lsfs, choice, calibrations.continuum)
    less = _less_model(rows, model, lsfs)
    if not fit.converged:
        note = f"{observation.name}: the fit of the sky lines has not converged; its wavelengths may be off"
        less = replace(less, notes=(*less.notes, note), cards=(*less.cards, NOT_CONVERGED))
    return reduced.corrected(
        less,
        partial(sky_products, measured, model, "SCIPOST", unit),
        drawers=[partial(_draw_sky, measured, model, fit)],
    )


def _less_model(rows: ExposureRows, model: SkyModel, lsfs: Mapping[int, LsfProfile]) -> ExposureRows:
    """The rows less lines and continuum, as far as these reach."""
    rows = rows.within(*sky_range(model))
    return rows.corrected(subtract_model(rows.observation, rows.sources, model, lsfs))


def _given_mask(calibrations: ScipostCalibrations, rows: ExposureRows) -> SkyMask | None:
    """The SKY_MASK in pixels of the field; one with celestial coordinates follows the place of the exposure."""
    mask = calibrations.sky_mask
    return None if mask is None else mask_on_field(mask, rows, calibrations.astrometry, calibrations.offsets)


def _draw_sky(
    measured: MeasuredSky, model: SkyModel, fit: LineFit, output: Path, ending: str, overwrite: bool
) -> Sequence[Path]:
    from musedeep.reduction.sky.plots import draw_sky

    return draw_sky(output, ending, measured, model, fit, overwrite)
