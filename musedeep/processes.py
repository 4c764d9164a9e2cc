"""Processes that help this one, and end with it."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class _Pool(ProcessPoolExecutor):
    """Its processes are left alone by Ctrl-C and a closed terminal, which their parent gets as well."""

    def __init__(self, number: int) -> None:
        # spawned, not forked: threads of this process would be left behind locked
        super().__init__(number, multiprocessing.get_context("spawn"), _end_with_parent)
        self.others = set(multiprocessing.active_children())
        self.started: set[BaseProcess] = set()

    def submit(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        # a process that starts here inherits what is blocked
        former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
        try:
            future = super().submit(function, *arguments, **named)
            # the thread that watches the processes learns of a new one by the next call
            while self._more_started():
                super().submit(os.getpid)
            return future
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)

    def _more_started(self) -> bool:
        """Whether there are processes more than when this was called before."""
        before = len(self.started)
        self.started |= set(multiprocessing.active_children()) - self.others
        return len(self.started) > before

    def end(self, directory: Path) -> None:
        """End the processes at once, and remove what they have half made (`storage.outputs.partial_name`)."""
        for process in self.started:
            process.terminate()
        self.shutdown(cancel_futures=True)
        for process in self.started:
            for path in directory.glob(f".*.{process.pid}.part"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def worker_processes(number: int, directory: Path) -> Iterator[Executor]:
    """So many processes that make files in a directory.

    Where the block ends with an exception, they end at once, and what they have half made is removed. They end too when
    this process is killed. If one of them is killed, its results are BrokenProcessPool.
    """
    pool = _Pool(number)
    try:
        yield pool
    except BaseException:
        pool.end(directory)
        raise
    pool.shutdown()


def _end_with_parent() -> None:
    """Let this process end when the one that started it does."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
