"""muse_scipost without its cube: exposures, one after the other, to reduced pixel tables, and what was found of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.recipes.run_exposures import ExposureRows, exposures_of, wants_fits_of
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost.calibrations import ScipostCalibrations
from musedeep.recipes.scipost.exposure import ReducedExposure, reduce_exposure
from musedeep.recipes.scipost.recipe import RECIPE, ScipostParameters
from musedeep.reduction.correct.placing import position
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.reduction.rows.product import PixelTableProduct
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.pixel_tables.open import open_pixel_table

TAG: Final = "PIXTABLE_OBJECT"
REDUCED, POSITIONED = "PIXTABLE_REDUCED", "PIXTABLE_POSITIONED"

FOR_ROWS: Final = frozenset({"cube", "individual", "positioned", "combined", "stacked"})
"""Values of `save` for which reduced rows have to be written."""

WORK: Final = ".musedeep-scipost"
"""Directory of the reduced pixel tables that are no products, inside that of the products."""

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
    stores : reduced pixel table of each exposure, by date; a product or not
    paths : products that are written
    notes : what a user should know
    """

    stores: list[Path] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(call: RecipeCall[ScipostParameters]) -> Outcome:
    """Reduce the exposures; what `save` asks for of all exposures together is made by the graph."""
    reduced = reduce_exposures(call)
    return Outcome(reduced.paths, notes=reduced.notes)


def reduce_exposures(call: RecipeCall[ScipostParameters]) -> Reduced:
    """Reduce each exposure, and write its products.

    Raises
    ------
    MusedeepError
        Bad input; a product exists and may not be replaced. Products of exposures before stay.
    """
    parameters, calibrations = call.parameters, ScipostCalibrations(call.frames)
    calibrations.check(parameters)
    exposures = exposures_of(call.frames[TAG])
    check_together(exposures)
    if calibrations.offsets is not None:
        for exposure in exposures:
            calibrations.offsets.for_date(exposure.observation.date_obs)
    for number in range(1, len(exposures) + 1):
        for name in _names(call, number):
            refuse_existing(call.output / name, call.overwrite)
    done = Reduced()
    for number, exposure in enumerate(exposures, 1):
        one = reduce_exposure(call, calibrations, exposure)
        _write(call, calibrations, number, one, done)
    return done


def check_together(exposures: Sequence[ExposureRows]) -> None:
    """Refuse exposures of different instrument modes."""
    first = exposures[0].observation
    for exposure in exposures[1:]:
        own = exposure.observation
        if own.mode != first.mode:
            raise MusedeepError(
                f"{own.name}: INS MODE is {own.mode}, that of {first.name} is {first.mode}; reduce exposures of one "
                "mode at a time"
            )


def _names(call: RecipeCall[ScipostParameters], number: int) -> list[str]:
    """Files of an exposure that may be written."""
    save = call.parameters.save
    names = [f"{category}_{number:04d}.fits" for category, kind in SAVED_WITH.items() if kind in save]
    endings = (".zarr", ".fits") if wants_fits_of(call) else (".zarr",)
    for category, kind in ((REDUCED, "individual"), (POSITIONED, "positioned")):
        names += [f"{category}_{number:04d}{ending}" for ending in endings if kind in save]
    return names


def _write(
    call: RecipeCall[ScipostParameters],
    calibrations: ScipostCalibrations,
    number: int,
    one: ReducedExposure,
    done: Reduced,
) -> None:
    """Write the products of an exposure."""
    save, rows = call.parameters.save, one.rows
    frames = {**call.frames, TAG: list(rows.paths)}

    def header(category: str, cards: Sequence[Card]):  # type: ignore[no-untyped-def]
        name = f"{category}_{number:04d}.fits"
        return exposure_header(RECIPE, rows.header, category, name, frames, call.parameters, cards)

    done.notes += one.notes
    for product in one.found:
        if SAVED_WITH[product.category] in save:
            path = call.output / f"{product.category}_{number:04d}.fits"
            primary = header(product.category, [*rows.cards, *product.cards])
            for key in [key for key in primary if key.startswith("ESO DRS MUSE PIXTABLE")]:
                del primary[key]
            write_hdus(path, product.hdus(primary), call.overwrite)
            done.paths.append(path)
    if not save & FOR_ROWS:
        return
    kept = "individual" in save
    directory = call.output if kept else call.output / WORK
    directory.mkdir(parents=True, exist_ok=True)
    reduced = replace(rows, header=header(REDUCED, ())).product(workers=call.workers)
    store = _store(call, directory / f"{REDUCED}_{number:04d}", reduced, done.paths if kept else None)
    done.stores.append(store)
    if "positioned" in save:
        # from what is written, so that nothing is corrected twice
        table = open_pixel_table(store)
        offset = (0.0, 0.0)
        if calibrations.offsets is not None:
            row = calibrations.offsets.for_date(rows.observation.date_obs)
            offset = row.ra_offset, row.dec_offset
        placed = replace(rows, sources=(table,), header=header(POSITIONED, ()), moved=True)
        placed = placed.corrected(position(placed.observation, offset))
        _store(call, call.output / f"{POSITIONED}_{number:04d}", placed.product(workers=call.workers), done.paths)


def _store(
    call: RecipeCall[ScipostParameters], stem: Path, product: PixelTableProduct, paths: list[Path] | None
) -> Path:
    """Write a pixel table as a store, and a product (of `paths`) as FITS, too, if that is wanted; returns the store."""
    store = stem.with_suffix(".zarr")
    product.write_store(store, call.workers or available_processors(), call.overwrite or paths is None)
    if paths is not None:
        paths.append(store)
        if wants_fits_of(call):
            product.write_fits(stem.with_suffix(".fits"), call.overwrite)
            paths.append(stem.with_suffix(".fits"))
    return store
