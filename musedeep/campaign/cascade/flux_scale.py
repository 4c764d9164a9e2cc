"""Flux scales of exposures: a wrong standard star is found from the stars in common, and another one is tried.

1. The light of stars of each image is compared with the median of the others (`stars.flux_scales`). Where half of the
   images differ from the other half, the responses decide: that of the instrument hardly changes from night to night,
   so that a wrong one is off against those of other standard stars, of which there have to be three.
2. Where it is off by more than a limit, the response of the next standard star, nearest in time, of whatever night, is
   put in the place of the first; its night is reduced as far as that needs. muse_scipost is done again with it.
3. If the ratio is then within the limit, the exposure goes on with that response. Otherwise, after some others, it is
   put aside, with its ratio.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from musedeep.campaign.cascade.archive import NightKey
from musedeep.campaign.cascade.night_sets import TELLURIC, NightSets, Wanted, night_sets
from musedeep.campaign.cascade.nights import Nights, run_night, why_failed
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.campaign.cascade.stars import Stars, flux_scales, stars_of
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import FrameSet
from musedeep.progress import LOG
from musedeep.quality.record import folder_name
from musedeep.storage.calibrations.response import read_response
from musedeep.storage.cubes.field_view import FieldView, read_field_view

LEAST_RESPONSES: Final = 3
"""Of different standard stars, of which one that is odd can be told."""


@dataclass
class Image:
    """An exposure that is reduced: how, its image, and the stars in it.

    Attributes
    ----------
    ratio : flux of its stars over the median of the other exposures, with the first standard star; None: not known
    level : the same with the standard star that was taken
    excluded : why it is not to be combined; empty if it is
    """

    wanted: Wanted
    view: FieldView
    stars: Stars
    ratio: float | None = None
    level: float | None = None
    excluded: str = ""


def image_of(post: FrameSet, one: Wanted, radius: float) -> Image:
    """The image of an exposure, of its set of muse_scipost; MusedeepError if it cannot be read."""
    view = read_field_view(post.products[0])
    return Image(one, view, stars_of(view, radius))


def check_scales(request: CascadeRequest, nights: Nights, images: list[Image]) -> list[str]:
    """Find exposures with a wrong flux scale, and mend or put them aside; returns what a person should know."""
    settings = request.settings
    search = 2 * settings.max_offset
    scales = flux_scales([one.stars for one in images], search, settings.flux_stars, settings.flux_limit)
    for image, ratio in zip(images, scales.ratios, strict=True):
        image.ratio = image.level = ratio
    wrong, notes = scales.wrong, list[str]()
    if scales.undecided:
        wrong = _with_odd_responses(request, nights, images)
        if not wrong:
            apart = max(max(ratio, 1 / ratio) for ratio in scales.ratios if ratio)
            note = f"flux scales of exposures differ by a factor of {apart:.3g}; which of them are wrong cannot be told"
            LOG.warning(note)
            return [note]
    good = [one for k, one in enumerate(images) if k not in wrong]
    if scales.undecided:
        for image in images:
            others = [one.stars for one in good if one is not image]
            alone = flux_scales([image.stars, *others], search, settings.flux_stars, settings.flux_limit)
            image.ratio = image.level = alone.ratios[0]
        wrong = [k for k in wrong if images[k].ratio is not None]
    for k in wrong:
        image = images[k]
        said = f"{image.wanted.name}: its stars are {image.ratio:.3g} times as bright as in the other exposures"
        other, tried = _with_another(request, nights, image, good)
        if other is not None:
            star = Path(other.wanted.response).parent.name
            notes.append(f"{said}; with the standard star {star} they agree")
            images[k] = other
        else:
            scale = f"flux scale {image.ratio:.3g} times that of the other exposures"
            image.excluded = f"{scale}; {tried} other standard stars were tried"
            notes.append(f"{said}; put aside after {tried} other standard stars")
        LOG.warning(notes[-1])
    return notes


def odd_levels(levels: Mapping[str, float], limit: float) -> set[str]:
    """Responses that differ from the median of at least three by more than a factor; none of fewer.

    Parameters
    ----------
    levels : 2.5 log10 of count per flux, by path
    limit : the factor
    """
    if len(levels) < LEAST_RESPONSES:
        return set()
    middle, far = float(np.median(list(levels.values()))), 2.5 * math.log10(limit)
    return {path for path, level in levels.items() if abs(level - middle) > far}


def _with_odd_responses(request: CascadeRequest, nights: Nights, images: list[Image]) -> list[int]:
    """Numbers of the images whose response differs from those of other standard stars; none if that cannot be told."""
    used = [next((p for p, tag in nights.post(one.wanted).frames if tag == "STD_RESPONSE"), "") for one in images]
    levels: dict[str, float] = {}

    def add(path: str) -> None:
        try:
            levels.setdefault(path, float(np.median(read_response(path).response)))
        except MusedeepError as error:
            LOG.warning(f"{path}: is not compared with other responses: {error}")

    for path in dict.fromkeys(filter(None, used)):
        add(path)
    first = images[0].wanted
    stars = request.archive.standards(nights.of[first], request.archive.of(first.name).mjd)
    for star in [one for one in stars if not any(f"/{folder_name(one)}/" in path for path in levels)]:
        if len(levels) >= LEAST_RESPONSES or not request.settings.other_standards:
            break
        try:
            add(_standard(request, request.archive.night_of(star), star).standard)
        except MusedeepError as error:
            LOG.warning(f"standard star {star} is of no use: {error}")
    odd = odd_levels(levels, request.settings.flux_limit)
    wrong = [k for k, path in enumerate(used) if path in odd]
    return wrong if len(wrong) < len(images) else []


def _with_another(request: CascadeRequest, nights: Nights, image: Image, good: list[Image]) -> tuple[Image | None, int]:
    """The exposure with a response that brings its stars to the level of good ones, if any; how many were tried."""
    settings, archive = request.settings, request.archive
    one = image.wanted
    first, tried = nights.post(one), 0
    used = next((Path(path).parent.name for path, tag in first.frames if tag == "STD_RESPONSE"), "")
    mjd = archive.of(one.name).mjd
    for star in archive.standards(nights.of[one], mjd):
        if folder_name(star) == used:
            continue
        if tried >= settings.other_standards:
            break
        tried += 1
        try:
            night = _standard(request, archive.night_of(star), star)
            telluric = Path(night.standard).with_name(TELLURIC)
            mended = replace(one, response=night.standard, telluric=str(telluric) if telluric.exists() else "")
            other, sets = _reduced(request, nights, mended)
        except MusedeepError as error:
            LOG.warning(f"{one.name}: standard star {star} is of no use: {error}")
            continue
        stars = [other.stars, *(one.stars for one in good)]
        again = flux_scales(stars, 2 * settings.max_offset, settings.flux_stars, settings.flux_limit)
        if 0 not in again.wrong and again.ratios[0] is not None and not again.undecided:
            other.ratio, other.level = image.ratio, again.ratios[0]
            nights.exchange(one, mended, sets, night)
            return other, tried
    return None, tried


def _standard(request: CascadeRequest, key: NightKey, star: str) -> NightSets:
    """A night whose standard star is reduced, with the calibrations of the night."""
    sets = night_sets(request.archive, key, key.folder(request.campaign), [], request.settings, standard=star)
    if not sets.standard:
        raise MusedeepError("; ".join(sets.notes) or f"no standard star of {key.date}")
    own = sets.makers()[sets.standard]
    outcome = run_night(request, sets, [own])
    if why := why_failed(sets, own, outcome):
        raise MusedeepError(why)
    return sets


def _reduced(request: CascadeRequest, nights: Nights, mended: Wanted) -> tuple[Image, NightSets]:
    """The exposure reduced with another response, and the night with it."""
    key = next(night for one, night in nights.of.items() if one.name == mended.name)
    mates = [one for one, night in nights.of.items() if night == key and one.name != mended.name]
    sets = night_sets(request.archive, key, nights.sets[key].place, [*mates, mended], request.settings)
    if mended.name not in sets.exposures:
        raise MusedeepError(sets.missing.get(mended.name, "no set of scipost for it"))
    post = sets.exposures[mended.name]
    outcome = run_night(request, sets, [post])
    if why := why_failed(sets, post, outcome):
        raise MusedeepError(why)
    return image_of(post, mended, request.settings.flux_radius), sets
