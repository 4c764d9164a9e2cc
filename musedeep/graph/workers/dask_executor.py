"""Tasks on dask.distributed: embedded in this process, on local processes, on a cluster, or on a running scheduler."""

import logging
import pickle
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, KilledWorker, LocalCluster, wait
from distributed.client import ClosedClientError
from distributed.comm import CommClosedError

from musedeep.errors import MusedeepError, debugging
from musedeep.graph.workers.executor import Executor, Resources, WorkersDied, count_on_cluster, several_calls
from musedeep.processors import available_processors
from musedeep.progress import LOG
from musedeep.storage.stores.location import Location, is_url

if TYPE_CHECKING:
    from musedeep.graph.workers.cluster import SlurmWorkers
    from musedeep.graph.workers.cluster_profile import ClusterProfile

WORKERS_TIMEOUT = 120
"""For the workers of a running scheduler that the user has counted [s]."""

PREPARATION = 300
"""For what workers do before their first task; who takes longer goes on with it when the tasks come [s]."""

CLOSING = 60
"""For the workers of this machine to end [s]."""

WORKER_TTL = "60s"
"""A worker that is not heard of for so long is taken for lost."""


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it; an exception that does not survive the way to the client goes there as another one.

    Dask's client would wait for ever for it.
    """
    try:
        return function(*arguments)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            raise RuntimeError(f"{type(error).__name__}: {error}") from None
        raise


class DaskExecutor(Executor):
    """Runs tasks on a cluster of dask."""

    def __init__(
        self, client: Any, cluster: Any, parallel: int, processes: int, jobs: "SlurmWorkers | None" = None
    ) -> None:
        super().__init__(parallel, processes)
        self.client, self.cluster, self.jobs = client, cluster, jobs
        self._check = ""
        self._to_end = cluster

    @property
    def embedded(self) -> bool:
        """See `Executor`."""
        return self.cluster is not None and self.processes == 1

    def want(self, number: int) -> None:
        """See `Executor`."""
        if self.jobs is not None:
            self.jobs.want(number)

    def submit(self, function: Callable[..., Any], *arguments: Any, memory: int | None = None) -> Any:
        """See `Executor`."""
        # the name of the function is what dask's dashboard shows
        name = arguments[0].__name__ if function is several_calls else function.__name__
        options: dict[str, Any] = {"key": f"{name}-{uuid.uuid4().hex}", "pure": False, "retries": 0}
        if memory is not None and self.worker_memory is not None:
            options["resources"] = {"memory": memory}
        if self._check:
            from musedeep.graph.workers.worker_check import checked

            arguments = (self._check, function, *arguments)
            function = checked
        with self._scheduler():
            future = self.client.submit(_call, function, *arguments, **options)
        future.add_done_callback(self._ended.put)
        return future

    def look(self) -> None:
        """See `Executor`."""
        if self.jobs is not None and self.jobs.problem:
            raise MusedeepError(self.jobs.problem)
        if self.client.status not in ("running", "connecting"):
            raise self._lost()

    @contextmanager
    def _scheduler(self) -> Iterator[None]:
        """While the scheduler is asked for something: raises MusedeepError if it is gone.

        A question that is on its way at that moment ends with an exception of dask's, before the client knows it.
        """
        try:
            yield
        except (CommClosedError, ClosedClientError, CancelledError) as error:
            raise self._lost() from error
        except OSError as error:
            # what dask raises has a text only; what a task raises about a file has a number
            if error.errno is None and "trying to connect" in str(error):
                raise self._lost() from error
            raise

    def _lost(self) -> MusedeepError:
        return MusedeepError("the connection to dask's scheduler is lost; start again to resume")

    def result(self, future: Any) -> Any:
        """See `Executor`."""
        if future.status in ("cancelled", "lost"):
            raise self._lost()
        try:
            with self._scheduler():
                result = future.result()
            future.release()
            return result
        except KilledWorker as error:
            more = "more memory in the cluster profile" if self.jobs else "more --memory or fewer --workers"
            raise WorkersDied(
                "a worker died several times at the same task, most likely for lack of memory; "
                f"give {more}, and start again to resume"
            ) from error

    def cancel(self, futures: Iterable[Any]) -> None:
        """See `Executor`."""
        try:
            self.client.cancel(list(futures))
        except Exception:  # the scheduler is gone, and they with it
            pass

    def check_workers(
        self, paths: Sequence[str | Location], mark: Path | None, first: tuple[Any, ...] | None = None
    ) -> None:
        """See `Executor`."""
        if self.cluster is not None:
            return
        from musedeep.graph.workers import worker_check

        with self._scheduler():
            while not self.client.nthreads():
                self.look()
                time.sleep(0.1)  # the first of a cluster is on its way
            versions = worker_check.own_versions()
            for address, there in self.client.run(eval, worker_check.VERSIONS, on_error="return").items():
                if not isinstance(there, dict):
                    raise MusedeepError(f"the worker at {address} does not answer ({there})")
                different = worker_check.differing(versions, there, address)
                if different:
                    raise MusedeepError(different)
            name = f"musedeep-{uuid.uuid4().hex}"
            local = [str(Path(path).absolute()) for path in map(str, paths) if not is_url(path)]
            content = (str(mark.absolute()), mark.read_bytes()) if mark is not None else None
            self.client.register_plugin(worker_check.Needs(name, versions, local, content, first))
            self._check = name
            for problem in self.client.run(worker_check.refusal, name).values():
                if problem:
                    raise MusedeepError(problem)
            if first is not None:
                self._prepare(name)

    def _prepare(self, name: str) -> None:
        """Have the workers that are there do what comes first; those to come do it before their first task."""
        from musedeep.graph.workers.worker_check import prepared

        # if a worker dies meanwhile, another one does nothing in its place
        options = {"pure": False, "allow_other_workers": True}
        futures = [self.client.submit(prepared, name, workers=[one], **options) for one in self.client.nthreads()]
        try:
            wait(futures, timeout=PREPARATION)
        except TimeoutError:
            pass

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        """See `Executor`."""

        def call() -> None:
            try:
                self.client.run(function, *arguments, on_error="ignore")
            except (OSError, RuntimeError, ValueError, TimeoutError):
                pass  # the workers, or the scheduler, are gone

        thread = Thread(target=call, daemon=True)
        thread.start()
        thread.join(60.0)

    def dashboard(self) -> str | None:
        """See `Executor`."""
        if self.jobs is not None:
            return self.jobs.dashboard
        try:
            if self.cluster is None:
                return str(self.client.dashboard_link)
            port = self.client.scheduler_info(n_workers=0)["services"].get("dashboard")
        except (KeyError, OSError, AttributeError):
            return None
        return f"http://localhost:{port}/status" if port else None

    def close(self) -> None:
        """See `Executor`."""
        try:
            if self._check and self.client.status == "running" and self.jobs is None:
                self.client.unregister_worker_plugin(self._check)
        except Exception:  # its scheduler has ended
            pass
        finally:
            self._check = ""
            try:
                self.client.close()
            finally:
                if self.jobs is not None:
                    self.jobs.close()
                self._end_cluster()

    def _end_cluster(self) -> None:
        """End the workers of this machine, once. Their tasks are over: if one fails to end, the run goes on.

        dask may wait for ever for a worker that was killed and is just started anew.
        """
        cluster, self._to_end = self._to_end, None
        if cluster is None:
            return
        try:
            cluster.close(timeout=CLOSING)
        except Exception as error:
            LOG.debug("a worker did not end: %s", error)


def open_dask(resources: Resources, output: Path | None = None) -> DaskExecutor:
    """See `open.open_executor`."""
    # what goes wrong, this module says in one line; dask's own words and tracebacks only for --debug
    level = logging.WARNING if debugging() else logging.CRITICAL
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(level)
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": 5,
            "distributed.comm.timeouts.connect": "10s",
            # dask would make it 1 in this process, too
            "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": None,
        }
    )
    # what the user has set is left alone
    settings = {"scheduler": {"worker-ttl": WORKER_TTL}, "worker": {"profile": {"interval": "100ms"}}}
    dask.config.update_defaults({"distributed": settings})
    if resources.cluster is not None:
        assert output is not None
        return _open_cluster(resources, resources.cluster, output)
    if resources.scheduler:
        return _connect(resources.scheduler, resources.workers)
    workers, threads = resources.workers or 1, resources.threads
    embedded = workers <= 1
    per_worker = max(1, threads // max(workers, 1))
    cluster = LocalCluster(
        n_workers=max(workers, 1),
        threads_per_worker=threads if embedded else per_worker,
        processes=not embedded,
        protocol="inproc://" if embedded else None,
        # for whoever is logged in here, no one else
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        memory_limit=0 if embedded else resources.memory // workers,
        silence_logs=level,
        # a recipe in a worker uses that worker's share of the processors
        **({} if embedded else {"env": {"OMP_NUM_THREADS": max(1, available_processors() // workers)}}),
    )
    client = Client(cluster)
    return DaskExecutor(client, cluster, threads if embedded else per_worker * workers, 1 if embedded else workers)


def _connect(scheduler: str, workers: int | None) -> DaskExecutor:
    """Use a running scheduler."""
    where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
    try:
        client = Client(timeout="10s", **where)
        try:
            if workers:
                client.wait_for_workers(workers, timeout=WORKERS_TIMEOUT)
        except TimeoutError:
            pass
        threads_there = client.nthreads()
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise MusedeepError(f"no scheduler at {scheduler} ({str(error).splitlines()[0]}); check the address") from error
    if not threads_there or (workers and len(threads_there) < workers):
        client.close()
        found = f"has {len(threads_there)} workers of {workers}" if threads_there else "has no workers"
        raise MusedeepError(f"the scheduler at {scheduler} {found}; start some first")
    return DaskExecutor(client, None, sum(threads_there.values()), len(threads_there))


def _open_cluster(resources: Resources, profile: "ClusterProfile", output: Path) -> DaskExecutor:
    """Start jobs on a cluster."""
    try:
        from musedeep.graph.workers.cluster import SlurmWorkers
    except ImportError as error:
        raise MusedeepError(
            f"--cluster needs {error.name or 'dask-jobqueue'}; install it: pip install 'musedeep[cluster]'"
        ) from error
    jobs = SlurmWorkers(profile, resources.workers or profile.workers, output)
    try:
        jobs.want(1)
        executor = DaskExecutor(Client(jobs.cluster), None, 1, 1, jobs)
        count_on_cluster(executor, profile, jobs.most)
    except BaseException:
        jobs.close()
        raise
    return executor
