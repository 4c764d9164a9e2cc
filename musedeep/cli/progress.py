"""Progress of a run: boxes done, rate, time left, memory of the process tree; on standard error."""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from musedeep.compiled import compiling_seconds

if TYPE_CHECKING:
    from musedeep.cli.run_log import RunLog
    from musedeep.graph.records import Record

QUIET_SECONDS = 10.0
"""Between two lines where the output is not a terminal."""

SAMPLE_SECONDS = 0.5
"""Between two looks at the memory."""


def tree_memory() -> int:
    """Resident memory of this process and its children [bytes]."""
    own = psutil.Process()
    total: int = own.memory_info().rss
    for child in own.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def working_seconds(began: float) -> float:
    """Time since then (of the monotonic clock) without that of compiling kernels, for rates [s]."""
    elapsed = max(time.monotonic() - began, 1e-3)
    return max(elapsed - compiling_seconds(time.time() - elapsed), 0.1 * elapsed)


class _Memory:
    """Watches the memory of the process tree from a thread of its own."""

    def __init__(self) -> None:
        self.now = self.peak = tree_memory()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.look()

    def look(self) -> None:
        self.now = tree_memory()
        self.peak = max(self.peak, self.now)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


class TerminalProgress:
    """A bar on a terminal, a line now and then elsewhere. A context; `graph.run.Progress` tells what it is told.

    Parameters
    ----------
    limit : int
        Memory limit, shown beside what is used [bytes].
    console : rich.console.Console, optional
        Default: standard error.
    log : RunLog, optional
        Gets all records.
    """

    def __init__(self, limit: int, console: Console | None = None, log: "RunLog | None" = None) -> None:
        self.log = log
        self.limit = limit
        self.console = console or Console(stderr=True, highlight=False)
        self.total = self.done = self.skipped = self.rows = self.all_rows = 0
        self.began = self.shown = time.monotonic()
        self.open = False
        self.memory = _Memory()
        self._bar: Progress | None = None

    def __enter__(self) -> "TerminalProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()
        self.memory.stop()

    @property
    def peak_bytes(self) -> int:
        """Largest memory of the process tree seen so far [bytes]."""
        return self.memory.peak

    def start(self, n_tasks: int, n_rows: int, done: int = 0) -> None:
        """Work begins: boxes in all, rows in all, and boxes that an earlier start has finished."""
        self.total, self.all_rows, self.done, self.skipped = n_tasks, n_rows, done, done
        self.rows = 0
        self.began = self.shown = time.monotonic()
        self.open = True
        if done:
            self.say(f"resuming: {done} of {n_tasks} boxes are done")
        if self.console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(), BarColumn(28), TextColumn("{task.description}"), console=self.console, transient=True
            )
            self._bar.start()
            self._task = self._bar.add_task(self._text(), total=n_tasks, completed=done)

    def advance(self, rows: int) -> None:
        """A box of so many rows is finished."""
        self.done += 1
        self.rows += rows
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, description=self._text())
        elif time.monotonic() - self.shown >= QUIET_SECONDS:
            self.shown = time.monotonic()
            self.console.print(self._text(), soft_wrap=True)

    def stop(self) -> None:
        """No more boxes."""
        self.memory.look()
        self._close_bar()
        self.open = False

    def say(self, text: str) -> None:
        """One line for the user."""
        self.console.print(text, soft_wrap=True, markup=False)

    def record(self, record: "Record") -> None:
        """Something happened: for the log."""
        if self.log is not None:
            self.log.record(record)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _text(self) -> str:
        elapsed = working_seconds(self.began)
        made = self.done - self.skipped
        left = duration((self.total - self.done) * elapsed / made) + " left" if made else "starting"
        return (
            f"{self.done}/{self.total} boxes, {self.rows / elapsed / 1e6:.1f} million rows/s, {left}, "
            f"{self.memory.now / 2**30:.2f} of {self.limit / 2**30:.2f} GiB"
        )
