"""muse_exp_align, until its offsets are right: a ladder of thresholds, and tests of our own after each step.

1. Images that share no sky, directly or by others, are aligned apart; so is said, since nothing ties them together.
2. The recipe runs with the first threshold. The tests of `checks` are done for each image.
3. If an image fails, the next threshold follows. The first that is right for all images of a group is taken.
4. If none is, the threshold that is right for most images is; those that fail keep the offsets of their headers, and
   if fewer than two are right, all do.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.campaign.cascade.checks import (
    Match,
    disagreements,
    headers_only,
    matches,
    overlap_groups,
    planes_with,
    sharpness,
)
from musedeep.errors import MusedeepError
from musedeep.quality.record import AlignmentTry
from musedeep.recipes.exp_align.recipe import RECIPE
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.selection.campaign.cascade_settings import CascadeSettings, texts
from musedeep.storage.cubes.field_view import FieldView
from musedeep.storage.fits.headers import text_of
from musedeep.storage.offset_list import read_offset_list
from musedeep.storage.source_list import read_source_list

Array = NDArray[np.float64]
Places = Sequence[tuple[Array, Array]]

NEAR: Final = 0.8
"""Distance within which sources of two images are the same after the offsets: the recipe's last radius [arcsec]."""

Aligner = Callable[[Sequence[Path], dict[str, str], Path], tuple[Array, Places]]
"""Runs the recipe on images, with parameters, in a directory: offsets, float64 (n, 2) [deg], and places of sources."""


