"""Tasks on threads of this process, without a scheduler.

dask.distributed takes longer to import and to start than a small run takes in all.
"""

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from musedeep.graph.workers.executor import Executor
from musedeep.graph.workers.records import THREADS

SWITCH = 2e-4
"""How long a thread may keep the others from running Python, once they want to [s]. With Python's own 5 ms, tasks that
open a thousand files wait longer for each other than they work."""


class ThreadExecutor(Executor):
    """Runs tasks on threads of this process."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, 1)
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        self._pool = ThreadPoolExecutor(threads, THREADS)

    @property
    def embedded(self) -> bool:
        """See `Executor`."""
        return True

    def submit(self, function: Callable[..., Any], *arguments: Any, memory: int | None = None) -> Any:
        """See `Executor`."""
        future = self._pool.submit(function, *arguments)
        future.add_done_callback(self._ended.put)
        return future

    def result(self, future: Any) -> Any:
        """See `Executor`."""
        return future.result()

    def cancel(self, futures: Iterable[Any]) -> None:
        """See `Executor`."""
        for future in futures:
            future.cancel()

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        """See `Executor`."""
        try:
            function(*arguments)
        except (OSError, RuntimeError, ValueError):
            pass  # as of workers that do not answer

    def close(self) -> None:
        """See `Executor`."""
        self._pool.shutdown(cancel_futures=True)
        sys.setswitchinterval(self._switch)
