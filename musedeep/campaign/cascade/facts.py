"""What a product's record says of each exposure, from the catalogue, its sets-of-frames and the headers of products."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musedeep.campaign.cascade.archive import Archive
from musedeep.campaign.cascade.night_sets import RESPONSE, NightSets, Wanted
from musedeep.campaign.cascade.stars import Stars
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import FrameSet
from musedeep.quality.record import ExposureRecord
from musedeep.reduction.correct.never_twice import RVCORR
from musedeep.storage.cubes.field_view import FieldView
from musedeep.storage.fits.headers import number_or_none
from musedeep.storage.outputs import appearing_whole
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.set_of_frames import existing_form

SATURATED = "ESO QC SCIBASIC NSATURATED"
SHIFT = "ESO QC SCIBASIC LAMBDA SHIFT"
CONVERGED = "ESO QC SCIPOST SKY CONVERGED"
"""F of a fit of the sky that has not; missing otherwise."""
FWHM = "ESO QC SCIPOST FWHM MEDIAN"
KEPT = "scibasic.json"
"""What the pixel tables of an exposure have said."""


def relative(path: str | Path, campaign: Path) -> str:
    """A path as records have it: relative to the folder of the campaign, if it lies in it."""
    path = Path(path)
    return str(path.relative_to(campaign)) if path.is_relative_to(campaign) else str(path)


def catalogue_facts(archive: Archive, name: str) -> dict[str, Any]:
    """What the catalogue says of an exposure."""
    one = archive.of(name)
    seconds = one.exposure_time if math.isfinite(one.exposure_time) else 0.0
    return {
        "name": name, "date_obs": one.date_obs, "mjd": one.mjd, "exposure_time": seconds, "mode": one.mode,
        "object": one.object, "target": one.target, "ob_id": one.ob_id, "ob_name": one.ob_name, "run": one.run,
    }  # fmt: skip


def exposure_record(
    archive: Archive, sets: NightSets, post: FrameSet, wanted: Wanted, campaign: Path
) -> ExposureRecord:
    """The record of an exposure that is reduced, without offset and flux scale."""
    one = archive.of(wanted.name)
    behind = sets.behind(post)
    table = existing_form(post.products[1])
    header = open_pixel_table(Path(table)).facts
    fitted = dict(post.parameters).get("skymethod") == "model"
    response = next((path for path, tag in post.frames if tag == "STD_RESPONSE"), "")
    return ExposureRecord(
        **catalogue_facts(archive, wanted.name),
        raw=str(archive.path(wanted.name)),
        image=relative(post.products[0], campaign),
        pixel_tables=[relative(table, campaign)],
        response=relative(response, campaign) if response else "",
        response_days=_response_days(archive, response, one.mjd),
        arc_days=_arc_days(archive, behind, one.mjd),
        twilight=any(tag == "TWILIGHT_CUBE" for s in behind for _, tag in s.frames if s.step == "scibasic"),
        sky=bool(wanted.sky),
        sky_converged=header.get(CONVERGED) is not False if fitted else None,
        **_scibasic(sets.place, post),
        barycentric=number_or_none(header, RVCORR),
    )


def image_facts(record: ExposureRecord, view: FieldView, stars: Stars) -> None:
    """Add what the image of an exposure says."""
    values = view.data[np.isfinite(view.data)]
    record.background = float(np.median(values)) if values.size else None
    width = number_or_none(view.header, FWHM)
    record.fwhm = width if width is not None and width > 0 else None


def keep_scibasic_facts(place: Path, post: FrameSet) -> None:
    """Write down what pixel tables say of an exposure, in its folder: they may be discarded afterwards."""
    path = place / post.directory / KEPT
    if path.exists():
        return
    saturated, shifts = [], []
    for table in (table for table, tag in post.frames if tag == "PIXTABLE_OBJECT"):
        try:
            header = open_pixel_table(Path(existing_form(table))).facts
        except MusedeepError:  # an IFU that could not be reduced
            continue
        saturated.append(number_or_none(header, SATURATED) or 0.0)
        shifts.append(number_or_none(header, SHIFT))
    known = [abs(one) for one in shifts if one is not None]
    facts = {
        "saturated": int(sum(saturated)) if saturated else None,
        "lambda_shift": max(known) if known else None,
    }
    with appearing_whole(path) as partial:
        partial.write_text(json.dumps(facts))


def _scibasic(place: Path, post: FrameSet) -> dict[str, Any]:
    """Saturated pixels of all IFUs, and the largest shift by sky lines, as `keep_scibasic_facts` has them."""
    try:
        found = json.loads((place / post.directory / KEPT).read_text())
    except (OSError, ValueError):
        return {}
    return {name: found.get(name) for name in ("saturated", "lambda_shift")}


def _response_days(archive: Archive, response: str, mjd: float) -> float | None:
    """From the standard star to an exposure [d]."""
    if not response:
        return None
    path = Path(response)
    if path.name == RESPONSE and (star := archive_star(archive, path.parent.name)) is not None:
        return abs(star - mjd)
    try:
        frame = archive.frames([path])[0]
    except MusedeepError:
        return None
    return abs(frame.mjd - mjd) if math.isfinite(frame.mjd) else None


def archive_star(archive: Archive, folder: str) -> float | None:
    """When the standard star was taken whose products lie in a folder [MJD]."""
    name = folder.replace("_", ":")
    return archive.exposures[name].mjd if name in archive.exposures else None


def _nearest(archive: Archive, behind: Sequence[FrameSet], tags: Sequence[str], mjd: float) -> float | None:
    """Distance of the nearest raw frame of some tags that went into sets [d]."""
    used = {path for one in behind for path, tag in one.frames if tag in tags}
    days = [abs(archive.of(archive.names[path]).mjd - mjd) for path in used if path in archive.names]
    return min(days, default=None)


def _arc_days(archive: Archive, behind: Sequence[FrameSet], mjd: float) -> float | None:
    """Distance of the arc lamps of an exposure [d]; of a wavelength solution that was not made here, its own."""
    if (days := _nearest(archive, behind, ("ARC", "ARC_LSF"), mjd)) is not None:
        return days
    tables = {Path(path) for one in behind for path, tag in one.frames if tag == "WAVECAL_TABLE"}
    there = [frame.mjd for frame in archive.frames(sorted(path for path in tables if path.exists()))]
    return min((abs(one - mjd) for one in there if math.isfinite(one)), default=None)
