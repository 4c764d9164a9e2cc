"""`musedeep combine`: from a selection file to a run, and what the user sees of it."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.cli.errors import UsageProblem, complain
from musedeep.cli.resources import Resources

if TYPE_CHECKING:
    from musedeep.cli.run_log import RunLog
    from musedeep.graph.combine.exp_combine import Request

LOG = "combine"
"""Name of the log beside the products: combine.jsonl and combine.log."""


def combine_selection(selection: Path, resources: Resources, output: Path | None, dry_run: bool) -> None:
    """Combine what a selection file names."""
    memory, scratch_bytes = resources.memory_bytes(), resources.scratch_bytes()
    if scratch_bytes and not resources.scratch:
        raise UsageProblem("--scratch-size: of what? give --scratch DIR, too")
    resources.profile()  # its mistakes are named before the selection is read
    from musedeep.selection.campaign.selection_file import load_selection

    chosen = load_selection(selection)
    from musedeep.graph.combine.exp_combine import Request

    run_request(
        Request(
            pixel_tables=chosen.exposures,
            parameters=chosen.parameters,
            parameter_texts=chosen.parameter_texts,
            output=output or chosen.output,
            offset_list=chosen.offset_list,
            output_wcs=chosen.output_wcs,
            filter_list=chosen.filter_list,
            memory=memory,
            combined_format=chosen.combined_format,
            scratch=resources.scratch,
            scratch_bytes=scratch_bytes,
        ),
        resources,
        dry_run,
        log_by_default=True,
    )


def _opened_log(request: "Request", resources: Resources, dry_run: bool, by_default: bool) -> "RunLog | None":
    """The log of the run: where it was asked for, or beside the products; none of a plan."""
    from musedeep.cli.run_log import RunLog

    if resources.log is not None and resources.no_log:
        raise UsageProblem("--log and --no-log: give one of them")
    if resources.log is not None:
        return None if dry_run else RunLog(resources.log, late=False)
    if dry_run or resources.no_log or not by_default:
        return None
    return RunLog(request.output / LOG, late=True)


def run_request(request: "Request", resources: Resources, dry_run: bool, log_by_default: bool = False) -> None:
    """Run a combination with the resources given, showing its progress and what came out."""
    from musedeep.cli.progress import TerminalProgress
    from musedeep.cli.report import plan_facts, print_facts, print_outcome
    from musedeep.graph.combine.exp_combine import combine
    from musedeep.graph.workers.interrupts import as_interrupts

    request.workers = resources.workers
    request.scheduler = resources.scheduler
    request.cluster = resources.profile()
    request.overwrite = resources.overwrite
    request.report = resources.report
    if resources.threads is not None:
        request.threads = resources.threads
    log = _opened_log(request, resources, dry_run, log_by_default)
    with as_interrupts(), log or nullcontext(), TerminalProgress(request.memory) as progress:
        outcome = combine(request, progress, dry_run=dry_run)
    if log is not None and log.failure:
        complain(f"{log.paths[0]}: the log ends early ({log.failure}); the products are whole")
    if dry_run:
        print_facts("Plan", plan_facts(outcome, request.memory))
    else:
        print_outcome(outcome, progress.rows, progress.peak_bytes)
