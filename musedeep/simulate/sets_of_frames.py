"""Sets-of-frames of a simulated night: which raw frames and calibrations each recipe gets (manual, chapter 9).

Products of earlier recipes are expected in `reduced/` of the night, under the reference's names; those of the k-th
science exposure in `reduced/scipost-k/`, the offsets in `reduced/exp_align/`.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from musedeep.declaration import Input, Recipe, Scope
from musedeep.recipes.registry import first_stage, makers, night_recipes, of_exposure
from musedeep.selection.night.rules import GIVEN_FIRST, is_given
from musedeep.simulate.exposure import Exposure

Frames = list[tuple[str, str]]
"""Path and tag of each frame."""


def night_sets(
    exposures: Sequence[Exposure],
    files: Mapping[int, Path],
    statics: Mapping[str, Path],
    reduced: Path,
    ifus: Sequence[int],
) -> dict[str, Frames]:
    """The sets-of-frames of a night: paths and tags by name, as in "flat-01".

    Parameters
    ----------
    exposures : of the night, in the order of their times
    files : raw file of each exposure, by its index
    statics : static calibrations by tag
    reduced : directory where products are expected
    """

    sets: dict[str, Frames] = {}
    mode = exposures[0].mode if exposures else ""
    statics = {tag: path for tag, path in statics.items() if is_given(tag, mode)}
    number = sum(e.kind == "OBJECT" for e in exposures)
    kinds = {e.kind for e in exposures}
    for recipe in night_recipes():
        kind = recipe.raws[0].name
        if recipe in first_stage():
            for own in recipe.raws if recipe.apart else (_raw_of(recipe, kinds),):
                if own.name not in kinds:
                    continue
                name = f"{recipe.step}-{own.name}" if recipe.apart else recipe.step
                raws = [(str(files[e.index]), e.kind) for e in exposures if e.kind == own.name]
                raws += [
                    frame
                    for one in recipe.inputs
                    if one.nearest
                    for frame in _nearest(exposures, files, one.nearest, own.name, one.name)
                ]
                for ifu in ifus if recipe.scope is Scope.IFU else (0,):
                    whole = raws + _calibrations(recipe, statics, reduced, [ifu] if ifu else ifus)
                    sets[f"{name}-{ifu:02d}" if ifu else name] = whole
            continue
        calibrations = _calibrations(recipe, statics, reduced, ifus)
        if recipe.scope is Scope.FIELD:
            sets[recipe.step] = _each(reduced, f"{kind}_0001-nn", kind, ifus) + calibrations
        elif recipe.scope is Scope.EXPOSURE:
            for k in range(1, number + 1):
                sets[f"{recipe.step}-{k}"] = _each(reduced, f"{kind}_{k:04d}-nn", kind, ifus) + calibrations
        elif number > 1:
            paths = [(str(reduced / of_exposure(kind, k)), kind) for k in range(1, number + 1)]
            sets[recipe.step] = paths + calibrations
    return sets


def _raw_of(recipe: Recipe[Any], kinds: Collection[str]) -> Input:
    """The raw input that a night has, the preferred one if it can be."""
    return next((one for one in recipe.raws if one.name in kinds), recipe.raws[-1])


def _calibrations(recipe: Recipe[Any], statics: Mapping[str, Path], reduced: Path, ifus: Sequence[int]) -> Frames:
    """Products of other recipes, and static calibrations."""
    frames: Frames = []
    for one in recipe.inputs:
        if one.raw or one.nearest or one.left_out or one.on_demand or one.asked_by:
            continue
        maker, product = makers().get(one.name, (recipe, None))
        if product is not None and maker is not recipe and one.name not in GIVEN_FIRST:
            stems = [product.stem(ifu) for ifu in ifus] if product.per_ifu else [product.stem(0)]
            frames += [(str(reduced / maker.directory / f"{stem}.fits"), one.name) for stem in stems]
        elif one.name in statics:
            frames.append((str(statics[one.name]), one.name))
    return frames


def _each(directory: Path, stem: str, tag: str, ifus: Sequence[int]) -> Frames:
    """A product, or that of each IFU where its name has nn."""
    names = [stem.replace("-nn", f"-{ifu:02d}") for ifu in ifus] if "-nn" in stem else [stem]
    return [(str(directory / f"{name}.fits"), tag) for name in names]


def _nearest(exposures: Sequence[Exposure], files: Mapping[int, Path], wanted: str, kind: str, tag: str) -> Frames:
    """The exposure of the wanted kind that is nearest in time to those of a kind: a recipe takes one."""
    of_kind = [e for e in exposures if e.kind == kind]
    found = [e for e in exposures if e.kind == wanted]
    if not of_kind or not found:
        return []
    middle = sum(e.mjd for e in of_kind) / len(of_kind)
    nearest = min(found, key=lambda e: abs(e.mjd - middle))
    return [(str(files[nearest.index]), tag)]


def write_sets(directory: Path, sets: Mapping[str, Frames]) -> None:
    """Write each set-of-frames as `NAME.sof` into a directory that exists."""
    for name, frames in sets.items():
        (directory / f"{name}.sof").write_text("".join(f"{path} {tag}\n" for path, tag in frames))
