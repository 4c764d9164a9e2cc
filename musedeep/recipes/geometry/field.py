"""muse_geometry: the position of each slice in the field of view, from all IFUs."""

from collections.abc import Sequence
from typing import Final

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.recipes.geometry.cube import write_checks, write_cube
from musedeep.recipes.geometry.ifu import PIXEL_BYTES, reduce_ifu
from musedeep.recipes.geometry.lines import read_lines
from musedeep.recipes.geometry.recipe import RECIPE, GeometryParameters
from musedeep.recipes.geometry.table import flux_cards, geometry, geometry_table, smoothed, table_cards
from musedeep.recipes.run_ifus import Outcome, RecipeCall, product_name
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.parameters import OverscanParameters
from musedeep.storage.fits.table import write_table
from musedeep.storage.outputs import check_space, refuse_existing
from musedeep.storage.raw.frames import open_raw_frame, raw_ifus

_IFU_ONLY: Final = ("EXTNAME", "ESO DET CHIP *", "ESO DET OUT*", "ESO DET OUTPUTS")


def run(call: RecipeCall[GeometryParameters]) -> Outcome:
    """Measure the chosen IFUs one after the other, then make the table of all.

    An IFU that fails is reported and left out of the table.

    Raises
    ------
    MusedeepError
        Bad input, or all IFUs failed.
    """
    ifus = chosen(call)
    refuse_all(call, ifus)
    limits = call.parameters.lambdamin, call.parameters.lambdamax
    if not limits[0] < limits[1]:
        raise MusedeepError(f"muse_geometry: lambdamin={limits[0]:g} is not below lambdamax={limits[1]:g}; correct it")
    lines = read_lines(call.frames["LINE_CATALOG"][0])
    overscan = OverscanParameters()
    outcome, done = Outcome(), []
    call.progress.begin(len(ifus), "IFUs")
    for ifu in ifus:
        try:
            done.append(reduce_ifu(call, ifu, lines, overscan, outcome))
        except MusedeepError as error:
            outcome.failures[ifu] = f"IFU {ifu}: {error}"
        call.progress.advance()
    if not done:
        raise MusedeepError("; ".join(outcome.failures.values()))
    call.progress.begin(0, "making the table of all IFUs")
    found = [one.peaks for one in done]
    table = geometry(found)
    final, changed = smoothed(table, call.parameters.smooth)
    frames = {tag: files for tag, files in call.frames.items() if tag == "MASK"}
    for one in done:
        for tag, files in one.frames.items():
            frames[tag] = [*dict.fromkeys([*frames.get(tag, ()), *files])]

    def header(category: str, name: str, extra: Sequence[Card] = ()) -> fits.Header:
        made = product_header(RECIPE, done[0].frame, category, name, frames, call.parameters, extra)
        for key in _IFU_ONLY:
            for keyword in list(made[key]) if "*" in key else [key]:
                made.remove(keyword, ignore_missing=True)
        return made

    for category, result, number in (("GEOMETRY_UNSMOOTHED", table, None), ("GEOMETRY_TABLE", final, changed)):
        cards = [*flux_cards(found, result), *table_cards(result, number), *done[0].cards]
        path = call.output / f"{category}.fits"
        write_table(path, header(category, path.name, cards), geometry_table(result), None, call.overwrite)
        outcome.paths.append(path)
    outcome.paths.append(write_cube(call, done, final, header))
    outcome.paths += write_checks(call, done, final, header, overscan)
    call.progress.stop()
    return outcome


def chosen(call: RecipeCall[GeometryParameters]) -> list[int]:
    """IFUs between ifu1 and ifu2 that the raw files hold; raises MusedeepError if there is none, or ifu1 > ifu2."""
    first, last = call.parameters.ifu1, call.parameters.ifu2
    if first > last:
        raise MusedeepError(f"muse_geometry: ifu1={first} is above ifu2={last}; exchange or correct them")
    path = call.frames["MASK"][0]
    held = raw_ifus(path)
    ifus = [ifu for ifu in sorted(held) if first <= ifu <= last]
    if not ifus:
        names = ", ".join(map(str, sorted(held))) or "none"
        raise MusedeepError(f"{path}: no IFU of {first} to {last}, it holds {names}; give other frames or ifu1, ifu2")
    return ifus


def refuse_all(call: RecipeCall[GeometryParameters], ifus: Sequence[int]) -> None:
    """Raise MusedeepError if a product exists already, or there is no space for the reduced images."""
    names = ["GEOMETRY_UNSMOOTHED.fits", "GEOMETRY_TABLE.fits", "GEOMETRY_CUBE.fits"]
    names += [f"GEOMETRY_CHECK_{k:04d}.fits" for k in range(1, len(call.frames.get("MASK_CHECK", ())) + 1)]
    for ifu in ifus:
        names += [product_name(category, ifu) for category in ("MASK_COMBINED", "SPOTS_TABLE")]
        if call.parameters.saveimage:
            names += [product_name(f"MASK_REDUCED_{k:04d}", ifu) for k in range(1, len(call.frames["MASK"]) + 1)]
    for name in names:
        refuse_existing(call.output / name, call.overwrite)
    ports = open_raw_frame(call.frames["MASK"][0], ifus[0]).ports
    pixels = max(p.trimmed_rows.stop for p in ports) * max(p.trimmed_columns.stop for p in ports)
    images = 1 + call.parameters.saveimage * len(call.frames["MASK"])
    check_space(call.output / names[0], images * len(ifus) * pixels * PIXEL_BYTES)
