"""`musedeep campaign`: the plan of a campaign, from a catalogue and a person's edits."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError
from rich.text import Text

from musedeep.cli.catalogue import need, open_catalogue
from musedeep.cli.errors import UsageProblem
from musedeep.cli.report import UNCUT, print_table, table_of
from musedeep.cli.text import duration, size_text
from musedeep.errors import MusedeepError, nearest
from musedeep.storage.models import problem_of

if TYPE_CHECKING:
    from musedeep.selection.campaign.plan_file import Plan, Settings

NAMED = 5
"""Exposures that are left out and named; the others are counted."""


def read_plan_of(path: Path, database: str) -> "tuple[Plan, str]":
    """A plan, and its catalogue: the one given, or else that of the scan, beside the plan if it is not here.

    Raises MusedeepError for no plan, one that is not right, or packages that are not installed.
    """
    need("sqlalchemy", "rapidfuzz", "shapely")
    from musedeep.selection.campaign.plan_file import read_plan

    plan = read_plan(path)
    place = database or plan.catalogue or "catalogue.sqlite"
    beside = path.parent / place
    if "://" not in place and not Path(place).exists() and beside.exists():
        place = str(beside)
    return plan, place


def scan_command(plan_path: Path, database: str, name: str, given: Sequence[str], today: str) -> int | None:
    """Write a plan, or bring it up to date; a person's edits stay."""
    need("sqlalchemy", "rapidfuzz", "shapely")
    from musedeep.quality.record import campaign_folder
    from musedeep.selection.campaign.bad_exposures import read_bad_exposures
    from musedeep.selection.campaign.exposures import candidates
    from musedeep.selection.campaign.finished import finished_products
    from musedeep.selection.campaign.plan_file import (
        Settings,
        memory_of,
        read_memory,
        read_merges,
        read_plan,
        write_plan,
    )
    from musedeep.selection.campaign.previews import PREVIEW, previews_of
    from musedeep.selection.campaign.scan import scan

    before = read_plan(plan_path) if plan_path.exists() else None
    if before is None and memory_of(plan_path).exists():
        raise MusedeepError(
            f"{memory_of(plan_path)}: belongs to another plan of this name; give this one another, or remove that file"
        )
    settings = _settings(before.settings if before else Settings(), given)
    bad = read_bad_exposures(plan_path.parent / settings.bad_exposures) if settings.bad_exposures else None
    merges = {}
    if settings.confirm == "file":
        if settings.merges_file is None:
            raise MusedeepError("confirm: file needs a file; give its name as merges_file")
        merges = read_merges(plan_path.parent / settings.merges_file)
    with open_catalogue(database) as catalogue:
        many = candidates(catalogue)
        previews = previews_of(catalogue.rows("products", category=PREVIEW))
    campaign = name or (before.campaign if before else plan_path.stem)
    today = today or datetime.now(UTC).date().isoformat()
    memory = read_memory(plan_path) if before else None
    finished = finished_products(campaign_folder(plan_path), campaign)
    plan, notes = scan(campaign, many, settings, today, before, memory, bad, finished, previews, merges)
    plan.catalogue = database
    write_plan(plan_path, plan, (one.name for one in many))
    for note in notes[:NAMED]:
        print(f"left out: {note}")
    if len(notes) > NAMED:
        print(f"left out: {len(notes) - NAMED} more")
    _print_plan(plan)
    print(f"{plan_path}: {len(plan.targets)} targets; edit it, then scan again")
    return None


def _settings(settings: "Settings", given: Sequence[str]) -> "Settings":
    known = list(type(settings).model_fields)
    values = settings.model_dump()
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or key not in known:
            near = nearest(key, known)
            raise UsageProblem(f"--set {word}: write NAME=VALUE" + (f"; did you mean {near}?" if near else ""))
        try:
            values[key] = yaml.safe_load(value)
            type(settings).model_validate(values)
        except yaml.YAMLError:
            raise UsageProblem(f"--set {word}: no value of YAML") from None
        except ValidationError as error:
            raise UsageProblem(f"--set {problem_of(error, type(settings))}") from None
    return type(settings).model_validate(values)


def _print_plan(plan: "Plan") -> None:
    table = table_of(("product", "category", "modes"), ("inputs", "OBs", "time", "size", "rejected", "undecided"))
    for target in plan.targets:
        for number, product in enumerate(target.products):
            others = (str(len(target.rejected)), str(len(target.undecided))) if number == 0 else ("", "")
            words = [product.name, product.category, " ".join(product.modes)]
            numbers = [str(len(product.inputs)), str(product.obs), duration(product.exposure_time)]
            numbers += [size_text(product.bytes), *others]
            table.add_row(*(Text(word) for word in (*words, *numbers)))
    print_table(table, UNCUT)
    open_ = [one for one in plan.merges if one.confirmed is None]
    for merge in open_:
        print(f"one target? {merge.first} and {merge.second}: {merge.evidence}")
    deeper = [target for target in plan.targets if target.deeper]
    for target in deeper:
        print(f"{target.name}: {target.deeper}")
    if plan.no_deep_cube:
        print(f"{len(plan.no_deep_cube)} targets get no deep cube; the plan says why")
