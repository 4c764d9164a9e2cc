"""What a run did, as plain data: a record for every task and for every event, and their sums for each stage.

Workers measure their tasks themselves; nothing here knows files or terminals.
"""

import functools
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from musedeep.compiled import LEAST
from musedeep.progress import LOG

THREADS = "musedeep-worker"
"""How the names of threads begin that run tasks without dask."""

INDEXING, BOXES, COMPLETION = "indexing", "boxes", "completion"

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """What a task worked on.

    Attributes
    ----------
    rows : of the task; of a box those without its margin
    bytes_read : of the columns as they are in memory (a compressed store has fewer on disk)
    bytes_written : into products
    details : further numbers, by name, from which rates are measured (`graph.rates`)
    """

    rows: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The result of a task, and what it took.

    Attributes
    ----------
    result : of the function
    work : Work
    ended : float, seconds since the epoch, of the worker's clock
    seconds : float, wall clock
    cpu_seconds : float, of the task's own thread; the rest it has waited
    peak_memory : int, largest resident memory of the worker's process until now [bytes]
    worker : str, name of the worker; empty outside of one
    """

    result: Any
    work: Work
    ended: float
    seconds: float
    peak_memory: int
    worker: str
    cpu_seconds: float = 0.0


def peak_memory() -> int:
    """Largest resident memory of this process until now [bytes]."""
    try:
        with open("/proc/self/status", "rb") as stream:
            for line in stream:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    # elsewhere than on Linux; macOS counts in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def worker_name() -> str:
    """Name of the worker that this runs in; empty outside of one. Threads of this process are one worker, 0."""
    if threading.current_thread().name.startswith(THREADS):
        return "0"
    if "distributed.worker" not in sys.modules:
        return ""
    from distributed import get_worker

    try:
        return str(get_worker().name)
    except ValueError:
        return ""


def measured(function: Callable[..., tuple[Any, Work]]) -> Callable[..., Measured]:
    """Make a task of a function that returns its result and its Work."""

    @functools.wraps(function)
    def task(*arguments: Any) -> Measured:
        began, cpu = time.perf_counter(), time.thread_time()
        result, work = function(*arguments)
        cpu, seconds = time.thread_time() - cpu, time.perf_counter() - began
        return Measured(result, work, time.time(), seconds, peak_memory(), worker_name(), cpu)

    return task


@dataclass(frozen=True)
class Record:
    """Something that happened in a run.

    Attributes
    ----------
    time : float, seconds since the epoch
    event : start, compiled, ready, plan, task, stage, end, failed, interrupted, or task failed
    facts : numbers and texts by name; of a task its stage, task, rows, bytes, seconds, peak_memory, worker and more
    """

    time: float
    event: str
    facts: Mapping[str, Any]

    def as_data(self) -> dict[str, Any]:
        """For JSON: the time in ISO format (UTC), texts without secrets."""
        stamp = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        facts = {k: redacted(v) if isinstance(v, str) else v for k, v in self.facts.items()}
        return {"time": stamp, "event": self.event, **facts}

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.as_data().items() if name != "time")


_SECRETS = (
    # user and password of an address
    (re.compile(r"(\w://)[^/@\s]+@"), r"\1***@"),
    # query of a signed address, assignments, headers
    (
        re.compile(
            r"(?i)\b((?:[\w-]*(?:secret|password|passwd|token|credential|signature|access[_-]?key|api[_-]?key)[\w-]*)"
            r"[\"']?\s*[=:]\s*)([\"']?)[^\s&,;\"']+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 ***"),
)


def redacted(text: str) -> str:
    """A text without what looks like a secret: passwords in addresses, keys, tokens, signatures."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@dataclass
class StageSummary:
    """A stage of a run in sums.

    Rows are those without margins; `seconds` is the wall clock of the stage, `busy_seconds` the sum over its tasks,
    `peak_memory` the largest resident memory of a worker until the stage's end [bytes].
    """

    name: str
    tasks: int = 0
    rows: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    busy_seconds: float = 0.0
    peak_memory: int = 0


def _log(record: Record) -> None:
    LOG.debug("%s", record, extra={"run_record": record})


class Recorder:
    """Makes records, logs them (as `run_record` of log records for debugging), and adds them up."""

    def __init__(self) -> None:
        self.stages: dict[str, StageSummary] = {}
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the recorder was made."""
        return time.monotonic() - self.began

    def leave_out(self, event: str, seconds: float) -> None:
        """Something happened that takes time at the first run only: its seconds do not count."""
        if seconds >= LEAST:
            self.began += seconds
            self.event(event, seconds=round(seconds, 3))

    def event(self, event: str, **facts: Any) -> None:
        """Something other than a task."""
        _log(Record(time.time(), event, facts))

    def task(self, stage: str, name: str, done: Measured, expected: Mapping[str, float] | None = None) -> None:
        """A task is done, of which the plan expected these numbers."""
        work, total = done.work, self.stages.setdefault(stage, StageSummary(stage))
        total.tasks += 1
        total.rows += work.rows
        total.bytes_read += work.bytes_read
        total.bytes_written += work.bytes_written
        total.busy_seconds += done.seconds
        total.peak_memory = max(total.peak_memory, done.peak_memory)
        details = {k: round(v, 6) for k, v in {**work.details, **(expected or {})}.items()}
        facts = {
            "stage": stage, "task": name, "rows": work.rows, "bytes": work.bytes_read, "written": work.bytes_written,
            "seconds": round(done.seconds, 6), "cpu_seconds": round(done.cpu_seconds, 6),
            "peak_memory": done.peak_memory, "worker": done.worker, **details,
        }  # fmt: skip
        _log(Record(done.ended, "task", facts))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The time within counts for a stage."""
        total = self.stages.setdefault(name, StageSummary(name))
        began = time.monotonic()
        yield
        total.seconds += time.monotonic() - began
        facts = {
            "stage": name, "tasks": total.tasks, "rows": total.rows, "bytes": total.bytes_read,
            "written": total.bytes_written, "seconds": round(total.seconds, 3),
            "busy_seconds": round(total.busy_seconds, 3), "peak_memory": total.peak_memory,
        }  # fmt: skip
        self.event("stage", **facts)
