"""muse_astrometry: an exposure of stars with known places to the astrometric solution of the field (manual 9.11).

1. The rows of all IFUs are corrected when they are read: the colour of the lamp is put back, refraction corrected where
   it is not yet, and fluxes calibrated if there is an STD_RESPONSE.
2. They are resampled into a coarse cube, 50 Angstrom a plane, which goes to its file plane by plane.
3. Stars are found, and their places measured, in the median of the three planes in the middle (`stars`).
4. They are matched to the catalogue, and the solution is fitted (`solution`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import SPAXEL_NFM, SPAXEL_WFM
from musedeep.kernels.field.sources import SQUARE, mean_deviation, sources_above
from musedeep.recipes.astrometry.recipe import RECIPE, AstrometryParameters
from musedeep.recipes.astrometry.solution import Solution, solve, stars_near
from musedeep.recipes.astrometry.stars import find_stars
from musedeep.recipes.flux_calibrations import FluxCalibrations
from musedeep.recipes.run_exposures import ExposureRows, check_refraction, exposures_of
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.reduction.correct.flat_field import FFCORR
from musedeep.reduction.correct.never_twice import (
    DAR_CORRECT,
    PIXTABLE,
    is_flux_calibrated,
    is_refraction_corrected,
    refuse_placed,
)
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.correct.refraction_check import DAR_CHECK, DAR_RESIDUAL
from musedeep.reduction.cube.field_cube import FieldCube, NamedImage
from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.planes import planes_of, resampling
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.reduction.cube.source_quality import source_cards
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.reduction.observation import Observation
from musedeep.storage.calibrations.astrometry_reference import ReferenceField, read_nearest_field
from musedeep.storage.calibrations.astrometry_wcs import write_astrometry_wcs
from musedeep.storage.calibrations.filters import WHITE
from musedeep.storage.calibrations.response import flat_corrected_card
from musedeep.storage.fits.headers import number_of
from musedeep.storage.outputs import refuse_existing

STEPS: Final = (1.0, 1.0, 50.0)
"""Voxels of the cube: pixels, and Angstrom."""

PIXFRAC: Final = (1.0, 1.0, 1.0)
CRSIGMA: Final = 25.0
"""How it is resampled, and cosmic rays rejected, as the reference does (its log)."""

MEMORY: Final = 900 << 20
"""Working memory of the cube: with two IFUs no band has to be cut into strips of lines, which takes longer."""

FINEST: Final = 1.0
LEVEL_STEP: Final = 0.1
"""Lowest level that is tried where detsigma is negative, and the steps between levels."""

QC_THRESHOLD: Final = 5.0
"""Level of the sources whose widths are measured, in mean deviations from the median."""

DETECTION: Final = "ASTROMETRY_DETECTION"

_PIXEL_TABLE: Final = re.compile(rf"({PIXTABLE}.*|ESO DRS MUSE FLAT FLUX .*|C(TYPE|UNIT|RPIX|RVAL)\d|CD\d_\d|EXTNAME)$")


@dataclass(frozen=True)
class DetectionImage:
    """The image in which stars are found.

    Attributes
    ----------
    data, variance : float32 (lines, columns), NaN where there are no data
    start : float64 (2,), x and y of its first pixel in the field of view [pixel]
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    start: NDArray[np.float64]


def run(call: RecipeCall[AstrometryParameters]) -> Outcome:
    """Make the solution of each exposure; one that fails is reported and left out.

    Raises
    ------
    MusedeepError
        Bad input, or all exposures failed.
    """
    exposures = exposures_of(call.frames[RECIPE.raws[0].name])
    for number in range(1, len(exposures) + 1):
        for category in ("DATACUBE_ASTROMETRY", "ASTROMETRY_WCS"):
            refuse_existing(call.output / f"{category}_{number:04d}.fits", call.overwrite)
        if call.plots:
            refuse_existing(call.output / f"ASTROMETRY_WCS_{number:04d}.png", call.overwrite)
    outcome = Outcome()
    for number, exposure in enumerate(exposures, 1):
        try:
            outcome.paths += _reduce(call, exposure, number, outcome.notes)
        except MusedeepError as error:
            outcome.failures[number] = f"exposure {number}: {error}" if len(exposures) > 1 else str(error)
    if not outcome.paths:
        raise MusedeepError("; ".join(outcome.failures.values()))
    return outcome


