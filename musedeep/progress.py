"""Progress of long work: how much is done, of how much.

Words go to Python's logging, to the logger `musedeep`: lines for the user (INFO and above), and the events and tasks of
a run (DEBUG, with a `graph.workers.records.Record` as `run_record`).
"""

import logging
from typing import Protocol

LOG = logging.getLogger("musedeep")
LOG.addHandler(logging.NullHandler())


def _printable(record: logging.LogRecord) -> bool:
    """Escape what no encoding has: names of files need not be text."""
    record.msg, record.args = record.getMessage().encode("utf-8", "backslashreplace").decode(), None
    return True


LOG.addFilter(_printable)


class Progress(Protocol):
    """Receives the progress; `musedeep.cli.progress` shows it to the user."""

    def begin(self, total: int, unit: str, done: int = 0, cost: float | None = None) -> None:
        """Work begins, or its next part.

        Parameters
        ----------
        total : number of units; 0 if it is unknown
        unit : in the plural ("boxes"); the activity ("indexing") if the total is 0
        done : units done by an earlier start
        cost : of the remaining units, in any measure that `advance` uses, too; None: 1 per unit
        """

    def advance(self, n: int = 1, *, rows: int = 0, cost: float | None = None, made: bool = True) -> None:
        """More units are done.

        Parameters
        ----------
        n : units; 0 for a part of one
        rows : rows of pixel tables in them
        cost : of the units; None: n
        made : whether they were made now, neither by an earlier start nor left out
        """

    def stop(self) -> None:
        """The work, or this part of it, has ended."""


class Silent:
    """Progress that nobody sees."""

    def begin(self, total: int, unit: str, done: int = 0, cost: float | None = None) -> None:
        """See Progress."""

    def advance(self, n: int = 1, *, rows: int = 0, cost: float | None = None, made: bool = True) -> None:
        """See Progress."""

    def stop(self) -> None:
        """See Progress."""
