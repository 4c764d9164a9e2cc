"""`musedeep campaign run` and `status`: from a plan to deep cubes, and what there is of them."""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from musedeep.cli.campaign import read_plan_of
from musedeep.cli.catalogue import open_catalogue
from musedeep.cli.errors import BAD_INPUT, INTERRUPTED, OK, complain
from musedeep.cli.progress import TerminalProgress
from musedeep.cli.report import UNCUT, print_table, table_of
from musedeep.cli.resources import Resources
from musedeep.cli.text import duration
from musedeep.processors import available_processors

if TYPE_CHECKING:
    from musedeep.campaign.cascade.request import CascadeRequest, ProductOutcome

NAMED = 5
"""Exposures that are left out and named, of a product; the others are counted."""


def _request(plan_path: Path, database: str, targets: Sequence[str], resources: Resources) -> "CascadeRequest":
    memory, profile = resources.memory_bytes(), resources.profile()
    from musedeep.campaign.cascade.archive import Archive
    from musedeep.campaign.cascade.request import CascadeRequest, Machine
    from musedeep.quality.record import campaign_folder

    plan, place = read_plan_of(plan_path, database)
    campaign = campaign_folder(plan_path.absolute())
    with open_catalogue(place) as catalogue:
        archive = Archive.read(catalogue, plan.settings.cascade, campaign)
    threads = resources.threads or available_processors()
    machine = Machine(resources.workers, threads, memory, resources.scheduler, profile)
    return CascadeRequest(plan, archive, campaign, targets, machine)


def run_command(
    plan_path: Path,
    database: str,
    targets: Sequence[str],
    resources: Resources,
    dry_run: bool,
    scale: str = "",
    rates: Path | None = None,
    quality: bool = True,
    graph: Path | None = None,
) -> int:
    """Make the products of a plan, and judge them; status 1 if one failed, or exposures were left out."""
    request = _request(plan_path, database, targets, resources)
    if graph is not None:
        from musedeep.campaign.cascade.graph import campaign_graph, write_graph

        found = campaign_graph(request)
        write_graph(found, graph)
        print(f"{graph}: {len(found.nights)} nights, {len(found.products)} products")
        return OK
    from musedeep.campaign.cascade.run import look, run_campaign

    if dry_run:
        from musedeep.cli.campaign_forecast import print_forecast

        return print_forecast(request, look(request), scale, rates)
    from musedeep.graph.workers.interrupts import as_interrupts

    with as_interrupts(), TerminalProgress(request.machine.memory) as progress:

        def leave() -> None:
            # threads cannot be stopped; what they make is thrown away at the next start
            if request.machine.cluster or (request.machine.workers or 1) > 1:
                return
            progress.stop()
            complain("interrupted; the same command resumes where it stopped")
            sys.stdout.flush()
            os._exit(INTERRUPTED)

        request.progress, request.leave = progress, leave
        outcomes = run_campaign(request, _tell)
    failed = [one for one in outcomes if one.state == "failed"]
    if quality:
        _judge(request, [one.folder for one in outcomes if one.state != "failed"], plan_path, database)
    lost = sum(len(one.left_out) for one in outcomes)
    made = sum(one.state == "made" for one in outcomes)
    print(
        f"{request.campaign}: {made} products made, {len(outcomes) - made - len(failed)} up to date, "
        f"{len(failed)} failed, {lost} exposures left out"
    )
    broken = any(one.after_cube is not None and one.after_cube.failure for one in outcomes)
    return BAD_INPUT if failed or lost or broken else OK


def _judge(request: "CascadeRequest", folders: Sequence[Path], plan_path: Path, database: str) -> None:
    """Quality control of the products that are there; those whose quality is known stay as they are."""
    if find_spec("matplotlib") is None:
        complain("quality control draws figures, which needs matplotlib; later: musedeep qc assess")
        return
    from musedeep.cli.quality import judge_products

    _, place = read_plan_of(plan_path, database)
    judge_products(request.campaign, folders, place)


def _tell(outcome: "ProductOutcome") -> None:
    """Say at once what came of a product."""
    if outcome.state == "failed":
        complain(f"{outcome.product} failed: {outcome.why}")
        return
    words = f"{outcome.used} of {outcome.exposures} exposures, {'aligned' if outcome.aligned else 'not all aligned'}"
    took = f", in {duration(outcome.seconds)}" if outcome.seconds else ""
    print(f"{outcome.product}: {outcome.state}, {words}{took}: {outcome.folder}", flush=True)
    if (after := outcome.after_cube) is not None:
        if after.failure:
            log = outcome.folder / "logs" / Path(after.log).name
            complain(f"{outcome.product}: after_cube failed: {after.failure}; see {log}")
        else:
            print(
                f"{outcome.product}: after_cube made {len(after.files)} files in {duration(after.seconds)}", flush=True
            )
    for name, why in list(outcome.left_out.items())[:NAMED]:
        complain(f"{outcome.product}: {name} left out: {why}")
    if len(outcome.left_out) > NAMED:
        complain(f"{outcome.product}: {len(outcome.left_out) - NAMED} more exposures left out; see its product.json")


def status_command(plan_path: Path, database: str) -> int:
    """Print what there is of each product of a plan."""
    request = _request(plan_path, database, (), Resources(None, None, "4GiB", None, False))
    from musedeep.campaign.cascade.status import status

    table = table_of(("product", "state", "review"), ("version", "exposures", "left out", "aligned", "made"))
    for one in status(request):
        aligned = "" if one.aligned is None else "yes" if one.aligned else "no"
        words = [one.product, one.state, one.review]
        numbers = [str(one.version), str(one.exposures), str(one.left_out or ""), aligned, one.made]
        table.add_row(*(Text(word) for word in (*words, *numbers)))
    print_table(table, UNCUT)
    return OK
