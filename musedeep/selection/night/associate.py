"""The sets-of-frames of a whole night, from files that are classified; the rules are those of rules.py."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path

from astropy.time import Time

from musedeep.errors import MusedeepError, nearest
from musedeep.graph.night.plan import FrameSet
from musedeep.selection.night import rules
from musedeep.selection.night.classify import Frame
from musedeep.selection.night.rules import FIRST_STAGE, GAP, MADE, SECOND_STAGE, SetRule

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
    """

    reduced: Path
    mode: str = ""
    night: str = ""
    ifus: tuple[int, ...] = ()
    darks: bool = False


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
    """The sets-of-frames of a night.

    Parameters
    ----------
    frames : all files, as `classify_files` gives them
    wish : Wish

    Raises
    ------
    MusedeepError
        No raw frames; several modes or nights, and none chosen; an IFU that no raw frame holds.
    """
    notes: list[str] = []
    raws = _raw_frames(frames, notes)
    if not raws:
        raise MusedeepError(
            notes[0]
            if notes
            else f"none of the {len(frames)} FITS files is a raw MUSE frame; `musedeep classify` says what they are"
        )
    return _Association(raws, [f for f in frames if f.kind == "product"], wish, notes).run()


def night_of(mjd: float) -> str:
    """Date of the evening of the night, noon to noon on Paranal; empty if there is no time."""
    return "" if math.isnan(mjd) else str(Time(math.floor(mjd - rules.NOON), format="mjd").isot)[:10]


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
        for rule in FIRST_STAGE:
            if self.wish.darks or rule.step != rules.ON_DEMAND_STEP:
                self._first(rule, chosen)
        for rule in SECOND_STAGE:
            self._second(rule)
        return night

    # what the night is

    def _choose_mode(self) -> str:
        """The instrument mode: as wished, or the only one of the science frames (else of the others)."""
        for tags in (SCIENCE, CALIBRATORS, ("SKYFLAT",), ("FLAT", "ARC", "ILLUM", "MASK"), tuple(_RAW_ORDER)):
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
        for name in rules.MATCH.get(tag, rules.MATCH_ELSE):
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
        minimum = min((r.minimum for r in FIRST_STAGE if tag in r.raws), default=1)
        enough = [g for g in groups if len(g) >= max(minimum, rules.SERIES)] or groups
        return min(enough, key=lambda g: abs(sum(f.mjd for f in g) / len(g) - self.reference))

    # the sets of raw frames

    def _first(self, rule: SetRule, chosen: dict[str, list[Frame]]) -> None:
        series = max(rule.minimum, rules.SERIES)
        tag = next((t for t in rule.raws if len(chosen.get(t, ())) >= series), rule.raws[-1])
        raws = chosen.get(tag, [])
        if len(raws) < rule.minimum:
            mode = "" if rules.MATCH.get(tag) == ("read_out",) else f" of mode {self.mode}"
            read_out = f" with read-out {self.read_out}" if self.read_out else ""
            text = f"{len(raws) or 'no'} {tag}{mode}{read_out}, {rule.recipe} needs {rule.minimum}; add them"
            self.why[rule.name] = text
            if raws:
                self._problem(text, rule.name)
            return
        groups = self._by_illumination(rule, raws, chosen.get("ILLUM", []))
        for k, (group, lamp) in enumerate(groups, 1):
            name = rule.name if k == 1 else f"{rule.name}.{k}"
            directory = rule.directory if k == 1 else name
            own = [(str(f.path), f.tag) for f in group] + [(str(f.path), "ILLUM") for f in lamp]
            # the twilight sky is smooth, so that an image of it shows what is wrong with a geometry (manual 9.6)
            if smooth := chosen.get(rule.checked_by):
                middle = sum(f.mjd for f in group) / len(group)
                own.append((str(min(smooth, key=lambda f: abs(f.mjd - middle)).path), "MASK_CHECK"))
            if rule.per_ifu:
                ifus = [ifu for ifu in self.ifus if any(ifu in f.ifus for f in group)]
                added = [self._add(rule, f"{name}-{ifu:02d}", own, [ifu], directory, len(group)) for ifu in ifus]
                if rule.step == "scibasic":
                    rows = [[one[i] for one in added if one] for i in range(len(group))]
                    self.tables.setdefault(f"PIXTABLE_{tag}", []).extend(row for row in rows if row)
            else:
                self._add(rule, name, own, self.ifus, directory, 0)

    def _by_illumination(
        self, rule: SetRule, raws: list[Frame], lamps: list[Frame]
    ) -> list[tuple[list[Frame], list[Frame]]]:
        """Exposures with their ILLUM: a recipe takes one, so that each ILLUM makes a set of its own."""
        if not rule.illuminated or not lamps:
            return [(raws, [])]
        if not rule.per_ifu:
            middle = sum(f.mjd for f in raws) / len(raws)
            warm = [f.temperature for f in raws if not math.isnan(f.temperature)]
            return [(raws, [_nearest_lamp(lamps, middle, sum(warm) / len(warm) if warm else math.nan)])]
        groups: dict[Path, tuple[list[Frame], list[Frame]]] = {}
        for frame in raws:
            lamp = _nearest_lamp(lamps, frame.mjd, frame.temperature)
            groups.setdefault(lamp.path, ([], [lamp]))[0].append(frame)
        return list(groups.values())

    def _add(
        self, rule: SetRule, name: str, own: list[tuple[str, str]], ifus: list[int], directory: str, exposures: int
    ) -> list[str]:
        """Add a set if all it needs is there; returns its pixel tables."""
        frames = list(own)
        for word in rule.inputs:
            tag = word.lstrip("?")
            if tag == rules.ON_DEMAND and not self.wish.darks:
                continue
            found = self._calibration(tag, rule, ifus)
            if not found and not word.startswith("?"):
                self._problem(self._missing(tag), name)
                self.why[rule.name] = self._missing(tag)
                return []
            frames += [(path, tag) for path in found]
        at = self.wish.reduced / directory if directory else self.wish.reduced
        raw = own[0][1]
        if rule.step == "scibasic":
            products = [str(at / f"PIXTABLE_{raw}_{k:04d}-{ifus[0]:02d}.fits") for k in range(1, exposures + 1)]
        else:
            products = [path for tag, made in MADE.items() if made.by == rule.name for path in self._paths(tag, ifus)]
        one = FrameSet(
            name, rule.step, rule.recipe, ifus[0] if rule.per_ifu else 0, tuple(frames), tuple(products), directory
        )
        self.night.sets.append(one)
        self.made.setdefault(rule.name, []).append(one)
        return products

    # calibrations

    def _paths(self, tag: str, ifus: Iterable[int]) -> list[str]:
        """Where a product will be."""
        made = MADE[tag]
        names = [f"{made.name}-{ifu:02d}" for ifu in ifus] if made.per_ifu else [made.name]
        return [str(self.wish.reduced / f"{name}.fits") for name in names]

    def _calibration(self, tag: str, rule: SetRule, ifus: list[int]) -> list[str]:
        """Files of a tag: products of the night, or those that the directories hold."""
        made = MADE.get(tag)
        own = made is not None and made.by in self.made and made.by != rule.name
        if own and tag not in rules.GIVEN_FIRST:
            there = {path for one in self.made[MADE[tag].by] for path in one.products}
            return [path for path in self._paths(tag, ifus) if path in there]
        if made.per_ifu if made is not None else tag in rules.ONE_PER_IFU:
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
            and (ifu is None or ifu in f.ifus or (tag in rules.ONE_PER_IFU and not f.ifus))
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
        made = MADE.get(tag)
        if made is not None and made.by in self.why and tag not in rules.GIVEN_FIRST:
            return self.why[made.by]
        if any(f.tag == tag for f in self.products):
            return f"no {tag} that matches {self.mode} {self.read_out} on {self.night.night}; add its directory"
        return f"no {tag}; add a directory that has one (`musedeep statics` makes static calibrations)"

    def _problem(self, cause: str, name: str) -> None:
        self.night.problems.setdefault(cause, []).append(name)

    # the sets of pixel tables

    def _second(self, rule: SetRule) -> None:
        reduced = self.wish.reduced
        objects = self.tables.get("PIXTABLE_OBJECT", [])
        if rule.name == "scipost":
            for k, paths in enumerate(objects, 1):
                self._add(rule, f"scipost-{k}", [(p, rule.raws[0]) for p in paths], self.ifus, f"scipost-{k}", 0)
            return
        names = {"exp_align": "IMAGE_FOV_0001", "exp_combine": "PIXTABLE_REDUCED_0001"}
        if rule.name in names:
            paths = [str(reduced / f"scipost-{k}" / f"{names[rule.name]}.fits") for k in range(1, len(objects) + 1)]
        else:
            paths = [path for exposure in self.tables.get(rule.raws[0], []) for path in exposure]
        if len(paths) >= rule.minimum:
            self._add(rule, rule.name, [(p, rule.raws[0]) for p in paths], self.ifus, rule.directory, 0)


_RAW_ORDER = tuple(tag for rule in FIRST_STAGE for tag in rule.raws)


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
