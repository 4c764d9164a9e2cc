"""The executor that a run asks for."""

from pathlib import Path

from musedeep.graph.workers.executor import Executor, Resources
from musedeep.graph.workers.thread_executor import ThreadExecutor


def open_executor(resources: Resources, output: Path | None = None) -> Executor:
    """Threads of this process, or a cluster of dask, which keeps in the output directory what its jobs need.

    Raises MusedeepError if the scheduler cannot be reached, or has no workers; if the cluster cannot be started.
    """
    if resources.one_process:
        return ThreadExecutor(resources.threads)
    from musedeep.graph.workers.dask_executor import open_dask

    return open_dask(resources, output)
