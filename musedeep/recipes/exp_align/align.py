"""muse_exp_align: offsets of exposures from the sources in their images of the field.

1. Images are read. They have to have one scale and different DATE-OBS.
2. Sources are found in each (`sources`), or taken from SOURCE_LISTs.
3. Their positions give the offsets (`offsets`).
4. Source lists, the sum of the aligned images, a map of their exposure times and the offset list are written, in this
   order: where there is an OFFSET_LIST, the other products are there.

An image whose offset cannot be found or trusted keeps the offset 0. If it may show the same sky as another one, it is
a failure; otherwise it is a field of its own, and there is a note.
"""

from collections.abc import Sequence
from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.recipes.exp_align.mosaic import overlap
from musedeep.recipes.exp_align.offsets import Offsets, find_offsets
from musedeep.recipes.exp_align.products import Aligned, product_names, write_products
from musedeep.recipes.exp_align.recipe import RECIPE, ExpAlignParameters
from musedeep.recipes.exp_align.sources import Sources, detected, listed
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.storage.cubes.field_view import FieldView, read_field_view
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.source_list import SourceList, read_source_list

SAME_TIME = 1e-6
"""Difference of MJD-OBS within which a source list belongs to an image [d]."""
SAME_SCALE = 0.01
"""Relative difference of the scales of images that are aligned."""


def run(call: RecipeCall[ExpAlignParameters]) -> Outcome:
    """Align the images of a call.

    Raises
    ------
    MusedeepError
        Images that cannot be read or do not belong together; source lists that are missing; fewer than two images
        with sources; a product that exists.
    """
    parameters = call.parameters
    for name in product_names(call):
        refuse_existing(call.output / name, call.overwrite)
    views = [read_field_view(path) for path in call.frames["IMAGE_FOV"]]
    _check(views)
    outcome = Outcome()
    sources, lists = _sources(views, call.frames.get("SOURCE_LIST", ()), parameters, outcome)
    usable = [k for k, one in enumerate(sources) if one.number]
    if len(usable) < 2:
        k = next(k for k, one in enumerate(sources) if not one.number)
        raise MusedeepError(f"{views[k].path}: {sources[k].trouble}; {RECIPE.name} needs two images with sources")
    offsets = find_offsets([view.plane for view in views], sources, parameters)
    _report(views, sources, offsets, parameters, outcome)
    for path in write_products(call, Aligned(views, lists, sources, offsets), outcome.notes):
        outcome.paths.append(path)
    return outcome


def _check(views: Sequence[FieldView]) -> None:
    """Raise MusedeepError if images do not belong together."""
    if len(views) < 2:
        raise MusedeepError(f"{views[0].path}: a single image has no offset; give the images of two or more exposures")
    first = views[0]
    dates: dict[str, FieldView] = {}
    for view in views:
        date = text_of(view.header, "DATE-OBS", view.path)
        number_of(view.header, "MJD-OBS", view.path)
        if date in dates:
            raise MusedeepError(
                f"{view.path}: has DATE-OBS {date}, as {dates[date].path}; offsets are found by their dates: give one "
                "image for each exposure"
            )
        dates[date] = view
        if abs(view.plane.scale / first.plane.scale - 1) > SAME_SCALE:
            raise MusedeepError(
                f"{view.path}: has pixels of {view.plane.scale:.4g} arcsec, {first.path} of {first.plane.scale:.4g}; "
                "align images of one scale"
            )


def _sources(
    views: Sequence[FieldView], lists: Sequence[str], parameters: ExpAlignParameters, outcome: Outcome
) -> tuple[list[Sources], list[Path]]:
    """The sources of each image, and the source list that they are from, if they are."""
    if parameters.override_detection and lists:
        given = _by_image(views, [read_source_list(path) for path in lists])
        return [listed(one) for one in given], [one.path for one in given]
    if parameters.override_detection:
        outcome.notes.append("override_detection=true without a SOURCE_LIST: sources are looked for in the images")
    elif lists:
        outcome.notes.append("SOURCE_LISTs are only used with override_detection=true: sources are looked for")
    return [detected(view.data, parameters) for view in views], []


def _by_image(views: Sequence[FieldView], lists: Sequence[SourceList]) -> list[SourceList]:
    """The source list of each image; raises MusedeepError if there is not one for each."""
    chosen = []
    for view in views:
        mjd = number_of(view.header, "MJD-OBS", view.path)
        found = [one for one in lists if abs(one.mjd_obs - mjd) < SAME_TIME]
        if len(found) != 1:
            count = "no" if not found else f"{len(found)}"
            raise MusedeepError(
                f"{view.path}: {count} SOURCE_LIST with its MJD-OBS {mjd:.8f}; override_detection=true needs one for "
                "each image"
            )
        chosen.append(found[0])
    if len(lists) > len(views):
        other = next(one for one in lists if all(one is not taken for taken in chosen))
        raise MusedeepError(f"{other.path}: belongs to none of the images (MJD-OBS {other.mjd_obs:.8f}); leave it out")
    return chosen


def _report(
    views: Sequence[FieldView], sources: Sequence[Sources], offsets: Offsets, parameters: ExpAlignParameters,
    outcome: Outcome,
) -> None:  # fmt: skip
    """Say which images have no offset, and why."""
    images, planes = [view.data for view in views], [view.plane for view in views]
    for k, view in enumerate(views):
        if sources[k].trouble:
            outcome.failures[k + 1] = f"{view.path}: {sources[k].trouble}; its offset is 0"
        elif offsets.alone(k):
            near = [j for j in range(len(views)) if j != k and overlap(images, planes, k, j, parameters.radii[0])]
            if near:
                outcome.failures[k + 1] = (
                    f"{view.path}: no offset can be trusted ({sources[k].number} sources, none of the shifts against "
                    "the other images is beyond chance); its offset is 0: try another threshold, or give SOURCE_LISTs"
                )
            else:
                outcome.notes.append(f"{view.path}: no other image shows the same sky; its offset is 0")
    firsts = sorted({one for one in offsets.group if offsets.group.count(one) > 1})
    for first in firsts if len(firsts) > 1 or (firsts and firsts[0] != 0) else []:
        members = ", ".join(view.path.name for k, view in enumerate(views) if offsets.group[k] == first)
        outcome.notes.append(f"{members}: aligned with each other, and with no other image")