def _reduce(
    call: RecipeCall[AstrometryParameters], exposure: ExposureRows, number: int, notes: list[str]
) -> list[Path]:
    """Make and write the products of an exposure."""
    parameters = call.parameters
    observation = exposure.observation
    refuse_placed(observation, RECIPE.name)
    reference = call.frames["ASTROMETRY_REFERENCE"][0]
    field = stars_near(observation, read_nearest_field(reference, observation.ra, observation.dec), reference)
    corrected = _corrected(call, exposure.within(parameters.lambdamin, parameters.lambdamax))
    notes += corrected.notes
    workers = call.workers
    call.progress.begin(0, "looking where rows lie")
    survey = survey_rows(corrected.sources, np.radians(observation.dec), workers)
    grid = field_grid(survey, (observation.ra, observation.dec), STEPS, observation.narrow_field)
    how = resampling(pixfrac=PIXFRAC, crsigma=CRSIGMA)
    unit, target = corrected.sources[0].units.get("data", "count"), str(exposure.header.get("OBJECT", ""))
    cube_path = call.output / f"DATACUBE_ASTROMETRY_{number:04d}.fits"
    wcs_path = call.output / f"ASTROMETRY_WCS_{number:04d}.fits"
    middle = grid.shape[0] // 2
    memory = min(MEMORY, call.memory // 2)
    with FieldCube(cube_path, grid, target, unit, call.overwrite, [WHITE]) as cube:
        central: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        for planes in planes_of(survey, grid, how, memory=memory, workers=workers, progress=call.progress):
            cube.add(planes)
            for k in range(max(middle - 1 - planes.first, 0), min(middle + 2 - planes.first, planes.data.shape[0])):
                central.append((planes.data[k].copy(), planes.stat[k].copy()))
        image = DetectionImage(*median_of(central), np.array(grid.start[:2]))
        call.progress.begin(0, "matching stars")
        solution = _solution(parameters, observation, field, image)
        white = grid.grid.wavelengths()[middle]
        header = _header(call, exposure, corrected, cube_path, _source_cards(cube.plane(middle), white, observation))
        cube.finish(header, _detection_images(image, solution))
    cards = _solution_cards(solution, parameters)
    header = _header(call, exposure, corrected, wcs_path, cards)
    header["OBJECT"] = f"Astrometric calibration ({target})"
    write_astrometry_wcs(wcs_path, header, solution.wcs, call.overwrite)
    call.progress.stop()
    paths = [cube_path, wcs_path]
    if call.plots:
        from musedeep.recipes.astrometry.plots import draw_solution

        paths.append(draw_solution(wcs_path.with_suffix(".png"), image.data, solution, call.overwrite))
    return paths


def _corrected(call: RecipeCall[AstrometryParameters], exposure: ExposureRows) -> ExposureRows:
    """The rows, corrected as far as they are not yet."""
    parameters, observation = call.parameters, exposure.observation
    corrected = exposure.with_lamp_colour()
    lambdaref = parameters.lambdaref
    if is_refraction_corrected(observation):
        lambdaref = number_of(exposure.header, DAR_CORRECT, observation.name)
    elif not observation.narrow_field:
        if lambdaref < 0:
            raise MusedeepError(
                f"{observation.name}: its refraction is not corrected, and lambdaref={lambdaref:g} leaves "
                "it so: stars would be drawn out; give lambdaref=7000"
            )
        corrected = corrected.corrected(correct_refraction(observation, lambdaref))
    corrected = check_refraction(corrected, parameters.darcheck, lambdaref, call.workers)
    if call.frames.get("STD_RESPONSE") and not is_flux_calibrated(observation):
        if not call.frames.get("EXTINCT_TABLE"):
            raise MusedeepError("muse_astrometry: an STD_RESPONSE needs an EXTINCT_TABLE; add one, or leave both out")
        corrected = FluxCalibrations(call.frames).calibrated(corrected)
    return corrected


def median_of(
    planes: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Median of up to three planes, data and variances, float32 (lines, columns) each; NaN where none has data.

    The variance is that of the plane in the median, or the mean of the two planes there.
    """
    data, stat = (np.stack([plane[k] for plane in planes]) for k in (0, 1))
    order = np.argsort(data, axis=0)  # NaN last
    data, stat = np.take_along_axis(data, order, axis=0), np.take_along_axis(stat, order, axis=0)
    number = np.isfinite(data).sum(axis=0)[None]
    low, high = np.maximum(number - 1, 0) // 2, number // 2
    high = np.minimum(high, np.maximum(number - 1, 0))
    made = []
    for one in (data, stat):
        ends = [np.take_along_axis(one, place, axis=0)[0].astype(np.float64) for place in (low, high)]
        made.append((0.5 * (ends[0] + ends[1])).astype(np.float32))
    return made[0], made[1]


def _solution(
    parameters: AstrometryParameters, observation: Observation, field: ReferenceField, image: DetectionImage
) -> Solution:
    """The solution at the level of detection that was asked for, or at the best of several."""

    def at(level: float) -> Solution:
        stars = find_stars(image.data, image.variance, level, parameters.centroid, observation.name)
        return solve(observation, field, stars, image.start, parameters)

    if parameters.detsigma > 0:
        return at(parameters.detsigma)
    best: Solution | None = None
    failure: MusedeepError | None = None
    highest = max(abs(parameters.detsigma), FINEST)
    for level in np.arange(highest, FINEST - 1e-6, -LEVEL_STEP).round(6):
        try:
            found = at(float(level))
        except MusedeepError as error:
            failure = failure or error
            continue
        # more stars are better, and of as many the smaller residuals
        if best is None or _merit(found) > _merit(best):
            best = found
    if best is None:
        assert failure is not None
        raise MusedeepError(f"{failure} (the same at all levels down to {FINEST:g})")
    return best


def _merit(solution: Solution) -> tuple[int, float]:
    return int(solution.kept.sum()), -float(np.hypot(*solution.median_residuals))


def _header(
    call: RecipeCall[AstrometryParameters],
    exposure: ExposureRows,
    corrected: ExposureRows,
    path: Path,
    extra: Sequence[Card],
) -> fits.Header:
    """Primary header of a product: what describes the pixel table is left out."""
    category = path.stem.rpartition("_")[0]
    frames = {**call.frames, RECIPE.raws[0].name: exposure.paths}
    kept = fits.Header([c for c in exposure.header.cards if not _PIXEL_TABLE.match(c.keyword)])
    cards: list[Card] = [("ESO PRO SCIENCE", False, "Scientific product if T"), *extra]
    cards += [card for card in corrected.cards if card[0] in (DAR_CHECK, DAR_RESIDUAL)]
    if FFCORR in exposure.header or any(keyword == FFCORR for keyword, _, _ in corrected.cards):
        cards.append(flat_corrected_card(True))
    return exposure_header(RECIPE, kept, category, path.name, frames, call.parameters, cards)


def _source_cards(plane: NDArray[np.float32], wavelength: float, observation: Observation) -> list[Card]:
    """QC of the sources in the middle plane of the cube."""
    scales = SPAXEL_NFM if observation.narrow_field else (SPAXEL_WFM, SPAXEL_WFM)
    middle, deviation = mean_deviation(plane)
    sources = sources_above(plane, middle + QC_THRESHOLD * deviation, SQUARE) if deviation > 0 else []
    return source_cards("ASTRO", "output", sources, wavelength, scales)


def _solution_cards(solution: Solution, parameters: AstrometryParameters) -> list[Card]:
    """QC of the solution, and how the stars were matched."""
    wcs = solution.wcs
    qc, drs = "ESO QC ASTRO ", "ESO DRS MUSE WCS "
    cards: list[Card] = [(qc + "NSTARS", len(solution.kept), "Number of stars identified for the astrometric solution")]
    for what, text, unit, values in (
        ("SCALE", "Computed scale", "arcsec", wcs.scales), ("ANGLE", "Computed angle", "deg", wcs.angles),
        ("MEDRES", "Median residuals of astrometric fit", "arcsec", solution.median_residuals),
    ):  # fmt: skip
        for axis, value in zip("XY", values, strict=True):
            cards.append((f"{qc}{what} {axis}", np.float32(value), f"[{unit}] {text} in {axis.lower()}-direction"))
    cards.append((drs + "RADIUS", float(solution.matches.radius), "[pix] final ppm radius used"))
    if parameters.faccuracy > 0:
        cards.append((drs + "ACCURACY", float(solution.matches.accuracy), "[pix] final data accuracy used"))
        cards.append((drs + "FACCURACY", parameters.faccuracy, "factor of initial accuracy used"))
    final = "detsigma used" if parameters.detsigma > 0 else "Final detsigma level used"
    return [*cards, (drs + "DETSIGMA", solution.stars.level, final)]


def _detection_images(image: DetectionImage, solution: Solution) -> list[NamedImage]:
    """The image in which stars were found, and its variances, with the solution as alternate coordinates S."""
    cards = [*solution.image.cards("S"), ("WCSNAMES", "Solution", "")]
    stat = f"{DETECTION}_STAT"
    return [
        NamedImage(DETECTION, image.data, cards, "DATA", (("STAT", stat),)),
        NamedImage(stat, image.variance, cards, "STAT", (("DATA", DETECTION),)),
    ]
