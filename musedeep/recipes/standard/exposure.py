"""muse_standard: response and telluric absorption of each exposure of a standard star (manual 9.9).

1. The pixel tables of all IFUs get the colour of the flats' lamp back, and are corrected for refraction.
2. They become a cube in pixels of the field, which is written band by band; white and filter images are added up on the
   way. It is never in memory as a whole.
3. Stars are found in the white image, and the fluxes of each are measured, from the planes around it
   (`star_fluxes`).
4. The standard star gives the response and the telluric absorption (`sensitivity`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

from musedeep.kernels.field.sources import find_sources
from musedeep.recipes.run_exposures import ExposureRows, check_refraction, exposures_of
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.standard.products import fluxes_hdus, quality_cards, star_cards, water_cards
from musedeep.recipes.standard.recipe import RECIPE, StandardParameters
from musedeep.recipes.standard.reduced import Reduced
from musedeep.recipes.standard.sensitivity import Seen, StarSpectrum, response_of, sensitivity
from musedeep.recipes.standard.star_fluxes import StarFluxes, measure_all, profile_of
from musedeep.recipes.standard.stars import THRESHOLD, FieldPlace, choose_star, find_stars
from musedeep.reduction.correct.never_twice import FLUXCAL, PIXTABLE, is_flux_calibrated, refuse, refuse_velocity
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.cube.field_cube import FieldCube, PlaneImages
from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.planes import planes_of, resampling
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.reduction.cube.source_quality import source_cards
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.statics.load import load_telluric_regions
from musedeep.storage.calibrations.extinction import ExtinctionTable, read_extinction
from musedeep.storage.calibrations.filters import WHITE, Filter, read_filters
from musedeep.storage.calibrations.response import flat_corrected_card, response_hdu, telluric_hdu
from musedeep.storage.calibrations.std_flux_table import nearest_standard
from musedeep.storage.calibrations.telluric_regions import TelluricRegions, read_telluric_regions
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.outputs import refuse_existing

PIXFRAC: Final = (1.0, 1.0, 1.0)
"""Of the drizzle, in x, y and wavelength."""
COSMIC_SIGMA: Final = 25.0
"""Limit of the rejection of cosmic rays; the cores of bright stars are steep."""

_OF_ROWS: Final = re.compile(rf"({PIXTABLE}.*|ESO DRS MUSE FLAT FLUX .*|C(TYPE|UNIT|RPIX|RVAL)\d|CD\d_\d|EXTNAME)$")
"""Cards that are true of pixel tables only."""

CUBE, FLUXES, RESPONSE, TELLURIC = "DATACUBE_STD", "STD_FLUXES", "STD_RESPONSE", "STD_TELLURIC"


@dataclass(frozen=True)
class Calibrations:
    """What all exposures of a call have in common."""

    extinction: ExtinctionTable
    regions: TelluricRegions
    filters: tuple[Filter, ...]


def run(call: RecipeCall[StandardParameters]) -> Outcome:
    """Reduce each exposure, by date.

    Raises
    ------
    MusedeepError
        A product exists and may not be replaced; bad input; no standard star. Nothing is written for the exposure then.
    """
    exposures = exposures_of(call.frames["PIXTABLE_STD"])
    numbers = range(1, len(exposures) + 1)
    for number in numbers:
        for category in (CUBE, FLUXES, RESPONSE, TELLURIC):
            refuse_existing(_path(call, category, number), call.overwrite)
    given = call.frames.get("TELLURIC_REGIONS", ())
    curves, missing = read_filters(next(iter(call.frames.get("FILTER_LIST", ())), None), call.parameters.filter)
    calibrations = Calibrations(
        read_extinction(call.frames["EXTINCT_TABLE"][0]),
        read_telluric_regions(given[0]) if given else load_telluric_regions(),
        tuple(curves),
    )
    outcome = Outcome()
    if missing:
        outcome.notes.append(f"no filter {', '.join(missing)} in the FILTER_LIST; images and zero points lack it")
    for number, exposure in zip(numbers, exposures, strict=True):
        _reduce(call, number, exposure, calibrations, outcome)
    return outcome


def _path(call: RecipeCall[StandardParameters], category: str, number: int) -> Path:
    return call.output / f"{category}_{number:04d}.fits"


def _reduce(
    call: RecipeCall[StandardParameters],
    number: int,
    exposure: ExposureRows,
    calibrations: Calibrations,
    outcome: Outcome,
) -> None:
    """Reduce one exposure and write its products."""
    parameters, observation = call.parameters, exposure.observation
    refuse(is_flux_calibrated(observation), observation, "its flux is calibrated", FLUXCAL)
    refuse_velocity(observation)
    standard = nearest_standard(call.frames["STD_FLUX_TABLE"], observation.ra, observation.dec)
    rows = exposure.within(parameters.lambdamin, parameters.lambdamax).with_lamp_colour()
    rows = rows.corrected(correct_refraction(observation, parameters.lambdaref))
    rows = check_refraction(rows, parameters.darcheck, parameters.lambdaref, call.workers)
    outcome.notes += rows.notes
    flat_corrected = rows.has_lamp_colour
    seen = Seen(observation.mode, observation.exptime, observation.airmass, flat_corrected)

    survey = survey_rows(rows.sources, 0.0, call.workers)
    grid = field_grid(survey, (observation.ra, observation.dec))
    place = FieldPlace(observation, _middle(exposure), grid.start[:2])
    target = text_of(exposure.header, "OBJECT", observation.name, standard.name)
    profile = profile_of(parameters.profile, observation.narrow_field)
    wavelength = grid.grid.wavelengths()
    with FieldCube(_path(call, CUBE, number), grid, target, "count", call.overwrite, calibrations.filters) as cube:
        white = PlaneImages([WHITE], grid)
        how = resampling(pixfrac=PIXFRAC, crsigma=COSMIC_SIGMA)
        for planes in planes_of(survey, grid, how, workers=call.workers, progress=call.progress):
            cube.add(planes)
            white.add(planes)
        image = white.images()[0]
        stars = find_stars(image, place)
        fluxes = measure_all(cube, stars, profile, wavelength, observation.name)
        totals = np.array([_total(one) for one in fluxes])
        chosen = choose_star(stars, totals, standard, parameters.select, observation)
        spectrum = StarSpectrum(wavelength, fluxes[chosen].flux, np.sqrt(fluxes[chosen].variance))
        curve = sensitivity(spectrum, standard, calibrations.extinction, seen)
        response, telluric, water = response_of(
            curve, calibrations.regions, parameters.smooth, seen, parameters.telluric
        )
        found = Reduced(
            standard, stars, tuple(fluxes), chosen, wavelength, curve, response, telluric, image
        )  # fmt: skip
        corrected = flat_corrected_card(flat_corrected)
        headers = {
            CUBE: [*_source_cards(cube, place), corrected],
            FLUXES: [corrected, *star_cards(stars, totals, chosen, parameters.select)],
            RESPONSE: [*quality_cards(response, target, standard, calibrations.filters), corrected],
            TELLURIC: [corrected, *water_cards(water)],
        }
        primary = {category: _header(call, exposure, category, number, cards) for category, cards in headers.items()}
        paths = [cube.finish(primary[CUBE])]
    tables = {
        FLUXES: fluxes_hdus(fluxes, wavelength),
        RESPONSE: [response_hdu(response)],
        TELLURIC: [telluric_hdu(telluric)],
    }
    for category, hdus in tables.items():
        path = _path(call, category, number)
        write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=primary[category]), *hdus]), call.overwrite)
        paths.append(path)
    if call.plots:
        from musedeep.recipes.standard.plots import draw_all

        paths += draw_all(found, call.output, number, call.overwrite)
    outcome.paths += paths


def _total(fluxes: StarFluxes) -> float:
    """Flux of a star, added up over the wavelengths; NaN if none could be measured."""
    return float(np.nansum(fluxes.flux)) if np.isfinite(fluxes.flux).any() else np.nan


def _middle(exposure: ExposureRows) -> tuple[float, float]:
    """Where the pointing is in the field of view: the middle of the limits, before the refraction is corrected."""
    header, name = exposure.header, exposure.observation.name
    ends = [[number_of(header, f"{PIXTABLE}LIMITS {axis} {end}", name) for end in ("LOW", "HIGH")] for axis in "XY"]
    return 0.5 * sum(ends[0]), 0.5 * sum(ends[1])


def _source_cards(cube: FieldCube, place: FieldPlace) -> list[Card]:
    """QC of the sources in the middle plane of the cube."""
    middle = cube.grid.shape[0] // 2
    sources = find_sources(cube.plane(middle), THRESHOLD)
    return source_cards("STANDARD", "output", sources, float(cube.grid.grid.wavelengths()[middle]), place.scale)


def _header(
    call: RecipeCall[StandardParameters],
    exposure: ExposureRows,
    category: str,
    number: int,
    cards: Sequence[Card],
) -> fits.Header:
    """Primary header of a product."""
    frames = {**call.frames, "PIXTABLE_STD": list(exposure.paths)}
    name = _path(call, category, number).name
    kept = fits.Header([c for c in exposure.header.cards if not _OF_ROWS.match(c.keyword)])
    own: list[Card] = [
        ("ESO PRO SCIENCE", False, "Scientific product if T"), ("SPECSYS", "TOPOCENT", "Spectral reference frame"),
    ]  # fmt: skip
    return exposure_header(RECIPE, kept, category, name, frames, call.parameters, [*own, *cards])
