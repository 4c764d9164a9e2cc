"""`musedeep catalogue`: add to a database of exposures, list and count what it holds."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from musedeep.cli.errors import BAD_INPUT, OK, UsageProblem, complain
from musedeep.cli.progress import TerminalProgress
from musedeep.cli.report import UNCUT, as_data, print_facts, print_table, table_of
from musedeep.errors import MusedeepError, nearest

if TYPE_CHECKING:
    from musedeep.selection.campaign.calibrations import Calibrations, FrameSet
    from musedeep.selection.campaign.exposures import Candidate
    from musedeep.selection.campaign.masters import Verdict
    from musedeep.selection.catalogue.database import Catalogue

NAMED = 5
"""Files that do not belong into a catalogue and are named; the others are counted."""


def open_catalogue(database: str, create: bool = False) -> "Catalogue":
    """Open the catalogue of a command; MusedeepError if SQLAlchemy is not installed or it cannot be opened."""
    need("sqlalchemy")
    from musedeep.selection.catalogue.database import Catalogue

    return Catalogue.open(database, create)


def need(*packages: str) -> None:
    """Raise MusedeepError for a package of the extra `campaign` that is not installed."""
    for package in packages:
        if find_spec(package) is None:
            raise MusedeepError(f"this needs {package}; install it with pip install 'musedeep[campaign]'")


def add_command(paths: Sequence[Path], database: str, columns: Path | None, programmes: Sequence[Path]) -> int:
    """Add to a catalogue; status 1 if something was in doubt."""
    need("sqlalchemy")
    from musedeep.selection.catalogue.collect import collect, kind_of

    for path in paths:
        kind_of(path)
    with open_catalogue(database, create=True) as catalogue:
        with TerminalProgress() as progress:
            added = collect(catalogue, paths, progress, columns, programmes)
        counts = catalogue.counts()
    for problem in added.problems:
        complain(problem)
    for foreign in added.foreign[:NAMED]:
        print(f"left out: {foreign}")
    if len(added.foreign) > NAMED:
        print(f"left out: {len(added.foreign) - NAMED} more")
    print(
        f"{added.new} new, {added.changed} changed, {added.same} as they were, {added.products} products; "
        f"{database} holds {counts['exposures']} exposures, {counts['products']} products, "
        f"{counts['executions']} executions of OBs, {counts['programmes']} programmes"
    )
    return BAD_INPUT if added.problems else OK


def list_command(database: str, where: Sequence[str], as_json: bool) -> None:
    """Print exposures, with what night logs say of them."""
    from musedeep.selection.campaign.exposures import candidates

    with open_catalogue(database) as catalogue:
        found = candidates(catalogue, catalogue.exposures(**_wanted(where)))
    if as_json:
        print(json.dumps([_candidate_data(one) for one in found], indent=1))
        return
    table = table_of(("exposure", "type", "mode", "target", "OB", "run"), ("s", "asked", "seeing", "grade"))
    for one in found:
        e = one.exposure
        words = [one.name, e.tag, e.mode, one.target, e.ob_id, e.run]
        numbers = [_number(e.exposure_time), _number(one.requested_seeing), _number(one.measured_seeing), one.grade]
        table.add_row(*(Text(word) for word in (*words, *numbers)))
    print_table(table, UNCUT)
    print(f"{len(found)} exposures")


def _candidate_data(one: "Candidate") -> dict[str, Any]:
    """All that is known of an exposure."""
    log = {"grade": one.grade, "comments": one.comments, "container": one.container}
    seeing = {"requested_seeing": one.requested_seeing, "measured_seeing": one.measured_seeing}
    constraints = {name: {"fulfilled": got, "requested": asked} for name, (got, asked) in one.constraints.items()}
    facts = as_data(asdict(one.exposure) | log | seeing | {"observing_mode": one.observing_mode})
    return facts | {"constraints": constraints}


def _wanted(where: Sequence[str]) -> dict[str, str]:
    """Facts that exposures are to have."""
    from musedeep.selection.catalogue.exposure import FIELDS

    wanted = {}
    for word in where:
        key, equals, value = word.partition("=")
        if key not in FIELDS or not equals:
            near = nearest(key, list(FIELDS))
            raise UsageProblem(f"{word}: write FACT=VALUE, as tag=OBJECT" + (f" ({near}?)" if near else ""))
        wanted[key] = value
    return wanted


def sets_command(database: str, where: Sequence[str], long: bool, as_json: bool) -> None:
    """Print sets of frames that are reduced together, and the calibrations of each, of all nights."""
    with open_catalogue(database) as catalogue:
        exposures = catalogue.exposures()
        names = {one.name for one in catalogue.exposures(**_wanted(where))} if where else None
        products, quality = catalogue.rows("products"), catalogue.rows("quality")
    from musedeep.selection.campaign.calibrations import TAGS, Calibrations, sets_of
    from musedeep.selection.campaign.masters import verdicts_of

    verdicts = verdicts_of(exposures, sets_of(exposures), products, quality)
    calibrations = Calibrations(exposures, status={key: one.status for key, one in verdicts.items()})
    sets = [one for one in calibrations.sets if names is None or names & set(one.frames)]
    if as_json:
        print(json.dumps([_set_data(calibrations, one) | _verdict(verdicts.get(one.key)) for one in sets], indent=1))
        return
    if long:
        table = table_of(("set", "mode", "needs", "calibration"), ("frames", "days", "degC"))
        for one in sets:
            found = calibrations.chosen(one)
            words = [one.key, one.mode]
            for tag, best in found.items():
                numbers = (str(len(best.calibration.frames)), f"{best.days:+.2f}", _number(round(best.warmer, 2)))
                table.add_row(*(Text(word) for word in (*words, tag, best.calibration.name, *numbers)))
                words = ["", ""]
            for tag in calibrations.missing(one):
                table.add_row(*(Text(word) for word in (*words, tag, "none", "0", "", "")))
                words = ["", ""]
    else:
        rows = [(one, calibrations.chosen(one), calibrations.missing(one)) for one in sets]
        tags = [tag for tag in TAGS if any(tag in found or tag in lost for _, found, lost in rows)]
        table = table_of(("set", "mode", "masters"), ("frames", *tags))
        for one, found, lost in rows:
            days = [f"{found[tag].days:+.2f} d" if tag in found else "none" if tag in lost else "" for tag in tags]
            status = verdicts[one.key].status if one.key in verdicts else ""
            table.add_row(*(Text(word) for word in (one.key, one.mode, status, str(len(one.frames)), *days)))
    print_table(table, UNCUT)
    for one in sets:
        if one.key in verdicts and verdicts[one.key].why:
            print(f"{one.key} has failed: {verdicts[one.key].why}")
    print(f"{len(sets)} sets of {sum(len(one.frames) for one in sets)} frames; days from each to its calibrations")


def _set_data(calibrations: "Calibrations", one: "FrameSet") -> dict[str, Any]:
    found = {
        tag: {"set": best.calibration.name, "frames": len(best.calibration.frames)}
        | as_data({"days": best.days, "warmer": best.warmer, "status": best.status})
        for tag, best in calibrations.chosen(one).items()
    }
    facts = as_data(asdict(one)) | {"night": one.night}
    return facts | {"calibrations": found, "missing": calibrations.missing(one)}


def _verdict(verdict: "Verdict | None") -> dict[str, str]:
    return {"status": verdict.status, "why": verdict.why} if verdict else {"status": "unchecked", "why": ""}


def info_command(database: str) -> None:
    """Print what a catalogue holds."""
    with open_catalogue(database) as catalogue:
        counts = catalogue.counts()
        exposures = catalogue.exposures()
        pipelines = Counter(row["pipeline"] or "unknown" for row in catalogue.rows("products"))
    print_facts(database, [(name.replace("_", " "), f"{count:,}") for name, count in counts.items()])
    for what, key in (("type", "tag"), ("mode", "mode"), ("run", "run")):
        found = Counter(getattr(one, key) or "unknown" for one in exposures)
        if found:
            print_facts(f"exposures by {what}", [(name, f"{number:,}") for name, number in sorted(found.items())])
    if pipelines:
        print_facts("products by pipeline", [(name, f"{number:,}") for name, number in sorted(pipelines.items())])
    if exposures:
        nights = sorted({one.night for one in exposures if one.night})
        print_facts("nights", [("number", str(len(nights))), ("first", nights[0]), ("last", nights[-1])])


def _number(value: float) -> str:
    return "" if value != value else f"{value:g}"
