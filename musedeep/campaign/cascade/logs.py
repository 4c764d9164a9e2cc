"""Logs of a campaign: what nights and combinations report, as lines of JSON, and as text for a product."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musedeep.progress import LOG
from musedeep.quality.record import StepRecord
from musedeep.storage.outputs import appearing_whole, write_error


class _JsonLines(logging.Handler):
    """Appends what is logged to a file; a line is written at once, and a killed run leaves at most half of its last."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.DEBUG)
        self.stream = path.open("a", encoding="utf-8", errors="backslashreplace")
        if self.stream.tell():
            self.stream.write("\n")  # after half a line; empty lines are read over

    def emit(self, record: logging.LogRecord) -> None:
        entry = getattr(record, "run_record", None)
        if entry is not None:
            data = entry.as_data()
        elif record.levelno >= logging.INFO:
            stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            data = {
                "time": stamp.replace("+00:00", "Z"),
                "event": record.levelname.lower(),
                "text": record.getMessage(),
            }
        else:
            return
        self.stream.write(json.dumps(data, default=str) + "\n")
        self.stream.flush()


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Append what is logged meanwhile to a file; MusedeepError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _JsonLines(path)
    except OSError as error:
        raise write_error(path, error, 0) from error
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        LOG.setLevel(level)
        LOG.removeHandler(handler)
        handler.stream.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Entries of such a file, whole lines alone; none if there is no file."""
    found = []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def by_task(entries: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Entries on tasks by their names: what a task took, and lines that begin with its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in entries:
        name = one.get("task") or str(one.get("text", "")).split(" ")[0].rstrip(":")
        found.setdefault(str(name), []).append(one)
    return found


def seconds_of(entries: Iterable[dict[str, Any]]) -> float:
    """Seconds that a task took, when it was last done; 0 if that is not known."""
    return next((float(one["seconds"]) for one in reversed(list(entries)) if one.get("event") == "task"), 0.0)


def as_text(entry: dict[str, Any]) -> str:
    """An entry as a line of text."""
    stamp = str(entry.get("time", ""))[:19].replace("T", " ")
    if "text" in entry:
        return f"{stamp}  {entry['event']}: {entry['text']}"
    facts = ", ".join(f"{name} {value}" for name, value in entry.items() if name not in ("time", "event"))
    return f"{stamp}  {entry.get('event', '')}: {facts}"


def write_log(path: Path, steps: Iterable[StepRecord], entries: Iterable[dict[str, Any]]) -> None:
    """Write the log of an exposure, or of a product: each step with all that repeats it, then what was reported."""
    lines: list[str] = []
    for step in steps:
        lines += [f"# {step.recipe} {step.label}".rstrip()]
        lines += [f"#   --{name}={value}" for name, value in step.parameters.items()]
        lines += [f"{source} {tag}" for source, tag in step.inputs]
        lines += [f"#   {step.seconds:.1f} s", ""]
    lines += [as_text(entry) for entry in entries]
    with appearing_whole(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
