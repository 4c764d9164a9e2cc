"""`musedeep combine`: from a selection file to a run, and what the user sees of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.cli.errors import UsageProblem
from musedeep.cli.report import print_outcome, print_plan

if TYPE_CHECKING:
    from musedeep.graph.cluster_profile import ClusterProfile
    from musedeep.graph.run import Request

CLUSTERS = ("slurm",)
"""Kinds of clusters on which workers can be started."""


@dataclass(frozen=True)
class Resources:
    """Where a run takes place, as given on the command line."""

    workers: int | None
    threads: int | None
    memory: str
    scheduler: str | None
    overwrite: bool
    save_fits: bool = False
    cluster: str | None = None
    cluster_profile: Path | None = None

    def memory_bytes(self) -> int:
        """The memory limit [bytes]."""
        from dask.utils import parse_bytes

        try:
            n = int(parse_bytes(self.memory))
        except ValueError:
            n = 0
        if n <= 0:
            raise UsageProblem(f"--memory {self.memory}: not an amount of memory; give it as in 4GiB")
        return n

    def profile(self) -> "ClusterProfile | None":
        """The profile of the cluster, if the run is to take place on one."""
        if self.cluster is None:
            if self.cluster_profile is not None:
                raise UsageProblem("--cluster-profile: for which? give --cluster slurm, too")
            return None
        if self.cluster not in CLUSTERS:
            raise UsageProblem(f"--cluster {self.cluster}: there is {', '.join(CLUSTERS)}")
        if self.scheduler is not None:
            raise UsageProblem("--cluster starts a scheduler of its own; leave out --scheduler, or --cluster")
        from musedeep.graph.cluster_profile import load_profile

        return load_profile(self.cluster_profile)


def combine_selection(selection: Path, resources: Resources, output: Path | None, dry_run: bool) -> None:
    """Combine what a selection file names."""
    memory = resources.memory_bytes()
    resources.profile()  # its mistakes are named before the selection is read
    from musedeep.selection.selection_file import load_selection

    chosen = load_selection(selection)
    from musedeep.graph.run import Request

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
        ),
        resources,
        dry_run,
    )


def run_request(request: "Request", resources: Resources, dry_run: bool) -> None:
    """Run a combination with the resources given, showing its progress and what came out."""
    from musedeep.cli.progress import TerminalProgress
    from musedeep.graph.interrupts import as_interrupts
    from musedeep.graph.run import combine

    request.workers = resources.workers
    request.scheduler = resources.scheduler
    request.cluster = resources.profile()
    request.overwrite = resources.overwrite
    if resources.threads is not None:
        request.threads = resources.threads
    with as_interrupts(), TerminalProgress(request.memory) as progress:
        outcome = combine(request, progress, dry_run=dry_run)
    if dry_run:
        print_plan(outcome, request)
    else:
        print_outcome(outcome, progress.rows, progress.peak_bytes)
