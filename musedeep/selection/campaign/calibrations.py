"""Which calibrations an exposure is reduced with, of all nights of a catalogue: from its rows alone, no file is read.

1. Frames of one template, mode and read-out are a set, of which recipes make masters. Where the template is not known,
   frames that follow each other within hours are one. An exposure of the sky and an ILLUM are sets of their own.
2. What a set needs follows from the declarations of recipes: a flat needs a bias, an exposure of a target needs bias,
   flat, arcs, twilight, a standard star, the blank sky of its OB, and an ILLUM of its night.
3. A calibration has in common with the exposure what the recipe asks: mode, field of view, read-out. What a row does
   not say is taken to match. Series of less than three frames give way to longer ones.
4. Of these, certified sets go before others, and failed ones are not taken. Then the nearest in time and temperature
   comes first. For flats, arcs and twilights two degrees count like a day (a number of musedeep); the bias of cooled
   detectors and the response do not depend on the temperature of the instrument.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from statistics import fmean, median
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from musedeep.recipes.registry import declared, first_stage, makers
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.dates import night_of
from musedeep.selection.night import rules

Status = Literal["certified", "unchecked", "failed"]
RANK: Final[dict[str, int]] = {"certified": 0, "unchecked": 1, "failed": -1}
UNCHECKED: Final = ("ILLUM", "SKY")
"""Raw tags that make no master: nobody certifies them."""

TAGS: Final = ("BIAS", "DARK", "FLAT", "ARC", "ARC_LSF", "ILLUM", "SKYFLAT", "ASTROMETRY", "STD", "SKY")
"""Raw tags of calibrations, in an order in which each needs earlier ones alone."""
APART: Final = ("OBJECT", "SKY", "STD", "ASTROMETRY", "ILLUM")
"""Raw tags of which each frame is a set of its own."""
GIVEN: Final = ("MASK",)
"""Raw tags whose products are distributed as static calibrations."""
WARM: Final = ("FLAT", "ARC", "ARC_LSF", "SKYFLAT", "ILLUM")
"""Raw tags whose frames change with the temperature of the instrument."""


@dataclass(frozen=True)
class Preferences:
    """What makes one calibration better than another; all numbers are musedeep's own.

    Attributes
    ----------
    degrees_a_day : a temperature that differs by this is as bad as a day
    farthest : days beyond which a calibration is not taken, by raw tag; none for a tag that is not named
    only_certified : take nothing that is not certified
    darks : dark frames are wanted, too
    """

    degrees_a_day: float = 2.0
    farthest: Mapping[str, float] = field(default_factory=dict)
    only_certified: bool = False
    darks: bool = False


@dataclass(frozen=True)
class FrameSet:
    """Raw frames that are reduced together.

    Attributes
    ----------
    tag : raw tag
    name : start of the template, as in TPL START; else of the first frame; of frames that stand alone, their time
    mode, read_out, ob_id : of its frames; empty if not known
    frames : names in the archive, in the order of time
    mjd : mean of the starts
    temperature : median [degC]; NaN if not known
    """

    tag: str
    name: str
    mode: str
    read_out: str
    ob_id: str
    frames: tuple[str, ...]
    mjd: float
    temperature: float

    @property
    def night(self) -> str:
        """Date of the evening."""
        return night_of(self.mjd)

    @property
    def field(self) -> str:
        """WFM or NFM; empty if not known."""
        return self.mode.partition("-")[0]

    @property
    def key(self) -> str:
        """Tag and name, which no other set has, as FLAT 2017-06-16T12:15:46."""
        return f"{self.tag} {self.name}"


@dataclass(frozen=True)
class Chosen:
    """A calibration of an exposure.

    Attributes
    ----------
    calibration : the set
    days : from the exposure to the calibration; negative for an earlier one
    warmer : temperature of the calibration minus that of the exposure [degC]; NaN if one is not known
    status : certified, or unchecked
    """

    calibration: FrameSet
    days: float
    warmer: float
    status: str = "unchecked"


@dataclass(frozen=True)
class _Shelf:
    """All sets of a raw tag, as arrays of one value each.

    Attributes
    ----------
    sets : in the order of time
    kinds : places of the sets of each mode and read-out, int64
    mjd, temperature : float64 [d, degC]
    frames : numbers of frames, int64
    rank : certified ones have a lower one; -1: not to be taken, int64
    nights, ob_ids : text
    """

    sets: list[FrameSet]
    kinds: dict[tuple[str, str], NDArray[np.int64]]
    mjd: NDArray[np.float64]
    temperature: NDArray[np.float64]
    frames: NDArray[np.int64]
    rank: NDArray[np.int64]
    nights: NDArray[np.str_]
    ob_ids: NDArray[np.str_]


class Calibrations:
    """The sets of a catalogue, and the calibrations of each.

    Parameters
    ----------
    exposures : rows of a catalogue, of any number of nights
    preferences : what makes one calibration better than another
    status : certified or failed, by key of a set; other sets are unchecked
    """

    def __init__(
        self,
        exposures: Iterable[Exposure],
        preferences: Preferences | None = None,
        status: Mapping[str, Status] | None = None,
    ) -> None:
        self.preferences = preferences or Preferences()
        self.status = status or {}
        self.sets = sets_of(exposures)
        by_tag: dict[str, list[FrameSet]] = {}
        for one in self.sets:
            by_tag.setdefault(one.tag, []).append(one)
        self._shelves = {tag: self._shelf(many) for tag, many in by_tag.items()}

    def choices(self, of: FrameSet, tag: str, without: Collection[str] = ()) -> list[Chosen]:
        """Calibrations of a raw tag for a set, the best first; `without` names keys of sets not to take."""
        return [self._chosen(of, tag, k) for k in self._order(of, tag, without)]

    def chosen(self, of: FrameSet, without: Collection[str] = ()) -> dict[str, Chosen]:
        """The best calibration of each raw tag that a set needs, in the order of `TAGS`; none where there is none."""
        wanted = needed(of.tag, self.preferences.darks)
        orders = {tag: self._order(of, tag, without) for tag in TAGS if tag in wanted}
        return {tag: self._chosen(of, tag, order[0]) for tag, order in orders.items() if order}

    def missing(self, of: FrameSet, without: Collection[str] = ()) -> list[str]:
        """Raw tags without which a set cannot be reduced, and that no set of the catalogue has."""
        return [tag for tag in required(of.tag) if not self._order(of, tag, without)]

    def _shelf(self, sets: list[FrameSet]) -> _Shelf:
        kinds: dict[tuple[str, str], list[int]] = {}
        for k, one in enumerate(sets):
            kinds.setdefault((one.mode, one.read_out), []).append(k)
        return _Shelf(
            sets=sets,
            kinds={kind: np.array(places) for kind, places in kinds.items()},
            mjd=np.array([one.mjd for one in sets]),
            temperature=np.array([one.temperature for one in sets]),
            frames=np.array([len(one.frames) for one in sets]),
            rank=np.array([self._rank(one) for one in sets]),
            nights=np.array([one.night for one in sets]),
            ob_ids=np.array([one.ob_id for one in sets]),
        )

    def _rank(self, one: FrameSet) -> int:
        """Which sets go first; -1 for one that is not taken."""
        status = self.status.get(one.key, "unchecked")
        if self.preferences.only_certified and status != "certified" and one.tag not in UNCHECKED:
            return -1
        return RANK[status]

    def _order(self, of: FrameSet, tag: str, without: Collection[str]) -> list[int]:
        """Places of the sets of a tag that can be taken, the best first."""
        shelf = self._shelves.get(tag)
        if shelf is None:
            return []
        match = needed(of.tag, self.preferences.darks).get(tag, rules.input_of(tag).match)
        kinds = [places for places in shelf.kinds.values() if _fits(shelf.sets[places[0]], of, match)]
        if not kinds:
            return []
        places = np.sort(np.concatenate(kinds))
        days = shelf.mjd[places] - of.mjd
        farthest = self.preferences.farthest.get(tag, math.inf)
        places = places[(shelf.rank[places] >= 0) & (np.abs(days) <= farthest)]
        if tag == "SKY" and of.ob_id:
            places = places[shelf.ob_ids[places] == of.ob_id]
        elif tag in ("ILLUM", "SKY"):
            places = places[shelf.nights[places] == of.night]
        if without:
            places = np.array([k for k in places.tolist() if shelf.sets[k].key not in without], np.int64)
        if tag not in APART:
            # a series that was cut short
            number, least = shelf.frames[places], _minimum(tag)
            long = number >= max(rules.SERIES, least)
            places = places[long] if long.any() else places[number >= least]
        cost = self._cost(tag, shelf.mjd[places] - of.mjd, shelf.temperature[places] - of.temperature)
        best: list[int] = places[np.lexsort((cost, shelf.rank[places]))].tolist()
        return best

    def _chosen(self, of: FrameSet, tag: str, place: int) -> Chosen:
        one = self._shelves[tag].sets[place]
        return Chosen(one, one.mjd - of.mjd, one.temperature - of.temperature, self.status.get(one.key, "unchecked"))

    def _cost(self, tag: str, days: NDArray[np.float64], warmer: NDArray[np.float64]) -> NDArray[np.float64]:
        cost = np.abs(days)
        if tag not in WARM:
            return cost
        degrees = np.where(np.isfinite(warmer), np.abs(warmer), 0.0)
        if tag == "ILLUM":
            return cost / rules.HOUR + degrees / rules.TEMPERATURE_STEP
        return cost + degrees / self.preferences.degrees_a_day


def sets_of(exposures: Iterable[Exposure]) -> list[FrameSet]:
    """The sets of exposures, in the order of time."""
    found = []
    templates: dict[tuple[str, ...], list[Exposure]] = {}
    for one in sorted(exposures, key=lambda e: (e.mjd, e.name)):
        if one.tag in APART:
            found.append(_set(one.name.removeprefix("MUSE."), [one]))
        elif one.tag:
            templates.setdefault((one.tag, one.mode, one.read_out, one.template_start), []).append(one)
    for (*_, start), frames in templates.items():
        for series in [frames] if start else _days(frames):
            found.append(_set(start or series[0].name.removeprefix("MUSE."), series))
    return sorted(found, key=lambda one: (one.mjd, one.tag, one.name))


def _set(name: str, frames: Sequence[Exposure]) -> FrameSet:
    first = frames[0]
    warm = [one.temperature for one in frames if math.isfinite(one.temperature)]
    return FrameSet(
        tag=first.tag,
        name=name,
        mode=first.mode,
        read_out=first.read_out,
        ob_id=first.ob_id,
        frames=tuple(one.name for one in frames),
        mjd=fmean(one.mjd for one in frames),
        temperature=median(warm) if warm else math.nan,
    )


def _days(frames: Sequence[Exposure]) -> list[list[Exposure]]:
    """Frames in the order of time that follow each other within hours."""
    breaks = 0
    numbered = []
    for k, one in enumerate(frames):
        breaks += k > 0 and one.mjd - frames[k - 1].mjd > rules.GAP
        numbered.append((breaks, one))
    return [[one for _, one in series] for _, series in groupby(numbered, key=lambda pair: pair[0])]


def _fits(calibration: FrameSet, of: FrameSet, match: Collection[str]) -> bool:
    """Whether a calibration has in common with a set what it must have; what is not known fits."""
    return not any((a := getattr(calibration, name)) and (b := getattr(of, name)) and a != b for name in match)


@cache
def _minimum(tag: str) -> int:
    """Frames that a recipe needs."""
    return max(1, *(one.minimum for recipe in first_stage() for one in recipe.raws if one.name == tag))


@cache
def needed(tag: str, darks: bool = False) -> dict[str, tuple[str, ...]]:
    """Raw tags of calibrations of frames of a raw tag, and what they must have in common (as Input.match)."""
    return {raw: match for raw, (match, _) in _needs(tag, darks).items()}


@cache
def required(tag: str) -> tuple[str, ...]:
    """Raw tags without whose products frames of a raw tag cannot be reduced, or their product cannot be used."""
    return tuple(raw for raw, (_, must) in _needs(tag, False).items() if must)


@cache
def _needs(tag: str, darks: bool) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Raw tags, what they must have in common, and whether they have to be there; of all recipes for frames of a tag.

    The second-stage recipe that takes the pixel tables of a tag counts, too.
    """
    found: dict[str, tuple[tuple[str, ...], bool]] = {}
    for recipe in declared().values():
        if not recipe.in_night or not any(one.name in (tag, f"PIXTABLE_{tag}") for one in recipe.raws):
            continue
        for one in recipe.inputs:
            if one.left_out or one.asked_by or (one.on_demand and not darks):
                continue
            raws = (one.name,) if one.nearest == one.name else _raws_of(one.name)
            for raw in raws:
                if raw == tag or raw in GIVEN or raw not in TAGS:
                    continue
                match = one.match or rules.input_of(raw).match
                must = bool(one.minimum or one.needed) and len(raws) == 1
                old = found.get(raw, ((), False))
                found[raw] = tuple(dict.fromkeys((*old[0], *match))), must or old[1]
    return {raw: found[raw] for raw in TAGS if raw in found}


def _raws_of(category: str) -> tuple[str, ...]:
    """Raw tags of the frames that a product is made from."""
    if category not in makers():
        return ()
    recipe, _ = makers()[category]
    return tuple(one.name.removeprefix("PIXTABLE_") for one in recipe.raws)
