"""muse_scibasic: raw on-sky exposures to pixel tables (manual 9.8)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.recipes.run_ifus import IfuProducts, Outcome, RecipeCall, run_ifus
from musedeep.recipes.scibasic.recipe import RECIPE, ScibasicParameters
from musedeep.storage.fits.headers import scan_file
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.file import extension_name, raw_ifus

RAW: Final = tuple(one.name for one in RECIPE.raws)
"""Tags of raw exposures."""

REDUCED: Final = "REDUCED"
"""Tag of images that are calibrated already."""


@dataclass(frozen=True)
class Exposure:
    """An exposure to work on, or several to combine: files, tag, and number among those of the tag, from 1."""

    paths: tuple[str, ...]
    tag: str
    number: int

    def category(self, kind: str) -> str:
        """Name of a product without IFU and suffix; `kind` is PIXTABLE, RED or RESAMPLED."""
        stem = f"PIXTABLE_{self.tag}" if kind == "PIXTABLE" else f"{self.tag}_{kind}"
        return f"{stem}_{self.number:04d}"


def exposures_of(frames: Mapping[str, Sequence[str]], combine: bool = False) -> list[Exposure]:
    """The exposures of a call, numbered by tag; to be combined, one a tag."""
    found = []
    for tag in (*RAW, REDUCED):
        paths = tuple(frames.get(tag, ()))
        groups = [paths] if combine and tag != REDUCED and paths else [(path,) for path in paths]
        found += [Exposure(group, tag, number) for number, group in enumerate(groups, 1)]
    return found


def run(call: RecipeCall[ScibasicParameters]) -> Outcome:
    """Make the pixel tables of all exposures of the chosen IFUs; raises as `run_ifus.run_ifus`."""
    frames, parameters = call.frames, call.parameters
    combine = parameters.combine != "none"
    exposures = exposures_of(frames, combine)
    if not exposures:
        raise MusedeepError(f"muse_scibasic: no exposure; give at least one frame with the tag {', '.join(RAW)}")
    raw = any(one.tag != REDUCED for one in exposures)
    for tag in ("MASTER_BIAS", "MASTER_FLAT"):
        if raw and not frames.get(tag):
            raise MusedeepError(f"muse_scibasic: raw exposures need a {tag}, found none; add it")
    for one in exposures:
        if combine:
            parameters.combination.check_number(len(one.paths))
    ifus = chosen_ifus(call, exposures)
    categories = [one.category("RED") for one in exposures if parameters.saveimage and one.tag != REDUCED]
    categories += [one.category("RESAMPLED") for one in exposures if parameters.resample]
    for one in exposures:
        for ifu in ifus:
            for suffix in call.table_endings:
                refuse_existing(call.output / f"{one.category('PIXTABLE')}-{ifu:02d}{suffix}", call.overwrite)
    return run_ifus(RECIPE, pixel_tables, call, categories, ifus)


def chosen_ifus(call: RecipeCall[ScibasicParameters], exposures: Sequence[Exposure]) -> list[int]:
    """The IFUs to work on: that of nifu, or all in the exposures; raises MusedeepError if the files hold none."""
    number = call.parameters.nifu
    if number > 0:
        return [number]
    found = sorted({ifu for one in exposures for path in one.paths for ifu in ifus_of(path, one.tag)})
    if not found:
        raise MusedeepError(f"{exposures[0].paths[0]}: no extension CHANnn; give raw MUSE frames")
    return found


def ifus_of(path: str, tag: str) -> list[int]:
    """IFUs in a file: by its extensions CHANnn, or CHANnn.DATA, or the name of the primary header of an image."""
    if tag != REDUCED:
        return raw_ifus(path)
    names = {unit.name[:6] for unit in scan_file(Path(path))}
    return [ifu for ifu in range(1, N_IFUS + 1) if extension_name(ifu) in names]


def pixel_tables(call: RecipeCall[ScibasicParameters], ifu: int) -> Iterator[IfuProducts]:
    """The products of one IFU, exposure after exposure; raises MusedeepError in the end if some could not be made."""
    from musedeep.recipes.scibasic.exposure import IfuReduction

    reduction = IfuReduction.of(RECIPE, call, ifu)
    failures = []
    for one in exposures_of(call.frames, call.parameters.combine != "none"):
        try:
            yield from reduction.products(one.paths, one.tag, one.category)
        except MusedeepError as error:  # the other exposures are made
            failures.append(str(error))
    if failures:
        raise MusedeepError("; ".join(failures))
