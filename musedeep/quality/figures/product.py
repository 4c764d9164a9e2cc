"""All figures of a product: drawn aside, and given their names together."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.progress import LOG
from musedeep.quality.assessed import Assessed
from musedeep.quality.figures.alignment import draw_alignment, draw_contact
from musedeep.quality.figures.cascade import draw_cascade
from musedeep.quality.figures.depth import Stack, draw_depth
from musedeep.quality.figures.fields import draw_fields
from musedeep.quality.figures.images import short
from musedeep.quality.figures.sheets import Sheet, draw_sheet
from musedeep.quality.histogram import FluxHistogram
from musedeep.quality.record import ExposureRecord, Score, folder_name
from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.outputs import leftovers, make_directory, partial_name, replace_directory

CIRCLE = 1.0
"""Radius of the circles around sources [arcsec]."""


def draw_all(assessed: Assessed) -> dict[str, str]:
    """Draw all figures of a product into figures/; paths relative to the campaign by what they show.

    Raises MusedeepError if there is no matplotlib, or they cannot be written.
    """
    folder = assessed.files.folder / "figures"
    partial = partial_name(folder)
    # what a killed run has left half made
    for left in (*leftovers(folder), *folder.parent.glob(".figures.*.old")):
        shutil.rmtree(left, ignore_errors=True)
    make_directory(partial)
    try:
        drawn = _draw(assessed, partial)
        replace_directory(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    place = folder.absolute().relative_to(assessed.files.campaign)
    return {what: str(place / name) for what, name in drawn.items()}


def _draw(assessed: Assessed, folder: Path) -> dict[str, str]:
    """Names of the figures by what they show."""
    drawn = {"deep": "deep.png", "cascade": "cascade.png"}
    draw_sheet(deep_sheet(assessed), folder / drawn["deep"])
    draw_cascade(assessed.files.record, folder / drawn["cascade"])
    singles = assessed.singles
    if singles is None:
        return drawn
    for number, k in enumerate(assessed.images):
        one = assessed.exposures[k]
        name = drawn[f"single:{one.name}"] = f"single-{folder_name(one.name)}.png"
        draw_sheet(_single_sheet(assessed, number, one), folder / name)
    drawn |= {"fields": "fields.png", "depth": "depth.png"}
    seconds = assessed.files.times.seconds if assessed.files.times else None
    draw_fields(singles, assessed.pointings, assessed.image, seconds, folder / drawn["fields"])
    draw_depth(_stacks(assessed), folder / drawn["depth"])
    if assessed.conditions is not None and len(singles.images) > 1:
        drawn |= {"alignment": "alignment.png", "contact": "contact.png"}
        draw_alignment(singles, assessed.conditions.sources, assessed.shifts, folder / drawn["alignment"])
        wrong = [one.misaligned for one in assessed.shifts]
        lines = [_lines(assessed, k) for k in assessed.images]
        draw_contact(singles, lines, assessed.trails, wrong, folder / drawn["contact"])
    return drawn


def _score(scores: Sequence[Score], name: str, exposure: str = "") -> int | None:
    return next((one.score for one in scores if (one.name, one.exposure) == (name, exposure)), None)


def _concern(flag: str) -> int:
    """1 if a character of the flag is 1; the third, for no dedicated sky, has no meaning."""
    return int("1" in flag[:2] + flag[3:])


def _text(value: float | None, form: str, unit: str = "") -> str:
    return "unknown" if value is None or not np.isfinite(value) else f"{value:{form}}{unit}"


def deep_sheet(assessed: Assessed) -> Sheet:
    """The sheet of the product, as `draw_sheet` draws it."""
    files, quality = assessed.files, assessed.quality
    record, values, scores = files.record, quality.values, quality.scores
    first = assessed.exposures[0]
    modes = ", ".join(dict.fromkeys(one.mode for one in assessed.exposures if one.mode))
    runs = ", ".join(dict.fromkeys(one.run for one in assessed.exposures if one.run))
    shift = max((one.size for one in assessed.shifts if np.isfinite(one.size)), default=None)
    worst = max((s.score or 0 for s in scores if s.name == "misaligned"), default=None)
    parameters = [
        ("Texptime", _text(values["exposure_time"], ",.0f", " s"), None),
        ("N_input", _text(values["exposures"], ".0f"), None),
        ("N_sources", _text(values["n_sources"], ".0f"), _score(scores, "n_sources")),
        ("ABMAG_limit", _text(values["abmaglim"], ".2f"), None),
        ("in windows", _text(values["abmaglim_local"], ".2f"), None),
        ("histo mode", _text(values["histo_mode"], ".3g"), None),
        ("histo-1.7", _text(values["histo_17"], ".3g"), _score(scores, "histo_17")),
        ("noise / STAT", _text(values["noise_ratio"], ".2f"), _score(scores, "noise_ratio")),
        ("largest shift", _text(shift, ".2f", '"'), worst),
        ("score_bit", quality.flag, _concern(quality.flag)),
    ]  # fmt: skip
    sources = files.sources()
    if not len(sources) and assessed.conditions is not None:
        sources = assessed.conditions.sources
    details = f"{record.category}   target {record.target}   OB {first.ob_name or first.ob_id}   {modes}   {runs}"
    return Sheet(
        record.name, details, assessed.image, files.plane.scale, sources, CIRCLE / files.plane.scale,
        assessed.facts.histogram, "voxels", assessed.raws.get(first.name), short(first.name), parameters,
    )  # fmt: skip


def _single_sheet(assessed: Assessed, number: int, one: ExposureRecord) -> Sheet:
    assert assessed.singles is not None and assessed.conditions is not None
    image = assessed.singles.images[number]
    values, scores = assessed.values[one.name], assessed.quality.scores
    histogram = FluxHistogram()
    pixels = image.data * image.scale + image.background
    histogram.add(pixels)
    shift = values.get("misaligned")
    sources = assessed.conditions.sources - np.array([image.x0, image.y0])
    inside = ((sources >= 0) & (sources < np.array(image.data.shape[::-1]))).all(axis=1)
    flag = assessed.flags[one.name]
    parameters = [
        ("exptime", f"{one.exposure_time:,.0f} s", None),
        ("SKY_YN", "unknown" if one.sky is None else "Y" if one.sky else "N", None),
        ("Nsat", _text(values["saturated"], ".0f"), _score(scores, "saturated", one.name)),
        ("FWHM", _text(values["fwhm"], ".2f", '"'), _score(scores, "fwhm", one.name)),
        ("transparency", _text(values["transparency"], ".2f"), _score(scores, "transparency", one.name)),
        ("ABMAG_limit", _text(values.get("abmaglim"), ".2f"), None),
        ("histo mode", _text(histogram.mode(), ".3g"), None),
        ("histo-1.7", _text(histogram.histo_17(), ".3g"), None),
        ("shift", _text(shift, ".2f", '"'), _score(scores, "misaligned", one.name)),
        ("score_bit", flag, _concern(flag)),
    ]  # fmt: skip
    details = f"{one.target or one.object}   OB {one.ob_name or one.ob_id}   {one.mode}   {one.run}"
    return Sheet(
        one.name, details, pixels, assessed.singles.scale, sources[inside], CIRCLE / assessed.singles.scale, histogram,
        "pixels", assessed.raws.get(one.name), short(one.name), parameters, _mask(assessed, one),
    )  # fmt: skip


def _mask(assessed: Assessed, one: ExposureRecord) -> NDArray[np.bool_] | None:
    """The sky mask of an exposure without a dedicated sky, if there is one."""
    if one.sky or not one.sky_mask:
        return None
    try:
        return read_sky_mask(assessed.files.campaign / one.sky_mask).mask
    except MusedeepError as error:
        LOG.warning(f"{error}; the sheet has no sky mask")
        return None


def _lines(assessed: Assessed, k: int) -> list[str]:
    """What stands below an exposure on the contact sheet."""
    one = assessed.exposures[k]
    values = assessed.values[one.name]
    first = f'{_text(values["fwhm"], ".2f")}"  T {_text(values["transparency"], ".2f")}'
    second = f'bg {_text(values["background"], ".2g")}  shift {_text(values.get("misaligned"), ".2f")}"'
    return [first, second, *(["satellite"] if values.get("satellite") else [])]


def _stacks(assessed: Assessed) -> list[Stack]:
    """The first exposure, the mean of its OB if it has several, and the deep image, where the exposure is."""
    assert assessed.singles is not None
    singles = assessed.singles
    first = singles.images[0]
    one = assessed.exposures[assessed.images[0]]
    stacks = [Stack("single exposure", one.exposure_time, first.data * first.scale)]
    ob = [n for n, k in enumerate(assessed.images) if one.ob_id and assessed.exposures[k].ob_id == one.ob_id]
    if 1 < len(ob) < len(singles.images):
        mean = singles.against(frozenset(ob)).mean[first.box]
        seconds = sum(assessed.exposures[assessed.images[n]].exposure_time for n in ob)
        stacks.append(Stack(f"OB, {len(ob)} exposures", seconds, mean))
    total = sum(each.exposure_time for each in assessed.exposures)
    stacks.append(Stack(f"deep, {len(assessed.exposures)} exposures", total, assessed.image[first.box]))
    return stacks