@dataclass
class Aligned:
    """Offsets of images, and how they were found.

    Attributes
    ----------
    offsets : float64 (n, 2), measured minus reference: right ascension and declination [deg]
    good : whether the offset of each image has passed all tests
    matches : of each image
    tries : all runs of the recipe
    notes : what a person should know
    parameters : of the run that was taken, of each group
    """

    offsets: Array
    good: list[bool]
    matches: list[Match]
    tries: list[AlignmentTry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parameters: list[dict[str, str]] = field(default_factory=list)

    @property
    def aligned(self) -> bool:
        """Whether all images that share sky with others have offsets that passed all tests."""
        return all(self.good)


@dataclass(frozen=True)
class _Verdict:
    """Of one run: why each image fails, empty if it does not; what it shares with others."""

    offsets: Array
    why: list[str]
    matches: list[Match]
    parameters: dict[str, str]

    @property
    def right(self) -> int:
        return sum(not one for one in self.why)


def run_recipe(paths: Sequence[Path], parameters: dict[str, str], directory: Path) -> tuple[Array, Places]:
    """Run muse_exp_align; MusedeepError if it fails."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    names = [str(path) for path in paths]
    call = RecipeCall({"IMAGE_FOV": names, "SOURCE_LIST": []}, RECIPE.parse(parameters), directory, True)
    RECIPE.run(call)
    offsets = read_offset_list(directory / "OFFSET_LIST.fits")
    values = np.array([(row.ra_offset, row.dec_offset) for row in offsets.rows], np.float64)
    lists = [read_source_list(directory / f"SOURCE_LIST_{k:04d}.fits") for k in range(1, len(paths) + 1)]
    return values, [(one.x, one.y) for one in lists]


def align(
    views: Sequence[FieldView], settings: CascadeSettings, crowded: bool, directory: Path, aligner: Aligner = run_recipe
) -> Aligned:
    """Find the offsets of images against each other.

    Parameters
    ----------
    views : images, in the order of their exposures
    crowded : whether the field is
    directory : for the products of the recipe, which are thrown away
    aligner : runs the recipe
    """
    n = len(views)
    result = Aligned(headers_only(views), [True] * n, [Match(0, None)] * n)
    groups = overlap_groups(views, settings.max_offset)
    if len(groups) > 1:
        firsts = [text_of(views[group[0]].header, "DATE-OBS", views[group[0]].path) for group in groups]
        sizes = ", ".join(f"{len(group)} from {first}" for group, first in zip(groups, firsts, strict=True))
        result.notes.append(
            f"{len(groups)} groups of images share no sky ({sizes}): nothing ties them to each other but their headers"
        )
    for group in groups:
        if len(group) == 1:
            continue
        own = [views[k] for k in group]
        best = _ladder(own, settings, crowded, directory, aligner, result)
        if best is None or best.right < 2:
            why = "muse_exp_align has found no offsets" if best is None else _first(best.why)
            tried = f"after {len(settings.thresholds)} thresholds"
            result.notes.append(f"{len(group)} images keep the offsets of their headers, {tried}: {why}")
            for k in group:
                result.good[k] = False
            continue
        result.parameters.append(best.parameters)
        for k, place in enumerate(group):
            result.matches[place] = best.matches[k]
            result.good[place] = not best.why[k]
            if best.why[k]:
                date = text_of(views[place].header, "DATE-OBS", views[place].path)
                result.notes.append(f"{date} keeps the offset of its header: {best.why[k]}")
            else:
                result.offsets[place] = best.offsets[k]
    return result


def _first(why: Sequence[str]) -> str:
    return next((one for one in why if one), "")


def _ladder(
    views: Sequence[FieldView],
    settings: CascadeSettings,
    crowded: bool,
    directory: Path,
    aligner: Aligner,
    result: Aligned,
) -> _Verdict | None:
    """The run that is right for all images, else for most of them; None if the recipe has never succeeded."""
    best: _Verdict | None = None
    before = sharpness(views, headers_only(views))
    for threshold in settings.thresholds:
        given = {"srcmax": str(settings.crowded_srcmax)} if crowded else {}
        given |= texts(settings.align) | {"threshold": f"{threshold:g}"}
        try:
            offsets, places = aligner([view.path for view in views], given, directory)
        except MusedeepError as error:
            result.tries.append(AlignmentTry(threshold=threshold, matched=0, why=_short(str(error), views)))
            continue
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        verdict = _judged(views, offsets, places, before, settings, given)
        wrong = len(views) - verdict.right
        known = [one.residual for one in verdict.matches if one.residual is not None]
        result.tries.append(
            AlignmentTry(
                threshold=threshold,
                matched=min(one.number for one in verdict.matches),
                residual=max(known) if known else None,
                accepted=not wrong,
                why=f"{wrong} of {len(views)} images: {_first(verdict.why)}" if wrong else "",
            )
        )
        if best is None or verdict.right > best.right:
            best = verdict
        if not wrong:
            break
    return best


def _short(text: str, views: Sequence[FieldView]) -> str:
    """A message without directories."""
    for view in views:
        text = text.replace(f"{view.path.parent}/", "")
    return text


def _judged(
    views: Sequence[FieldView], offsets: Array, places: Places, before: float, settings: CascadeSettings,
    parameters: dict[str, str],
) -> _Verdict:  # fmt: skip
    """All tests of one run."""
    found = matches(places, planes_with(views, offsets), NEAR)
    why = [_wrong(view, offset, match, settings) for view, offset, match in zip(views, offsets, found, strict=True)]
    good = [k for k, one in enumerate(why) if not one]
    if len(good) >= 2:
        chosen, own = [views[k] for k in good], offsets[good]
        for k, left in zip(good, disagreements(chosen, own, settings.max_offset), strict=True):
            if left is not None and left > settings.max_disagreement:
                why[k] = f"cross-correlation would move it by another {left:.2f} arcsec"
        if len(good) == len(views):
            after = sharpness(views, offsets)
            if math.isfinite(before) and not after >= settings.least_sharpness * before:
                said = f"the sum of the images is less sharp than with the offsets of headers ({after / before:.2f})"
                why = [said] * len(views)
    return _Verdict(offsets, why, found, parameters)


def _wrong(view: FieldView, offset: Array, match: Match, settings: CascadeSettings) -> str:
    """Why the offset of an image is not believed, by its size and by its sources; empty if it is."""
    east = offset[0] * math.cos(math.radians(view.plane.crval[1]))
    size = 3600 * math.hypot(east, offset[1])
    if size > settings.max_offset:
        return f"offset of {size:.1f} arcsec, more than {settings.max_offset:g}"
    if match.number < settings.least_matches:
        return f"{match.number} sources in common, fewer than {settings.least_matches}"
    if match.residual is None or match.residual > settings.max_residual:
        far = f"{match.residual or 0:.2f} arcsec from those of others"
        return f"its sources are {far}, more than {settings.max_residual:g}"
    return ""
