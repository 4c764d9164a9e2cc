"""Progress of long work: how much is done, of how much.

Words go to Python's logging, below the logger `musedeep`: lines for the user (INFO and above), and the events and
tasks of a run (DEBUG, with a `graph.workers.records.Record` as `run_record`).
"""

from typing import Protocol


class Progress(Protocol):
    """Receives the progress; `musedeep.cli.progress` shows it to the user."""

    def begin(self, total: int, unit: str, done: int = 0, cost: float | None = None) -> None:
        """Work begins, or its next part.

        Parameters
        ----------
        total : how much there is, as many of `unit`; 0 if nobody knows
        unit : in the plural, as in "boxes"; what is done ("indexing") where the total is 0
        done : how much an earlier start has done
        cost : what the rest takes, in any measure that is used in `advance`, too; None: 1 for each unit
        """

    def advance(self, n: int = 1, *, rows: int = 0, cost: float | None = None, made: bool = True) -> None:
        """So much more is done.

        Parameters
        ----------
        n : of the unit; 0 if a part of one
        rows : of pixel tables in it
        cost : of it; None: n
        made : now; not by an earlier start, and not left out
        """

    def stop(self) -> None:
        """No more of it."""


class Silent:
    """No progress at all."""

    def begin(self, total: int, unit: str, done: int = 0, cost: float | None = None) -> None:
        """See Progress."""

    def advance(self, n: int = 1, *, rows: int = 0, cost: float | None = None, made: bool = True) -> None:
        """See Progress."""

    def stop(self) -> None:
        """See Progress."""
