"""The log of a run: a structured file (one JSON object per line) and a readable one, with the same content.

Both files are appended to, so that a run that was interrupted and resumed has one log. Each line is written at once: a
killed run leaves at most its last line incomplete.
"""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from musedeep.cli.text import size_text
from musedeep.progress import LOG
from musedeep.storage.outputs import write_error

if TYPE_CHECKING:
    from musedeep.graph.workers.records import Record


def log_paths(path: Path) -> tuple[Path, Path]:
    """Paths of the structured (.jsonl) and the readable log (.log) for `--log`."""
    base = path.with_suffix("") if path.suffix in (".jsonl", ".json", ".log", ".txt") else path
    return base.with_name(base.name + ".jsonl"), base.with_name(base.name + ".log")


class RunLog(logging.Handler):
    """Writes the records of a run, which are logged for debugging (`graph.workers.records`). A context.

    Parameters
    ----------
    path : Path
        As given with `--log`; see `log_paths`.
    late : bool
        Write nothing before the plan is made: a run that is refused for bad input leaves no log.

    Raises
    ------
    MusedeepError
        A file cannot be opened for writing. A later error ends the log, not the run.
    """

    def __init__(self, path: Path, late: bool) -> None:
        super().__init__(logging.DEBUG)
        self.paths = log_paths(path)
        self._waiting: list[Record] | None = [] if late else None
        self._streams: tuple[TextIO, TextIO] | None = None
        self.failure = ""
        if not late:
            self._open()

    def __enter__(self) -> Self:
        self._level = LOG.level
        LOG.addHandler(self)
        LOG.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        LOG.setLevel(self._level)
        LOG.removeHandler(self)
        for stream in self._streams or ():
            try:
                stream.close()
            except OSError as error:
                self.failure = self.failure or str(error.strerror or error)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record of a run in a log record, or keep it until the plan is made."""
        entry: Record | None = getattr(record, "run_record", None)
        if entry is None:
            return
        if self._waiting is None:
            self._write(entry)
            return
        self._waiting.append(entry)
        if entry.event == "plan":
            self._open()
            waiting, self._waiting = self._waiting, None
            for one in waiting:
                self._write(one)

    def _open(self) -> None:
        streams = []
        for path in self.paths:
            try:
                stream = open(path, "a+", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
                # after a line that a killed run has not finished
                if stream.tell() and not _ends_with_newline(path):
                    stream.write("\n")
            except OSError as error:
                raise write_error(path, error, 0) from error
            streams.append(stream)
        self._streams = streams[0], streams[1]

    def _write(self, record: "Record") -> None:
        if self._streams is None or self.failure:
            return
        data = record.as_data()
        try:
            for stream, text in zip(self._streams, (json.dumps(data, default=str), readable(data)), strict=True):
                stream.write(text + "\n")
                stream.flush()
        except OSError as error:
            self.failure = str(error.strerror or error)


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as stream:
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"


def readable(data: dict[str, Any]) -> str:
    """A record (`Record.as_data`) as a readable line."""
    stamp = data["time"][:19].replace("T", " ")
    event = data["event"]
    if event == "task":
        words = [f"{data['stage']:<10}  {data['task']:<32}  {data['seconds']:8.3f} s  {data['rows']:>12,} rows"]
        words.append(f"{size_text(data['bytes']):>10} read")
        words.append(f"peak memory {size_text(data['peak_memory'])}")
        words.append(f"worker {data['worker']}" if data["worker"] else "")
        text = "  ".join(word for word in words if word)
    elif event == "stage":
        text = (
            f"{data['stage']} ended: {data['tasks']} tasks, {data['rows']:,} rows, {size_text(data['bytes'])} read, "
            f"in {data['seconds']:.1f} s, peak memory {size_text(data['peak_memory'])}"
        )
    else:
        names = {"time", "event"}
        facts = [f"{k.replace('_', ' ')} {_value(k, v)}" for k, v in data.items() if k not in names]
        text = f"{event}: " + ", ".join(facts)
    return f"{stamp}  {text}"


def _value(name: str, value: Any) -> str:
    if "memory" in name:
        return size_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
