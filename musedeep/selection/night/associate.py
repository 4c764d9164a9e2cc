"""The sets-of-frames of a whole night, from files that are classified; the rules are those of rules.py."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from musedeep.declaration import Input, Recipe, Scope
from musedeep.errors import MusedeepError, nearest
from musedeep.graph.night.plan import FrameSet
from musedeep.recipes.registry import first_stage, makers, night_recipes, of_exposure
from musedeep.selection.dates import night_of
from musedeep.selection.night import rules
from musedeep.selection.night.classify import Frame
from musedeep.selection.night.rules import GAP

SCIENCE = ("OBJECT", "SKY")
CALIBRATORS = ("STD", "ASTROMETRY")
DAY_ZERO = datetime(1858, 11, 17)
"""Of the MJD."""

ON_SKY = (*SCIENCE, *CALIBRATORS, "SKYFLAT")


@dataclass(frozen=True)
class Wish:
    """What a user asks for.

    Attributes
    ----------
    reduced : directory where products are, or will be
    mode : INS MODE; empty: that of the science frames
    night : date of its evening, ISO; empty: the only one
    ifus : numbers; empty: all that the raw frames hold
    darks : make master darks and pass them to all recipes that take them
    parameters : given for a recipe, by name
    files : by tag, taken instead of what else would be found
    """

    reduced: Path
    mode: str = ""
    night: str = ""
    ifus: tuple[int, ...] = ()
    darks: bool = False
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass
class Night:
    """A night, associated.

    Attributes
    ----------
    sets : in the order in which their recipes run
    problems : sets that cannot be, one line for each cause
    notes : what was left out, one line each
    mode, night, read_out : that it was made for
    """

    sets: list[FrameSet] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    mode: str = ""
    night: str = ""
    read_out: str = ""

    def problem_lines(self, steps: Iterable[str] | None = None) -> list[str]:
        """A line for each cause, with the sets (of some steps) that it concerns."""
        lines = []
        for cause, names in self.problems.items():
            kept = [n for n in names if steps is None or n.partition("-")[0] in steps]
            if kept:
                lines.append(f"{cause}; left out: {', '.join(dict.fromkeys(kept))}")
        return lines


def associate(frames: Sequence[Frame], wish: Wish) -> Night:
    """The sets-of-frames of a night, of all files as `classify_files` gives them.

    Raises MusedeepError for no raw frames; several modes or nights, and none chosen; an IFU that no raw frame holds.
    """
    notes: list[str] = []
    raws = _raw_frames(frames, notes)
    if not raws:
        none = f"none of the {len(frames)} FITS files is a raw MUSE frame; `musedeep classify` says what they are"
        raise MusedeepError(notes[0] if notes else none)
    return _Association(raws, [f for f in frames if f.kind == "product"], wish, notes).run()


def _raw_frames(frames: Iterable[Frame], notes: list[str]) -> list[Frame]:
    """Raw frames in the order of time, which all have one; of a frame that is there twice, one; notes on others."""
    found: dict[tuple[str, str], Frame] = {}
    for frame in sorted((f for f in frames if f.kind == "raw"), key=lambda f: (len(f.path.name), str(f.path))):
        first = found.setdefault((frame.tag, frame.date or str(frame.path)), frame)
        # the same file in another directory, or compressed, needs no words
        if first.stem != frame.stem:
            notes.append(f"{frame.path}: same tag and DATE-OBS as {first.path}: left out")
    timed = [one for frame in found.values() if (one := _timed(frame, notes)) is not None]
    return sorted(timed, key=lambda f: (f.mjd, str(f.path)))


def _timed(frame: Frame, notes: list[str]) -> Frame | None:
    """The frame with the time at which it began, from MJD-OBS or else from DATE-OBS; None if it is not known."""
    try:
        date = (datetime.fromisoformat(frame.date).replace(tzinfo=None) - DAY_ZERO) / timedelta(days=1)
    except ValueError:
        date = math.nan
    dated, timed = (rules.FIRST_LIGHT <= mjd < rules.END for mjd in (date, frame.mjd))
    said = "no number" if math.isnan(frame.mjd) else f"{frame.mjd:g}"
    if not timed and not dated:
        notes.append(
            f"{frame.path}: MJD-OBS is {said}, DATE-OBS is {frame.date or 'missing'}: "
            "when it was taken is not known, left out"
        )
        return None
    if not timed:
        notes.append(f"{frame.path}: MJD-OBS is {said}; its DATE-OBS {frame.date} is used")
        return replace(frame, mjd=date)
    if dated and abs(date - frame.mjd) > rules.SAME_TIME:
        notes.append(
            f"{frame.path}: MJD-OBS {frame.mjd:.5f} and DATE-OBS {frame.date} are {abs(date - frame.mjd):.2g} days "
            "apart: left out"
        )
        return None
    return frame


class _Association:
    """The work of `associate`."""

    def __init__(self, raws: list[Frame], products: list[Frame], wish: Wish, notes: list[str]) -> None:
        self.raws, self.products, self.wish = raws, products, wish
        self.night = Night(notes=notes)
        self.made: dict[str, list[FrameSet]] = {}
        self.why: dict[str, str] = {}
        self.tables: dict[str, list[list[str]]] = {}

    def run(self) -> Night:
        night = self.night
        night.mode = self._choose_mode()
        science = self._science()
        night.read_out = Counter(f.read_out for f in science).most_common(1)[0][0]
        self.mode, self.read_out = night.mode, night.read_out
        self.field = night.mode.partition("-")[0]
        self.reference = sum(f.mjd for f in science) / len(science)
        chosen = {tag: self._frames_of(tag) for tag in dict.fromkeys(f.tag for f in self.raws)}
        held = sorted({ifu for found in chosen.values() for f in found for ifu in f.ifus})
        missing = [ifu for ifu in self.wish.ifus if ifu not in held]
        if missing:
            raise MusedeepError(f"IFU {missing[0]}: no raw frame holds it; there are {', '.join(map(str, held))}")
        self.ifus = [ifu for ifu in held if not self.wish.ifus or ifu in self.wish.ifus]
        if chosen.get("DARK") and not self.wish.darks:
            night.notes.append(
                f"{len(chosen['DARK'])} DARK are not used; --darks makes master darks and subtracts them"
            )
        first = first_stage()
        for recipe in first:
            if self.wish.darks or not any(rules.input_of(product.category).on_demand for product in recipe.products):
                for raws in [(one,) for one in recipe.raws] if recipe.apart else [recipe.raws]:
                    self._first(recipe, raws, chosen)
        for recipe in night_recipes():
            if recipe not in first:
                self._second(recipe)
        return night

    # what the night is

    def _choose_mode(self) -> str:
        """The instrument mode: as wished, or the only one of the science frames (else of the others)."""
        any_raw = tuple(one.name for recipe in first_stage() for one in recipe.raws)
        for tags in (SCIENCE, CALIBRATORS, ("SKYFLAT",), ("FLAT", "ARC", "ILLUM", "MASK"), any_raw):
            modes = Counter(f.mode for f in self.raws if f.tag in tags and f.mode)
            if not modes:
                continue
            if self.wish.mode:
                break
            if len(modes) > 1:
                found = ", ".join(f"{mode} ({n})" for mode, n in modes.most_common())
                raise MusedeepError(f"mixed modes of {'/'.join(tags)} frames: {found}; choose one with --mode")
            return next(iter(modes))
        known = sorted({f.mode for f in self.raws if f.mode})
        if self.wish.mode and self.wish.mode not in known:
            near = nearest(self.wish.mode, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}"
            raise MusedeepError(f"no raw frame of mode {self.wish.mode}; {hint}")
        return self.wish.mode

    def _science(self) -> list[Frame]:
        """The frames around which the night is built, which are of one night."""
        for tags in (SCIENCE, CALIBRATORS, ("SKYFLAT",)):
            found = [f for f in self.raws if f.tag in tags and f.mode in ("", self.night.mode)]
            if not found:
                continue
            nights = sorted({night_of(f.mjd) for f in found})
            if self.wish.night:
                if self.wish.night not in nights:
                    raise MusedeepError(f"no exposure of the night {self.wish.night}; there are {', '.join(nights)}")
            elif len(nights) > 1:
                raise MusedeepError(f"exposures of {len(nights)} nights ({', '.join(nights)}); choose one with --night")
            self.night.night = self.wish.night or nights[0]
            return [f for f in found if night_of(f.mjd) == self.night.night]
        # calibrations alone: those of the last day
        last = max(self.raws, key=lambda f: f.mjd)
        return [f for f in self.raws if f.tag == last.tag and last.mjd - f.mjd < 0.5]

    def _matches(self, frame: Frame, tag: str) -> bool:
        """Whether a file has what its tag must have in common with the science frames."""
        for name in rules.input_of(tag).match:
            has, wanted = getattr(frame, name), getattr(self, name)
            if name == "field" and not has:
                # the distributed files say it in their names
                has = next((f for f in ("WFM", "NFM") if f"_{f.lower()}" in frame.stem.lower()), "")
            if has and wanted and has != wanted:
                return False
        return True

    def _frames_of(self, tag: str) -> list[Frame]:
        """Raw frames of a tag that belong to the night."""
        found = [f for f in self.raws if f.tag == tag]
        kept = [f for f in found if self._matches(f, tag)]
        if len(kept) < len(found):
            others = [f.path.name for f in found if f not in kept]
            named = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
            self.night.notes.append(
                f"{len(others)} {tag} of another mode or read-out than {self.mode} {self.read_out}: left out ({named})"
            )
        if tag == "ILLUM" or not kept:
            return kept
        if tag in ON_SKY:
            nights = {night_of(f.mjd) for f in kept}
            if tag in SCIENCE or self.night.night in nights:
                return [f for f in kept if night_of(f.mjd) == self.night.night]
        groups = _days(kept)
        needed = min((one.minimum for recipe in first_stage() for one in recipe.raws if one.name == tag), default=1)
        enough = [g for g in groups if len(g) >= max(needed, rules.SERIES)] or groups
        return min(enough, key=lambda g: abs(sum(f.mjd for f in g) / len(g) - self.reference))

    # the sets of raw frames

    def _first(self, recipe: Recipe[Any], kinds: Sequence[Input], chosen: dict[str, list[Frame]]) -> None:
        """The sets of a recipe on raw frames; of several tags the first of which there are enough frames is taken."""
        minimum = max(1, *(one.minimum for one in kinds))
        series = max(minimum, rules.SERIES)
        tag = next((one.name for one in kinds if len(chosen.get(one.name, ())) >= series), kinds[-1].name)
        raws = chosen.get(tag, [])
        base = f"{recipe.step}-{tag}" if recipe.apart else recipe.step
        if len(raws) < minimum:
            mode = "" if rules.input_of(tag).match == ("read_out",) else f" of mode {self.mode}"
            read_out = f" with read-out {self.read_out}" if self.read_out else ""
            text = f"{len(raws) or 'no'} {tag}{mode}{read_out}, {recipe.name} needs {minimum}; add them"
            self.why[recipe.step] = text
            if raws:
                self._problem(text, base)
            return
        groups = self._by_illumination(recipe, raws, chosen.get("ILLUM", []))
        for k, (group, lamp) in enumerate(groups, 1):
            name = base if k == 1 else f"{base}.{k}"
            directory = recipe.directory if k == 1 else name
            own = [(str(f.path), f.tag) for f in group] + [(str(f.path), "ILLUM") for f in lamp]
            # the twilight sky is smooth, so that an image of it shows what is wrong with a geometry (manual 9.6)
            for one in recipe.inputs:
                if one.nearest != one.name and (others := chosen.get(one.nearest)):
                    middle = sum(f.mjd for f in group) / len(group)
                    own.append((str(min(others, key=lambda f: abs(f.mjd - middle)).path), one.name))
            if recipe.scope is Scope.IFU:
                ifus = [ifu for ifu in self.ifus if any(ifu in f.ifus for f in group)]
                added = [self._add(recipe, f"{name}-{ifu:02d}", own, [ifu], directory, len(group)) for ifu in ifus]
                if recipe.apart:
                    rows = [[one[i] for one in added if one] for i in range(len(group))]
                    self.tables.setdefault(f"PIXTABLE_{tag}", []).extend(row for row in rows if row)
            else:
                self._add(recipe, name, own, self.ifus, directory, 0)

    def _by_illumination(
        self, recipe: Recipe[Any], raws: list[Frame], lamps: list[Frame]
    ) -> list[tuple[list[Frame], list[Frame]]]:
        """Exposures with their ILLUM: a recipe takes one, so that each ILLUM makes a set of its own."""
        if not lamps or not any(one.nearest == one.name for one in recipe.inputs):
            return [(raws, [])]
        if recipe.scope is not Scope.IFU:
            middle = sum(f.mjd for f in raws) / len(raws)
            warm = [f.temperature for f in raws if not math.isnan(f.temperature)]
            return [(raws, [_nearest_lamp(lamps, middle, sum(warm) / len(warm) if warm else math.nan)])]
        groups: dict[Path, tuple[list[Frame], list[Frame]]] = {}
        for frame in raws:
            lamp = _nearest_lamp(lamps, frame.mjd, frame.temperature)
            groups.setdefault(lamp.path, ([], [lamp]))[0].append(frame)
        return list(groups.values())

    def _add(
        self,
        recipe: Recipe[Any],
        name: str,
        own: list[tuple[str, str]],
        ifus: list[int],
        directory: str,
        exposures: int,
        exposure: int = 0,
    ) -> list[str]:
        """Add a set if all it needs is there; returns its pixel tables."""
        frames = list(own)
        for one in recipe.inputs:
            tag = one.name
            if one.raw or one.nearest or not self._passed(one, recipe):
                continue
            if not rules.is_given(tag, self.mode):
                continue
            found = self._calibration(tag, recipe, ifus)
            if not found and (one.minimum or one.needed or one.asked_by):
                self._problem(self._missing(tag), name)
                self.why[recipe.step] = self._missing(tag)
                return []
            frames += [(path, tag) for path in found]
        at = self.wish.reduced / directory if directory else self.wish.reduced
        raw = own[0][1]
        if recipe.apart:
            products = [str(at / f"PIXTABLE_{raw}_{k:04d}-{ifus[0]:02d}.fits") for k in range(1, exposures + 1)]
        elif exposure:
            products = [str(self.wish.reduced / of_exposure(tag, exposure)) for tag in _combined_from(recipe)]
        else:
            products = [
                path for tag, (maker, _) in makers().items() if maker is recipe for path in self._paths(tag, ifus)
            ]
        ifu = ifus[0] if recipe.scope is Scope.IFU else 0
        chosen = tuple(ifus) if self.wish.ifus and not ifu else ()
        new = FrameSet(
            name, recipe.step, recipe.name, ifu, tuple(frames), tuple(products), directory, exposure, ifus=chosen
        )
        self.night.sets.append(new)
        self.made.setdefault(recipe.step, []).append(new)
        return products

    # calibrations

    def _passed(self, one: Input, recipe: Recipe[Any]) -> bool:
        """Whether a recipe is to get files of an input."""
        if one.name in self.wish.files:
            return True
        given = self.wish.parameters.get(recipe.name, {})
        settings = {p.name: given.get(p.name, p.default) for p in recipe.parameters} if one.asked_by else {}
        asked = all(settings[name] == value for name, value in one.asked_by.items())
        return asked and not one.left_out and (self.wish.darks or not one.on_demand)

    def _paths(self, tag: str, ifus: Iterable[int]) -> list[str]:
        """Where a product will be."""
        maker, product = makers()[tag]
        names = [product.stem(ifu) for ifu in ifus] if product.per_ifu else [product.stem(0)]
        return [str(self.wish.reduced / maker.directory / f"{name}.fits") for name in names]

    def _calibration(self, tag: str, recipe: Recipe[Any], ifus: list[int]) -> list[str]:
        """Files of a tag: as wished, products of the night, or those that the directories hold."""
        if tag in self.wish.files:
            return [str(self.wish.files[tag])]
        maker, product = makers().get(tag, (None, None))
        own = maker is not None and maker.step in self.made and maker is not recipe
        if maker is not None and own and tag not in rules.GIVEN_FIRST:
            there = {path for one in self.made[maker.step] for path in one.products}
            return [path for path in self._paths(tag, ifus) if path in there]
        if product.per_ifu if product is not None else rules.input_of(tag).each_ifu:
            files = dict.fromkeys(f for ifu in ifus if (f := self._given(tag, ifu)))
        else:
            files = dict.fromkeys([f] if (f := self._given(tag)) else [])
        return list(files) or (self._paths(tag, ifus) if own else [])

    def _given(self, tag: str, ifu: int | None = None) -> str:
        """The file of a tag that matches, is valid, and nearest in time; empty if there is none."""
        found = [
            f
            for f in self.products
            if f.tag == tag
            and (ifu is None or ifu in f.ifus or (rules.input_of(tag).each_ifu and not f.ifus))
            and self._matches(f, tag)
            and _valid(f, self.night.night or night_of(self.reference))
        ]
        undated = 0.0 if tag in rules.UNDATED_FIRST else math.inf
        best = min(
            found, key=lambda f: undated if math.isnan(f.mjd) else 1e-9 + abs(f.mjd - self.reference), default=None
        )
        return str(best.path) if best else ""

    def _missing(self, tag: str) -> str:
        """Why there is no file of a tag: the first cause."""
        maker, _ = makers().get(tag, (None, None))
        if maker is not None and maker.step in self.why and tag not in rules.GIVEN_FIRST:
            return self.why[maker.step]
        if any(f.tag == tag for f in self.products):
            return f"no {tag} that matches {self.mode} {self.read_out} on {self.night.night}; add its directory"
        return f"no {tag}; add a directory that has one (`musedeep statics` makes static calibrations)"

    def _problem(self, cause: str, name: str) -> None:
        self.night.problems.setdefault(cause, []).append(name)

    # the sets of pixel tables

    def _second(self, recipe: Recipe[Any]) -> None:
        """The sets of a recipe on pixel tables or images of exposures; one of single exposures has one for each."""
        raw = recipe.raws[0]
        exposures = self.tables.get(raw.name, [])
        if recipe.scope is Scope.EXPOSURE:
            for k, paths in enumerate(exposures, 1):
                name = f"{recipe.step}-{k}"
                self._add(recipe, name, [(path, raw.name) for path in paths], self.ifus, name, 0, k)
            return
        paths = [path for exposure in exposures for path in exposure]
        if recipe.scope is Scope.EXPOSURES:
            there = [one.exposure for sets in self.made.values() for one in sets if one.exposure]
            paths = [str(self.wish.reduced / of_exposure(raw.name, k)) for k in there]
        if len(paths) >= raw.minimum:
            self._add(recipe, recipe.step, [(path, raw.name) for path in paths], self.ifus, recipe.directory, 0)


def _combined_from(recipe: Recipe[Any]) -> list[str]:
    """Products of a recipe on single exposures that recipes on several exposures take."""
    taken = {one.name for other in night_recipes() if other.scope is Scope.EXPOSURES for one in other.inputs if one.raw}
    return [tag for tag in sorted(taken) if any(product.category == tag for product in recipe.products)]


def _days(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames (in the order of time) that follow each other within GAP."""
    groups: list[list[Frame]] = []
    for frame in frames:
        if groups and not frame.mjd - groups[-1][-1].mjd > GAP:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    return groups


def _nearest_lamp(lamps: Sequence[Frame], mjd: float, temperature: float) -> Frame:
    """The ILLUM nearest in time and temperature."""

    def distance(lamp: Frame) -> float:
        warmer = lamp.temperature - temperature
        return abs(lamp.mjd - mjd) / rules.HOUR + (0.0 if math.isnan(warmer) else abs(warmer) / rules.TEMPERATURE_STEP)

    return min(lamps, key=distance)


def _valid(frame: Frame, night: str) -> bool:
    """Whether a static calibration is valid for a night; one that no rule names is."""
    for one in rules.VALIDITIES:
        if frame.tag == one.tag and fnmatch(frame.stem.lower(), one.pattern):
            return not (night and ((one.since and night < one.since) or (one.until and night >= one.until)))
    return True
