"""What runs tasks: threads of this process (`thread_executor`), or workers of dask (`dask_executor`).

Tasks in flight are bounded: no more are submitted than may run at once (and one waiting for each), so that
the memory estimated by the plan is the memory used.
"""

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musedeep.errors import MusedeepError
from musedeep.storage.stores.location import Location

if TYPE_CHECKING:
    from musedeep.graph.workers.cluster_profile import ClusterProfile

LOOK_SECONDS = 1.0
"""Between two looks at the cluster while no task ends."""


@dataclass(frozen=True)
class Resources:
    """Where a run takes place.

    Attributes
    ----------
    workers : local worker processes: with 1 (the default) the tasks run on threads of this process. With a running
        scheduler: its workers to wait for. With a cluster: jobs at most; default: as the profile says
    threads : tasks at once on this machine, shared among the workers
    memory : limit of the process tree [bytes]
    scheduler : address of a running scheduler, or its scheduler file
    cluster : start workers as jobs like this
    watched : dask's dashboard or its report is wanted, so that dask runs the tasks where one process would do
    """

    workers: int | None
    threads: int
    memory: int
    scheduler: str | None = None
    cluster: "ClusterProfile | None" = None
    watched: bool = False

    @property
    def one_process(self) -> bool:
        """Whether threads of this process do."""
        return not (self.scheduler or self.cluster or self.watched or (self.workers or 1) > 1)


def several_calls(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Several calls as one task."""
    return [function(*arguments) for arguments in calls]


class WorkersDied(MusedeepError):
    """Several workers died at the same task."""


class Executor(ABC):
    """Runs tasks.

    Attributes
    ----------
    parallel, processes : tasks at once and worker processes that a plan may count on
    memory : of the workers together, and of this process where it is counted [bytes]; None: as the user says
    worker_memory : of each worker, where workers have memory of their own [bytes]
    client : of dask, where it runs the tasks
    """

    client: Any = None

    def __init__(self, parallel: int, processes: int) -> None:
        self.parallel, self.processes = parallel, processes
        self.memory: int | None = None
        self.worker_memory: int | None = None
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @property
    @abstractmethod
    def embedded(self) -> bool:
        """Whether tasks run in this process."""

    def map(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        finished: Callable[[int, Any], None] | None = None,
        together: int = 1,
    ) -> list[Any]:
        """Results of all calls, in their order; more calls are to follow. See `run` for `finished`.

        So many calls are made by one task: each costs the scheduler some milliseconds.
        """
        results: list[Any] = [None] * len(calls)

        def keep(k: int, of_batch: list[Any]) -> None:
            for number, result in enumerate(of_batch, k * together):
                results[number] = result
                if finished is not None:
                    finished(number, result)

        batches = [(function, calls[k : k + together]) for k in range(0, len(calls), together)]
        self.want(len(calls))
        self.run(several_calls, batches, keep, self.parallel, last=False)
        return results

    def run(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        finished: Callable[[int, Any], None],
        parallel: int,
        last: bool = True,
    ) -> None:
        """Run all calls, at most `parallel` at once with as many waiting; `finished` gets number and result.

        If they are the last ones, workers of a cluster that have nothing left to do are given back. Raises
        MusedeepError as a task raised it, or that workers died again and again, or that none are left.
        """
        if not calls:
            return
        left = len(calls)
        if last:
            self.want(left)
        waiting = iter(range(left))
        running: dict[Any, int] = {}

        def submit(k: int) -> None:
            running[self.submit(function, *calls[k])] = k

        try:
            for k in islice(waiting, 2 * parallel):
                submit(k)
            while running:
                future = self.next_ended()
                result = self.result(future)
                finished(running.pop(future), result)
                left -= 1
                if last:
                    self.want(left)
                k = next(waiting, -1)
                if k >= 0:
                    submit(k)
        except BaseException:
            self.cancel(running)
            raise

    def want(self, number: int) -> None:
        """There is work for so many workers; a cluster grows or shrinks."""
        return

    @abstractmethod
    def submit(self, function: Callable[..., Any], *arguments: Any, memory: int | None = None) -> Any:
        """Start a call; its future comes out of `next_ended`.

        `memory` is what it needs [bytes]; workers of a cluster run only as many at once as fit theirs.
        """

    def next_ended(self) -> Any:
        """The next future that has ended, one way or another.

        Raises MusedeepError if no worker will ever come, or the scheduler is gone.
        """
        while True:
            try:
                return self._ended.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self.look()

    def look(self) -> None:
        """Raise MusedeepError if the workers cannot go on."""
        return

    @abstractmethod
    def result(self, future: Any) -> Any:
        """What a task has returned, once.

        Raises WorkersDied if they did, again and again; MusedeepError as the task raised it, or if the scheduler is
        gone.
        """

    @abstractmethod
    def cancel(self, futures: Iterable[Any]) -> None:
        """Give up tasks that have not ended."""

    def check_workers(
        self, paths: Sequence[str | Location], mark: Path | None, first: tuple[Any, ...] | None = None
    ) -> None:
        """Make sure that workers elsewhere, now and later, are of our versions and see our files.

        Raises MusedeepError: what a worker lacks, and what to do; that no worker comes.

        Parameters
        ----------
        paths : have to exist there; those in object storage are left out
        mark : a file of this run that has to have the same content there
        first : function and arguments, to be called once in every worker process before its first task
        """
        return

    @abstractmethod
    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function in every worker process; those that do not answer within a minute are left alone."""

    def dashboard(self) -> str | None:
        """Address of the dashboard of the workers; None if they have none."""
        return None

    @abstractmethod
    def close(self) -> None:
        """End the workers that are our own, once the tasks at work have ended."""


def count_on_cluster(executor: Executor, profile: "ClusterProfile", workers: int) -> None:
    """Let plans count on so many workers like those of a profile."""
    from musedeep.graph.workers.memory import BASE_BYTES

    executor.parallel, executor.processes = workers * profile.cores, workers
    executor.worker_memory = profile.worker_bytes
    # a plan for several processes takes off the one that directs them, which is elsewhere here
    executor.memory = workers * executor.worker_memory + (BASE_BYTES if workers > 1 else 0)
