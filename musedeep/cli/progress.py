"""Progress of long work: done of all, rate, time left, memory of the process tree; on standard error."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self, TextIO

import psutil

from musedeep.cli.errors import Interrupted
from musedeep.cli.output import Output, log_shown
from musedeep.cli.text import duration
from musedeep.compiled import compiling_seconds
from musedeep.graph.workers.interrupts import as_interrupts

QUIET_SECONDS = 10.0
"""Time between two lines where the output is not a terminal [s]."""

SAMPLE_SECONDS = 0.5
"""Time between two measurements of the memory, and between two drawings of the bar [s]."""

clock = time.monotonic


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


def working_seconds(elapsed: float) -> float:
    """The part of the last `elapsed` seconds in which no kernels were compiled, for rates [s]."""
    return max(elapsed - compiling_seconds(time.time() - elapsed), 0.1 * elapsed, 1e-3)


class TerminalProgress:
    """A bar on a terminal, a line every ten seconds elsewhere: a `musedeep.progress.Progress`, and a context.

    A thread shows it, so that the user sees that work goes on while nothing ends. Lines of the log appear above the
    bar. Errors in showing it do not stop the work.

    Parameters
    ----------
    limit : int, optional
        Memory limit, shown beside the memory in use [bytes].
    stream : text stream, optional
        Default: standard error.
    """

    def __init__(self, limit: int | None = None, stream: TextIO | None = None) -> None:
        self.limit = limit
        self.total = self.done = self.rows = 0
        self.open = False
        self.memory = self.peak_bytes = tree_memory()
        self._output = Output(stream)
        self._unit = ""
        self._cost = self._over = self._made = 0.0
        self._todo = self._rows_before = 0
        self._began = self._shown = clock()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._log = ExitStack()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._log.enter_context(log_shown(self._line))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._ended.set()
        self._thread.join()
        self._log.close()

    def begin(self, total: int, unit: str, done: int = 0, cost: float | None = None) -> None:
        """See `musedeep.progress.Progress`."""
        self.total, self.done, self._unit, self._todo = total, done, unit, total - done
        self._cost, self._over, self._made = float(self._todo if cost is None else cost), 0.0, 0.0
        self._rows_before = self.rows
        self._began = clock()
        self.open = True
        if done:
            self._line(f"resuming: {done} of {total} {unit} are done")

    def advance(self, n: int = 1, *, rows: int = 0, cost: float | None = None, made: bool = True) -> None:
        """See `musedeep.progress.Progress`."""
        cost = n if cost is None else cost
        self.done += n
        self.rows += rows
        self._over += cost
        if made:
            self._made += cost

    def stop(self) -> None:
        """See `musedeep.progress.Progress`."""
        self._look()
        with self._lock:
            self.open = False
            self._output.clear()

    def _line(self, text: str) -> None:
        self._output.line(text)
        self._shown = clock()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.tick()

    def tick(self) -> None:
        """Measure the memory, and show the progress if it is time."""
        self._look()
        with self._lock:
            if not self.open:
                return
            if self._output.terminal:
                self._output.draw(self._text(), self.done / self.total if self.total else None)
            elif clock() - self._shown >= QUIET_SECONDS:
                self._line(self._text())

    def _look(self) -> None:
        try:
            self.memory = tree_memory()
        except psutil.Error:
            return
        self.peak_bytes = max(self.peak_bytes, self.memory)

    def _text(self) -> str:
        elapsed = clock() - self._began
        words = [f"{self.done:,}/{self.total:,} {self._unit}"] if self.total else [self._unit, duration(elapsed)]
        elapsed = working_seconds(elapsed)
        if self.total and not self._made:
            words.append("starting")
        elif self.total:
            a_minute = 60 * self._todo * self._made / self._cost / elapsed
            rows = self.rows - self._rows_before
            words.append(f"{rows / elapsed / 1e6:.1f} million rows/s" if rows else f"{a_minute:.1f} a minute")
            words.append(f"{duration(max(self._cost - self._over, 0.0) * elapsed / self._made)} left")
        of_limit = f" of {self.limit / 2**30:.2f}" if self.limit is not None else ""
        return ", ".join([*words, f"{self.memory / 2**30:.2f}{of_limit} GiB"])


@contextmanager
def shown(left: Callable[[TerminalProgress], str]) -> Iterator[TerminalProgress]:
    """Progress of work that Ctrl-C, a batch system or a closed terminal may end; then `left` says what remains of it.

    Raises
    ------
    Interrupted
    """
    with as_interrupts(), TerminalProgress() as progress:
        try:
            yield progress
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; {left(progress)}") from None
