"""muse_scipost: exposures, one after the other, to reduced pixel tables; then what is made of all of them together.

1. All inputs are read and checked, and that no product is in the way.
2. Each exposure is reduced (`exposure.reduce_exposure`), and what was found of it is written.
3. Its reduced rows are written if `save` has individual. If not, they are given to 4 as they are: corrected again each
   time that they are read, which costs less than to write them and to read them again.
4. The cube of all exposures is made (`run_cube`), if it is wanted, or what else `save` asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.recipes.run_cube import cube_of, make
from musedeep.recipes.run_exposures import ExposureRows, check_one_mode, exposures_of, write_product
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost.calibrations import ScipostCalibrations
from musedeep.recipes.scipost.exposure import ReducedExposure, check_exposure, reduce_exposure
from musedeep.recipes.scipost.recipe import RECIPE, ScipostParameters
from musedeep.reduction.correct.flat_field import FFCORR
from musedeep.reduction.correct.never_twice import PIXTABLE
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.reduction.sky.products import without_pixel_table
from musedeep.storage.calibrations.response import flat_corrected_card
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.outputs import refuse_existing

TAG: Final = "PIXTABLE_OBJECT"
REDUCED: Final = "PIXTABLE_REDUCED"

OF_ALL: Final = frozenset({"cube", "positioned", "combined", "stacked"})
"""Values of `save` for what is made of all exposures together."""

SAVED_WITH: Final = {
    "AUTOCAL_MASK": "autocal", "AUTOCAL_FACTORS": "autocal", "RAMAN_IMAGES": "raman", "SKY_IMAGE": "skymodel",
    "SKY_MASK": "skymodel", "SKY_SPECTRUM": "skymodel", "SKY_LINES": "skymodel", "SKY_CONTINUUM": "skymodel",
}  # fmt: skip
"""Value of `save` with which a product is written."""


@dataclass
class Reduced:
    """What came of the exposures.

    Attributes
    ----------
    exposures : reduced rows of each exposure, by date: their store, if it is a product
    paths : products that are written
    notes : what a user should know
    """

    exposures: list[ExposureRows | Path] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(call: RecipeCall[ScipostParameters]) -> Outcome:
    """Run the recipe.

    Raises
    ------
    MusedeepError
        Bad input; a product exists and may not be replaced. Products of exposures before stay.
    """
    parameters, calibrations = call.parameters, ScipostCalibrations(call.frames)
    calibrations.check(parameters)
    exposures = exposures_of(call.frames[TAG])
    check_one_mode(exposures)
    for exposure in exposures:
        check_exposure(call, calibrations, exposure)
        if calibrations.offsets is not None:
            calibrations.offsets.for_date(exposure.observation.date_obs)
    for number in range(1, len(exposures) + 1):
        for name in _names(call, number):
            refuse_existing(call.output / name, call.overwrite)
    of_all = parameters.save & OF_ALL
    if of_all:
        cube_of(RECIPE, call, exposures, of_all).check_existing(call.overwrite)
    done = Reduced()
    for number, exposure in enumerate(exposures, 1):
        _write(call, number, reduce_exposure(call, calibrations, exposure), done)
    if of_all:
        done.paths += make(call, cube_of(RECIPE, call, done.exposures, of_all, parameters.weight, "SCIPOST"))
    return Outcome(done.paths, notes=done.notes)


def _names(call: RecipeCall[ScipostParameters], number: int) -> list[str]:
    """Files of an exposure that may be written."""
    save = call.parameters.save
    names = [f"{category}_{number:04d}.fits" for category, kind in SAVED_WITH.items() if kind in save]
    endings = call.table_endings
    return names + [f"{REDUCED}_{number:04d}{ending}" for ending in endings if "individual" in save]


def _write(call: RecipeCall[ScipostParameters], number: int, one: ReducedExposure, done: Reduced) -> None:
    """Write the products of an exposure: what was found of it, and its rows."""
    save, rows = call.parameters.save, one.rows
    done.notes += rows.notes
    for maker in one.makers:
        if not any(kind in save for kind in SAVED_WITH.values()):
            break
        for category, hdus in maker(partial(_header, call, number, rows)).items():
            if SAVED_WITH[category] in save:
                path = call.output / f"{category}_{number:04d}.fits"
                write_hdus(path, hdus, call.overwrite)
                done.paths.append(path)
    if call.plots:
        for draw in one.drawers:
            done.paths += draw(call.output, f"_{number:04d}", call.overwrite)
    if "individual" in save:
        header = _header(call, number, rows, REDUCED, rows.cards)
        reduced = replace(rows, header=header)
        corrections = reduced.recorded(call.workers) if call.parameters.reduced == "corrections" else None
        product = reduced.product(workers=call.workers, limits=corrections.limits if corrections else None)
        made = write_product(call, f"{REDUCED}_{number:04d}", product, corrections)
        done.exposures.append(made[0])
        done.paths += made
    else:
        done.exposures.append(rows)


def _header(
    call: RecipeCall[ScipostParameters], number: int, rows: ExposureRows, category: str, cards: Sequence[Card]
) -> fits.Header:
    """Primary header of a product of an exposure.

    The reference writes images and masks when only the flux is calibrated, and tables in the end.
    """
    name = f"{category}_{number:04d}.fits"
    frames = {**call.frames, TAG: list(rows.paths)}
    own: list[Card] = list(cards)
    if category != REDUCED:
        coloured = any(key == FFCORR for key, _, _ in rows.cards)
        if category in ("SKY_LINES", "SKY_CONTINUUM"):
            own = [*(c for c in rows.cards if not c[0].startswith(PIXTABLE)), *own]
        elif category == "SKY_SPECTRUM":
            own = [*(c for c in rows.cards if c[0] == "SPECSYS"), *own]
        elif category != "SKY_MASK" and coloured:
            own = [flat_corrected_card(True), *own]
    base = rows.header if category == REDUCED else without_pixel_table(rows.header)
    return exposure_header(RECIPE, base, category, name, frames, call.parameters, own)
