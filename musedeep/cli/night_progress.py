"""Progress of a night: tasks done, rate, time left, memory of the process tree; on standard error."""

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from musedeep.cli import progress as shared
from musedeep.cli.progress import TerminalProgress, duration, working_seconds

if TYPE_CHECKING:
    from musedeep.cli.run_log import RunLog


class NightTerminalProgress(TerminalProgress):
    """A bar on a terminal, a line now and then elsewhere. A context; `graph.night_run.NightProgress` says the rest.

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
        super().__init__(limit, console, log)
        self.made = self.parallel = 0
        self.expected = self.seconds_over = self.made_seconds = 0.0

    def __enter__(self) -> "NightTerminalProgress":
        return self

    def begin(self, n_tasks: int, seconds: float, parallel: int) -> None:
        """Work begins: tasks in all, seconds that they are expected to take, tasks at once."""
        self.total, self.expected, self.parallel = n_tasks, seconds, parallel
        self.began = self.shown = time.monotonic()
        self.open = True
        if self.console.is_terminal:
            columns = SpinnerColumn(), BarColumn(28), TextColumn("{task.description}")
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._text(), total=n_tasks)

    def task_over(self, task: str, seconds: float, made: bool) -> None:
        """A task is over, of which so many seconds were expected."""
        self.done += 1
        self.seconds_over += seconds
        if made:
            self.made += 1
            self.made_seconds += seconds
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, description=self._text())
        elif made and time.monotonic() - self.shown >= shared.QUIET_SECONDS:
            self.shown = time.monotonic()
            self.console.print(self._text(), soft_wrap=True)

    def _text(self) -> str:
        elapsed = working_seconds(self.began)
        left = "starting"
        if self.made:
            left = duration((self.expected - self.seconds_over) * elapsed / self.made_seconds) + " left"
        return (
            f"{self.done}/{self.total} tasks, {60 * self.made / elapsed:.1f} a minute, {left}, "
            f"{self.memory.now / 2**30:.2f} of {self.limit / 2**30:.2f} GiB"
        )
