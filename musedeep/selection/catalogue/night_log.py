"""Night logs, which the archive gives with each raw frame (`MUSE.<date>.NL.txt`): weather, OB, constraints, grade.

A log is text for people. Its sections are told by the words with which their lines begin, so that lines which somebody
has added ("New update at 03:20 ...") do no harm. Parts that a log need not have stay empty. One without an OB, a
grade or its table of files has been cut off.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.exposure import archive_name

SUFFIX: Final = ".NL.txt"
RULER: Final = "-----"
NOT_SAID: Final = ("", "-", "n/a", "No comments")

_WEATHER: Final = re.compile(r"(\d\d:\d\d)\t([^\t]*)\t?(.*)")
_FACT: Final = re.compile(r"(OB|Instrument|Name|Target|Run|Container|OBS\.ID|OBS\.START|Template|Mode):(.*)")
_CONSTRAINT: Final = re.compile(r"([^\t:]+):[ ]*\t+[ ]*([^\t]*)(?:\t+[ ]*([^\t]*))?\s*$")


@dataclass(frozen=True)
class Constraint:
    """One constraint of an OB, as the log says it; empty if it says nothing.

    Attributes
    ----------
    name : as Seeing, Sky transparency, Airmass, FLI, Moon distance, Twilight
    fulfilled : what was reached, or whether
    requested : what the OB asks
    """

    name: str
    fulfilled: str
    requested: str


@dataclass(frozen=True)
class LoggedFile:
    """A line of the table of files: its name in the archive, airmass, and seeing of the site monitor [arcsec]."""

    name: str
    airmass: float
    seeing: float


@dataclass(frozen=True)
class NightLog:
    """What a night log says of one execution of an OB.

    Attributes
    ----------
    ob_id, ob_name, ob_start, target, run, container : as in the log; container is empty for none
    comments : on the OB and its execution, one text
    grade : A to D, X, or empty if none was given
    constraints : in the order of the log
    weather : (time, conditions, comment) of the night, in the order of the log
    files : of the template
    """

    ob_id: str
    ob_name: str
    ob_start: str
    target: str
    run: str
    container: str
    comments: str
    grade: str
    constraints: tuple[Constraint, ...]
    weather: tuple[tuple[str, str, str], ...]
    files: tuple[LoggedFile, ...]

    def requested(self, name: str) -> float:
        """What the OB asks of a constraint that is a number; NaN if it asks nothing."""
        return next((written_number(one.requested) for one in self.constraints if one.name == name), math.nan)


def read_night_log(path: Path) -> NightLog:
    """Read a night log.

    Raises MusedeepError for a file that cannot be read, is no night log, or ends before its table of files.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise MusedeepError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    facts: dict[str, str] = {}
    for line in lines:
        if found := _FACT.match(line):
            facts.setdefault(found[1], found[2].strip())
    if "OB" not in facts:
        raise MusedeepError(f"{path}: no line 'OB:'; give a night log of the archive (MUSE.<date>{SUFFIX})")
    constraints, grade = _constraints(lines)
    files = _files(lines)
    missing = "grade" if grade is None else "table of files" if files is None else ""
    if missing:
        raise MusedeepError(f"{path}: has no {missing}, so it has been cut off; download it again")
    assert grade is not None and files is not None
    return NightLog(
        ob_id=facts.get("OBS.ID") or facts["OB"],
        ob_name=facts.get("Name", ""),
        ob_start=facts.get("OBS.START", ""),
        target=facts.get("Target", ""),
        run=facts.get("Run", ""),
        container="" if facts.get("Container", "0") == "0" else facts["Container"],
        comments=_comments(lines),
        grade=grade,
        constraints=constraints,
        weather=_weather(lines),
        files=files,
    )


def _section(lines: list[str], start: str) -> list[str]:
    """Lines after one that begins so, up to the next ruler."""
    at = next((k for k, line in enumerate(lines) if line.startswith(start)), len(lines))
    rest = lines[at + 1 :]
    end = next((k for k, line in enumerate(rest) if line.startswith(RULER)), len(rest))
    return rest[:end]


def _weather(lines: list[str]) -> tuple[tuple[str, str, str], ...]:
    found: list[tuple[str, str, str]] = []
    for line in _section(lines, "Weather observations:"):
        if said := _WEATHER.match(line):
            found.append((said[1], said[2].strip(), said[3].strip()))
        elif line.strip() and not line.startswith("Time") and found:
            time, conditions, comment = found[-1]
            found[-1] = time, conditions, f"{comment} {line.strip()}".strip()
    return tuple(found)


def _comments(lines: list[str]) -> str:
    text = " ".join(line.strip() for line in _section(lines, "Comments:") if line.strip())
    return "" if text in NOT_SAID else text


def _constraints(lines: list[str]) -> tuple[tuple[Constraint, ...], str | None]:
    """Constraints and grade; no grade at all: None."""
    found, grade = [], None
    for line in _section(lines, "Constraint"):
        if not (said := _CONSTRAINT.match(line)):
            continue
        first, second = (_said(word or "") for word in (said[2], said[3]))
        if said[1].strip() == "Grade":
            letter = second or first
            grade = "" if letter == "_" else letter
        else:
            found.append(Constraint(said[1].strip(), first, second))
    return tuple(found), grade


def _said(word: str) -> str:
    return "" if word.strip() in NOT_SAID else word.strip()


def _files(lines: list[str]) -> tuple[LoggedFile, ...] | None:
    """The files of all templates; None if there is no table."""
    tables = [k for k, line in enumerate(lines) if line.startswith("Original Filename")]
    found = []
    for at in tables:
        titles = [title.strip() for title in lines[at].split("\t")]
        for line in lines[at + 1 :]:
            if line.startswith(RULER):
                break
            cells = dict(zip(titles, (cell.strip() for cell in line.split("\t")), strict=False))
            if name := archive_name(cells.get("Archive Filename", "")):
                found.append(
                    LoggedFile(name, written_number(cells.get("AIRMASS", "")), written_number(cells.get("DIMM", "")))
                )
    return tuple(found) if tables else None


def written_number(word: str) -> float:
    """A finite number that is written; NaN if it is none."""
    try:
        value = float(word)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
