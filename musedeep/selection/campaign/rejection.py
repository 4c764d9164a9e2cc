"""Which exposures of a group enter a deep cube, by the rules of the release description of MUSE-DEEP, and why not.

1. Modes: wide field, with or without adaptive optics, nominal or extended range. Others are rejected.
2. A list of bad exposures (guiding, derotator), given by the user, rejects.
3. Comments of the night log: an abort because of the derotator or of an increasing background rejects; other words
   that tell of problems hold the exposure for a decision, with the sentence.
4. Seeing: rejected if measured at least `seeing_factor` times what was requested (2 by default: "factor 2 or so").
   Without a request (visitor mode) the median of the group takes its place, which is a rule of musedeep.
5. Twilight and first night: held if the Sun was above a limit, or if the exposure is earlier than a date; both are off
   by default and of musedeep.
6. Grades: A and B enter. C enters if a mild violation of the seeing is the only cause, and is held otherwise. D is
   held. X and none say nothing.
7. An exposure much shorter than the others of its template, or else of its group, has been cut short: held. This is off
   by default and of musedeep.
8. Transparency and background never reject.

A rejection carries rule, numbers, text and who has decided; a person's decision goes before all rules.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from musedeep.selection.campaign.ephemeris import sun_altitudes
from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.catalogue.night_log import written_number

KEEP, REJECT, HOLD = "keep", "reject", "hold"

MODES: Final = ("WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E")

REJECTED_COMMENTS: Final = (
    r"abort\w*[^.;]*\b(derotator|increas\w* (of |in )?(the )?(sky )?background|background)",
    r"\bderotator\b[^.;]*\b(fail|problem|issue|error|stuck|lost)",
)
HELD_COMMENTS: Final = (
    r"\babort", r"\bguid\w+[^.;]*\b(problem|lost|fail|error|jump)", r"\blost\b", r"\bproblem", r"\bwrong\b", r"\bfail",
    r"\bdrift", r"\bvignett", r"\belongat", r"\btwilight\b",
)  # fmt: skip
_SENTENCE: Final = re.compile(r"[^.;\n]+[.;]?")


@dataclass(frozen=True)
class Rules:
    """Numbers and words of the rules; the defaults are those of the release description, where it has any.

    Attributes
    ----------
    modes : allowed instrument modes
    seeing_factor : measured over requested seeing, from which an exposure is rejected
    shortest : exposures shorter than this part of their nominal time are held; 0: none
    sun_altitude : exposures with the Sun higher than this are held [deg]; None: none
    first_night : exposures of earlier nights are held, ISO date; empty: none
    bad : names of exposures to reject, with the reason
    rejected_comments, held_comments : regular expressions, case does not matter
    """

    modes: tuple[str, ...] = MODES
    seeing_factor: float = 2.0
    shortest: float = 0.0
    sun_altitude: float | None = None
    first_night: str = ""
    bad: Mapping[str, str] | None = None
    rejected_comments: tuple[str, ...] = REJECTED_COMMENTS
    held_comments: tuple[str, ...] = HELD_COMMENTS


@dataclass(frozen=True)
class Decision:
    """What becomes of an exposure.

    Attributes
    ----------
    what : keep, reject, or hold for a person
    rule : that decided; empty if none had anything against it
    text : numbers and words
    by : "rule", or the name of a person
    date : of the decision, ISO; empty if it is not known
    """

    what: str = KEEP
    rule: str = ""
    text: str = ""
    by: str = "rule"
    date: str = ""


def decide(group: Sequence[Candidate], rules: Rules) -> list[Decision]:
    """Decisions on the exposures of a group, in their order."""
    seeings = [one.measured_seeing for one in group if math.isfinite(one.measured_seeing)]
    usual = median(seeings) if seeings else math.nan
    times = _nominal_times(group)
    suns = [math.nan] * len(group)
    if rules.sun_altitude is not None:
        ends = [one.exposure.mjd + max(one.exposure.exposure_time, 0.0) / 86400.0 for one in group]
        altitudes = sun_altitudes([*(one.exposure.mjd for one in group), *ends])
        suns = [max(pair) for pair in zip(altitudes[: len(group)], altitudes[len(group) :], strict=True)]
    return [_decide(one, rules, usual, time, sun) for one, time, sun in zip(group, times, suns, strict=True)]


def _nominal_times(group: Sequence[Candidate]) -> list[tuple[float, str]]:
    """Exposure time that an exposure should have had [s], and where it is from: its template, else its group."""
    templates: dict[str, list[float]] = {}
    for one in group:
        if one.exposure.exposure_time > 0:
            templates.setdefault(one.exposure.template_start, []).append(one.exposure.exposure_time)
    every = [seconds for times in templates.values() for seconds in times]
    usual = median(every) if every else math.nan
    found = []
    for one in group:
        start = one.exposure.template_start
        own = templates.get(start, []) if start else []
        found.append((max(own), "longest of its template") if len(own) > 1 else (usual, "median of the group"))
    return found


def _decide(one: Candidate, rules: Rules, usual: float, nominal: tuple[float, str], sun: float) -> Decision:
    if one.exposure.mode not in rules.modes:
        return Decision(REJECT, "mode", f"mode {one.exposure.mode or 'unknown'}; allowed are {', '.join(rules.modes)}")
    if rules.bad and (why := rules.bad.get(one.name)) is not None:
        return Decision(REJECT, "list", why or "in the list of bad exposures")
    if said := _sentence(one.comments, rules.rejected_comments):
        return Decision(REJECT, "comment", said)
    if seeing := _seeing(one, rules.seeing_factor, usual):
        return seeing
    if rules.first_night and one.exposure.night < rules.first_night:
        return Decision(HOLD, "first night", f"night {one.exposure.night}, before {rules.first_night}")
    if rules.sun_altitude is not None and sun > rules.sun_altitude:
        return Decision(HOLD, "twilight", f"Sun at {sun:.1f} degrees, allowed is {rules.sun_altitude:g}")
    if said := _sentence(one.comments, rules.held_comments):
        return Decision(HOLD, "comment", said)
    if grade := _grade(one, rules.seeing_factor):
        return grade
    seconds, which = nominal
    if one.exposure.exposure_time < rules.shortest * seconds:
        text = f"{one.exposure.exposure_time:g} s, {which} is {seconds:g} s"
        return Decision(HOLD, "exposure time", text)
    return Decision()


def _seeing(one: Candidate, factor: float, usual: float) -> Decision | None:
    """A rejection for bad seeing; None if it is good enough or not known."""
    measured, asked = one.measured_seeing, one.requested_seeing
    requested = math.isfinite(asked) and asked > 0
    limit = asked if requested else usual
    if not measured >= factor * limit:
        return None
    what = "requested" if requested else "median of the group, no request known"
    return Decision(
        REJECT, "seeing", f"{measured:.2f} arcsec measured, {limit:.2f} {what}: {measured / limit:.1f} times"
    )


def _grade(one: Candidate, factor: float) -> Decision | None:
    """What a grade C or D means; None if it means nothing."""
    if one.grade == "D":
        return Decision(HOLD, "grade", "grade D: out of constraints, not repeated" + _quoted(one.comments))
    if one.grade != "C":
        return None
    others = [
        name for name, (reached, asked) in one.constraints.items() if name != "Seeing" and _violated(reached, asked)
    ]
    if not others and one.measured_seeing < factor * one.requested_seeing:
        return None
    cause = f"violated: {', '.join(others)}" if others else "its cause is not in the log"
    return Decision(HOLD, "grade", f"grade C, {cause}" + _quoted(one.comments))


def _violated(reached: str, asked: str) -> bool:
    """Whether a log says that a constraint was not fulfilled."""
    if reached.strip().upper() in ("NO", "N", "FALSE"):
        return True
    got, wanted = written_number(reached), written_number(asked)
    return got > wanted if math.isfinite(got) and math.isfinite(wanted) else False


def _quoted(comments: str) -> str:
    return f'; "{comments}"' if comments else ""


def _sentence(comments: str, patterns: Sequence[str]) -> str:
    """The first sentence of comments in which one of the patterns is found, quoted; empty if there is none."""
    for sentence in _SENTENCE.findall(comments):
        if any(re.search(pattern, sentence, re.IGNORECASE) for pattern in patterns):
            return f'"{sentence.strip()}"'
    return ""
