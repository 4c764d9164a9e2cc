"""`musedeep combine`, `musedeep stitch`: from a selection file to a run or many, and what the user sees of it."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.cli.errors import UsageProblem, complain
from musedeep.cli.resources import Resources

if TYPE_CHECKING:
    from musedeep.cli.run_log import RunLog
    from musedeep.graph.combine.exp_combine import PieceRequest, Request
    from musedeep.reduction.cube.share import Share

LOG = "combine"
"""Name of the log beside the products: combine.jsonl and combine.log."""


def shares_of(piece: str | None, pieces: str | None) -> "list[Share] | None":
    """The pieces that --piece or --pieces ask for; None for the whole cube."""
    if piece is None and pieces is None:
        return None
    if piece is not None and pieces is not None:
        raise UsageProblem("--piece and --pieces: give one of them")
    from musedeep.reduction.cube.share import Division, Share

    try:
        return [Share.parse(str(piece))] if pieces is None else Division.parse(pieces).shares()
    except ValueError:
        if pieces is not None:
            raise UsageProblem(
                f"--pieces {pieces}: not a division; give a number as in 8, for pieces of wavelength, or as in 3x2, "
                "for pieces of the field"
            ) from None
        raise UsageProblem(
            f"--piece {piece}: not a piece; give it as in 2/8, the second of eight of wavelength, or as in 4/3x2, the "
            "fourth of 3 x 2 of the field"
        ) from None


def combine_selection(
    selection: Path, resources: Resources, output: Path | None, dry_run: bool, shares: "Sequence[Share] | None" = None
) -> None:
    """Combine what a selection file names; with `shares`, these pieces of it, one after the other."""
    memory, scratch_bytes = resources.memory_bytes(), resources.scratch_bytes()
    if scratch_bytes and not resources.scratch:
        raise UsageProblem("--scratch-size: of what? give --scratch DIR, too")
    resources.profile()  # its mistakes are named before the selection is read
    from musedeep.light_fits import load_fits

    load_fits()
    from musedeep.selection.campaign.selection_file import load_selection

    chosen = load_selection(selection)
    from musedeep.api.runs import selected
    from musedeep.graph.combine.exp_combine import PieceRequest

    whole = selected(chosen, output, memory, scratch=resources.scratch, scratch_bytes=scratch_bytes)
    if resources.report and shares and len(shares) > 1:
        raise UsageProblem("--report: of which piece? make them one by one, with --piece")
    if shares is None:
        run_request(whole, resources, dry_run, log_by_default=True)
        return
    given = {one.name: getattr(whole, one.name) for one in fields(whole) if one.init}
    for share in shares:
        one = PieceRequest(**given | {"output": whole.output / share.name, "share": share})
        if not resources.overwrite and one.finished():
            print(f"{one.output}: {share} is there already")
        else:
            run_request(one, resources, dry_run, log_by_default=True)


def stitch_pieces(
    paths: Sequence[Path], output: Path | None, memory: str, threads: int | None, overwrite: bool
) -> None:
    """Join pieces into the products of one run, and say what was made."""
    from musedeep.cli.progress import TerminalProgress
    from musedeep.cli.report import print_facts, size_on_disk
    from musedeep.cli.resources import parse_amount
    from musedeep.cli.text import size_text
    from musedeep.graph.workers.interrupts import as_interrupts
    from musedeep.processors import available_processors
    from musedeep.recipes.exp_combine.stitch import stitch

    limit = parse_amount("--memory", memory, " of memory")
    with as_interrupts(), TerminalProgress(limit) as progress:
        made = stitch(
            paths, output, overwrite=overwrite, memory=limit, threads=threads or available_processors(),
            progress=progress,
        )  # fmt: skip
    print_facts(f"{made[0].parent}:", [(path.name, size_text(size_on_disk(path))) for path in made])


def _opened_log(
    request: "Request | PieceRequest", resources: Resources, dry_run: bool, by_default: bool
) -> "RunLog | None":
    """The log of the run: where it was asked for, or beside the products; none of a plan."""
    from musedeep.cli.run_log import RunLog

    if resources.log is not None and resources.no_log:
        raise UsageProblem("--log and --no-log: give one of them")
    if resources.log is not None:
        return None if dry_run else RunLog(resources.log, late=False)
    if dry_run or resources.no_log or not by_default:
        return None
    return RunLog(request.output / LOG, late=True)


def run_request(
    request: "Request | PieceRequest", resources: Resources, dry_run: bool, log_by_default: bool = False
) -> None:
    """Run a combination with the resources given, showing its progress and what came out."""
    from musedeep.cli.progress import TerminalProgress
    from musedeep.graph.combine.exp_combine import combine
    from musedeep.graph.workers.interrupts import as_interrupts

    request.workers = resources.workers
    request.scheduler = resources.scheduler
    request.cluster = resources.profile()
    request.overwrite = resources.overwrite
    request.report = resources.report
    request.dashboard = resources.dashboard
    if resources.threads is not None:
        request.threads = resources.threads
    log = _opened_log(request, resources, dry_run, log_by_default)
    with as_interrupts(), log or nullcontext(), TerminalProgress(request.memory) as progress:
        outcome = combine(request, progress, dry_run=dry_run)
    from musedeep.cli.report import plan_facts, print_facts, print_outcome  # after the work, for which nobody waits

    if log is not None and log.failure:
        complain(f"{log.paths[0]}: the log ends early ({log.failure}); the products are whole")
    if dry_run:
        print_facts("Plan", plan_facts(outcome, request.memory))
    else:
        print_outcome(outcome, progress.rows, progress.peak_bytes)
