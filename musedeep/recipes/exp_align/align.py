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

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.recipes.exp_align.headers import offset_cards, product_header, source_cards, time_cards
from musedeep.recipes.exp_align.mosaic import mosaic, overlap
from musedeep.recipes.exp_align.offsets import Offsets, find_offsets, moved
from musedeep.recipes.exp_align.recipe import RECIPE, ExpAlignParameters
from musedeep.recipes.exp_align.sources import Sources, detected, listed
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.reduction.headers.cards import Card
from musedeep.storage.cubes.field_view import FieldView, read_field_view, write_field_view
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.offset_list import OffsetRow, write_offset_list
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.source_list import SourceList, read_source_list, write_source_list

OFFSETS, PREVIEW, TIMES = "OFFSET_LIST.fits", "PREVIEW_FOV.fits", "EXPOSURE_MAP.fits"
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
    names = _names(call)
    for name in names:
        refuse_existing(call.output / name, call.overwrite)
    views = [read_field_view(path) for path in call.frames["IMAGE_FOV"]]
    _check(views)
    outcome = Outcome()
    lists = call.frames.get("SOURCE_LIST", ())
    sources = _sources(views, lists, parameters, outcome)
    usable = [k for k, one in enumerate(sources) if one.number]
    if len(usable) < 2:
        k = next(k for k, one in enumerate(sources) if not one.number)
        raise MusedeepError(f"{views[k].path}: {sources[k].trouble}; {RECIPE.name} needs two images with sources")
    offsets = find_offsets([view.plane for view in views], sources, parameters)
    _report(views, sources, offsets, parameters, outcome)
    _write(call, views, sources, offsets, outcome)
    return outcome


def _names(call: RecipeCall[ExpAlignParameters]) -> list[str]:
    """File names of all products."""
    n = len(call.frames["IMAGE_FOV"])
    names = [f"SOURCE_LIST_{k:04d}.fits" for k in range(1, n + 1)] + [PREVIEW]
    return [*names, *([TIMES] if call.parameters.expmap else []), OFFSETS]


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
) -> list[Sources]:
    """The sources of each image."""
    if parameters.override_detection and lists:
        given = _by_image(views, [read_source_list(path) for path in lists])
        return [listed(one) for one in given]
    if parameters.override_detection:
        outcome.notes.append("override_detection=true without a SOURCE_LIST: sources are looked for in the images")
    elif lists:
        outcome.notes.append("SOURCE_LISTs are only used with override_detection=true: sources are looked for")
    return [detected(view.data, parameters) for view in views]


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
        other = next(one for one in lists if one not in chosen)
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


def _write(
    call: RecipeCall[ExpAlignParameters], views: Sequence[FieldView], sources: Sequence[Sources], offsets: Offsets,
    outcome: Outcome,
) -> None:  # fmt: skip
    """Write all products."""
    parameters = call.parameters
    lists = call.frames.get("SOURCE_LIST", ()) if parameters.override_detection else ()
    files = [str(view.path) for view in views]
    planes = [moved(view.plane, value) for view, value in zip(views, offsets.values, strict=True)]

    def write(path: Path) -> Path:
        outcome.paths.append(path)
        return path

    for k, view in enumerate(views):
        path = call.output / f"SOURCE_LIST_{k + 1:04d}.fits"
        own = [str(path) for path in lists][k : k + 1]
        header = product_header(
            view.header, "SOURCE_LIST", path.name, files[k : k + 1], own, parameters, source_cards(sources[k])
        )
        found = sources[k].found
        values: dict[str, NDArray[np.floating]] = {
            "X": found.x, "Y": found.y, "Flux": found.height, "Sharpness": found.sharpness,
            "Roundness": found.roundness,
        }  # fmt: skip
        values["RA"], values["DEC"] = view.plane.to_sky(found.x, found.y)
        values["RA_CORR"], values["DEC_CORR"] = planes[k].to_sky(found.x, found.y)
        write_source_list(path, header, values, call.overwrite)
        write(path)
    exptimes = [number_of(view.header, "EXPTIME", view.path, 0.0) for view in views]
    combined = mosaic([view.data for view in views], planes, exptimes)
    for k in combined.left_out:
        outcome.notes.append(f"{files[k]}: too far from the first image; it is not in {PREVIEW}")
    unit = views[0].unit
    made: list[tuple[str, NDArray[np.float32], str, list[Card]]] = [(PREVIEW, combined.data, unit, [])]
    if parameters.expmap:
        made.append((TIMES, combined.seconds, "s", time_cards(combined.seconds)))
    for name, data, its_unit, quality in made:
        header = product_header(
            views[0].header, Path(name).stem, name, files, [str(p) for p in lists], parameters, quality
        )
        write_field_view(call.output / name, header, data, combined.plane, its_unit, call.overwrite)
        write(call.output / name)
    rows = [
        OffsetRow(
            text_of(view.header, "DATE-OBS", view.path), float(ra), float(dec), None,
            number_of(view.header, "MJD-OBS", view.path),
        )
        for view, (ra, dec) in zip(views, offsets.values, strict=True)
    ]  # fmt: skip
    numbers = [one.number for one in sources]
    header = product_header(
        views[0].header, "OFFSET_LIST", OFFSETS, files, [str(p) for p in lists], parameters,
        offset_cards(numbers, offsets.matches, offsets.values),
    )  # fmt: skip
    write_offset_list(call.output / OFFSETS, rows, header, call.overwrite)
    write(call.output / OFFSETS)
