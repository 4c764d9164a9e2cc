"""Flux scales of exposures: a wrong standard star is found from the stars in common, and another one is tried.

1. The light of stars of each image is compared with the median of the others (`stars.flux_scales`).
2. Where it is off by more than a limit, the response of the next standard star, nearest in time, of whatever night, is
   put in the place of the first; its night is reduced as far as that needs. muse_scipost is done again with it.
3. If the ratio is then within the limit, the exposure goes on with that response. Otherwise, after some others, it is
   put aside, with its ratio.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from musedeep.campaign.cascade.archive import NightKey
from musedeep.campaign.cascade.night_sets import TELLURIC, NightSets, Wanted, night_sets
from musedeep.campaign.cascade.nights import Nights, run_night, why_failed
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.campaign.cascade.stars import Stars, flux_scales, stars_of
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import FrameSet
from musedeep.progress import LOG
from musedeep.quality.record import folder_name
from musedeep.storage.cubes.field_view import FieldView, read_field_view


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
    if scales.undecided:
        apart = max(max(ratio, 1 / ratio) for ratio in scales.ratios if ratio)
        note = f"flux scales of exposures differ by a factor of {apart:.3g}; which of them are wrong cannot be told"
        LOG.warning(note)
        return [note]
    wrong, notes = scales.wrong, []
    good = [one for k, one in enumerate(images) if k not in wrong]
    for k in wrong:
        image = images[k]
        said = f"{image.wanted.name}: its stars are {image.ratio:.3g} times as bright as in the other exposures"
        other, tried = _with_another(request, nights, image, good)
        if other is not None:
            star = Path(other.wanted.response).parent.name
            notes.append(f"{said}; with the standard star {star} they agree")
            images[k] = other
        else:
            others = f"{tried} other standard stars were tried"
            image.excluded = f"flux scale {image.ratio:.3g} times that of the other exposures; {others}"
            notes.append(f"{said}; put aside after {tried} other standard stars")
        LOG.warning(notes[-1])
    return notes


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
