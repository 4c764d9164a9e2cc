"""Where tasks run: dask.distributed, embedded in this process, on local processes, or elsewhere.

Tasks in flight are bounded: no more are submitted than may run at once (and one waiting for each), so that
the memory estimated by the plan is the memory used.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from threading import Thread
from typing import Any

from musedeep.errors import MusedeepError


class Executor:
    """Runs tasks on a dask cluster."""

    def __init__(self, client: Any, cluster: Any, parallel: int, processes: int) -> None:
        self.client, self.cluster = client, cluster
        self.parallel, self.processes = parallel, processes

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Results of all calls, in their order."""
        results: list[Any] = [None] * len(calls)

        def keep(k: int, result: Any) -> None:
            results[k] = result

        self.run(function, calls, keep, self.parallel)
        return results

    def run(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        finished: Callable[[int, Any], None],
        parallel: int,
    ) -> None:
        """Run all calls, at most `parallel` at once with as many waiting; `finished` gets number and result.

        Raises
        ------
        MusedeepError
            As a task raised it, or that workers died again and again.
        """
        from distributed import KilledWorker, as_completed

        if not calls:
            return
        waiting = iter(range(len(calls)))
        numbers: dict[str, int] = {}

        def submit(k: int) -> Any:
            future = self.client.submit(function, *calls[k], pure=False, retries=0)
            numbers[future.key] = k
            return future

        queue = as_completed([submit(k) for k in islice(waiting, 2 * parallel)])
        try:
            for future in queue:
                try:
                    result = future.result()
                except KilledWorker as error:
                    raise MusedeepError(
                        "a worker died several times at the same task, most likely for lack of memory; "
                        "give more --memory or fewer --workers, and start again to resume"
                    ) from error
                finished(numbers.pop(future.key), result)
                future.release()
                k = next(waiting, None)
                if k is not None:
                    queue.add(submit(k))
        except BaseException:
            self.client.cancel(list(queue.futures))
            raise
        if numbers:
            raise RuntimeError(f"{len(numbers)} tasks were submitted and never finished")

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function in every worker process; those that do not answer within a minute are left alone."""

        def call() -> None:
            try:
                self.client.run(function, *arguments, on_error="ignore")
            except (OSError, RuntimeError, ValueError, TimeoutError):
                pass  # the workers, or the scheduler, are gone

        thread = Thread(target=call, daemon=True)
        thread.start()
        thread.join(60.0)

    def close(self) -> None:
        """Let go of the cluster; a cluster of our own ends."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def open_executor(workers: int, threads: int, memory: int, scheduler: str | None) -> Executor:
    """Connect to a running scheduler, or start a local cluster.

    Parameters
    ----------
    workers : int
        Local worker processes; with 1 the tasks run on threads of this process.
    threads : int
        Tasks at once on this machine, shared among the workers.
    memory : int
        Limit of the process tree [bytes].
    scheduler : str or None
        Address of a running scheduler.

    Raises
    ------
    MusedeepError
        The scheduler cannot be reached, or has no workers.
    """
    import logging

    import dask
    from distributed import Client, LocalCluster

    # the errors of tasks come back to us; workers would print their tracebacks, too
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    dask.config.set({"distributed.scheduler.allowed-failures": 5, "distributed.comm.timeouts.connect": "10s"})
    if scheduler:
        try:
            client = Client(scheduler, timeout="10s")
            threads_there = client.nthreads()
        except (OSError, ValueError) as error:
            raise MusedeepError(
                f"no scheduler at {scheduler} ({str(error).splitlines()[0]}); check the address"
            ) from error
        if not threads_there:
            client.close()
            raise MusedeepError(f"the scheduler at {scheduler} has no workers; start some first")
        return Executor(client, None, sum(threads_there.values()), len(threads_there))
    embedded = workers <= 1
    per_worker = max(1, threads // max(workers, 1))
    cluster = LocalCluster(
        n_workers=max(workers, 1),
        threads_per_worker=threads if embedded else per_worker,
        processes=not embedded,
        protocol="inproc://" if embedded else None,
        dashboard_address=":0",
        memory_limit=0 if embedded else memory // workers,
        silence_logs=logging.CRITICAL,
    )
    client = Client(cluster)
    return Executor(client, cluster, threads if embedded else per_worker * workers, 1 if embedded else workers)
