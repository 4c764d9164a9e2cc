"""Where a run takes place: the options for processes, memory, scheduler and cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.amounts import bytes_of
from musedeep.cli.errors import UsageProblem

if TYPE_CHECKING:
    from musedeep.graph.workers.cluster_profile import ClusterProfile

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
    scratch: str | None = None
    scratch_size: str | None = None
    report: Path | None = None
    log: Path | None = None
    no_log: bool = False
    cluster: str | None = None
    cluster_profile: Path | None = None
    plots: bool = False
    discard: str = ""
    dashboard: bool = False

    def memory_bytes(self) -> int:
        """The memory limit [bytes]."""
        return parse_amount("--memory", self.memory, " of memory")

    def scratch_bytes(self) -> int | None:
        """The limit of the scratch directory [bytes]."""
        return None if self.scratch_size is None else parse_amount("--scratch-size", self.scratch_size, " of disk")

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
        from musedeep.graph.workers.cluster_profile import load_profile

        return load_profile(self.cluster_profile)


def parse_amount(option: str, text: str, of: str = "") -> int:
    """The bytes that an option gives, for example 4GiB."""
    n = bytes_of(text)
    if n <= 0:
        raise UsageProblem(f"{option} {text}: not an amount{of}; give it as in 4GiB")
    return n
