"""What esorex says, on the terminal and in its log file.

1. On the terminal a line is `HH:MM:SS [ INFO  ] RECIPE: [tid=000] text`. Before the recipe is found it has no time,
   before the recipe runs it has no number of a thread. Errors go to standard error, all else to standard output.
2. A line of the log file is `HH:MM:SS [ INFO  ] FUNCTION: [tid=000] text`; FUNCTION is empty for what esorex says
   itself. The file begins with the time, the program and the least severity that it holds. It is written line by line,
   and anew by each call.
3. Both have a least severity of their own: debug, info, warning, error, off. With debug, lines on the terminal have the
   function, too.
"""

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from musedeep.compiled import announced
from musedeep.esorex.errors import EsorexProblem
from musedeep.progress import LOG

PROGRAM: Final = "esorex"
"""What log files and lines call the program, whatever the name that it is started by."""

OFF: Final = logging.CRITICAL + 1
LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": OFF,
}
MARKS: Final = {
    logging.DEBUG: "[ DEBUG ]",
    logging.INFO: "[ INFO  ]",
    logging.WARNING: "[WARNING]",
    logging.ERROR: "[ ERROR ]",
}
THREAD: Final = "[tid=000] "
OURS: Final = "musedeep: "
"""What lines of musedeep's own command begin with."""


def mark_of(level: int) -> str:
    """The mark of a severity."""
    return MARKS[max((one for one in MARKS if one <= level), default=logging.DEBUG)]


class Messages(logging.Handler):
    """The terminal and the log file of a call; takes what musedeep logs while a recipe runs.

    Attributes
    ----------
    terminal : least severity on the terminal
    timed, threaded : whether lines on the terminal have the time, and the thread
    recipe : that lines of recipes are said to come from
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.terminal = logging.INFO
        self.timed = self.threaded = False
        self.recipe = PROGRAM
        self._file: TextIO | None = None
        self._least = OFF
        self._places: list[tuple[str, str]] = []

    @property
    def least(self) -> int:
        """The least severity that is shown anywhere."""
        return min(self.terminal, self._least if self._file is not None else OFF)

    def call_place(self, place: Path, name: Path) -> None:
        """Say `name` where a message has `place`: products are made in a directory that users do not know."""
        self._places.append((str(place), str(name)))

    def say(self, level: int, text: str, function: str | None = None) -> None:
        """Say something: esorex itself, or a function of the recipe."""
        for place, name in self._places:
            text = text.replace(place, name)
        now, mark = time.strftime("%H:%M:%S"), mark_of(level)
        if level >= self.terminal:
            source = PROGRAM if function is None else self.recipe
            detail = f"{function or ''}: " if self.terminal <= logging.DEBUG else ""
            when = f"{now} " if self.timed else ""
            thread = THREAD if self.threaded else ""
            stream = sys.stderr if level >= logging.ERROR else sys.stdout
            write(stream, f"{when}{mark} {source}: {detail}{thread}{text}\n")
        if self._file is not None and level >= self._least:
            write(self._file, f"{now} {mark} {function or ''}: {THREAD}{text}\n")

    def info(self, text: str) -> None:
        """Say something that is as it should be."""
        self.say(logging.INFO, text)

    def warning(self, text: str) -> None:
        """Say something that may be wrong."""
        self.say(logging.WARNING, text)

    def error(self, text: str) -> None:
        """Say something that is wrong."""
        self.say(logging.ERROR, text)

    def problem(self, problem: EsorexProblem) -> None:
        """Say all lines of a problem."""
        for level, text in problem.lines:
            self.say(level, text)

    def print(self, text: str) -> None:
        """Print a text on standard output, without mark."""
        write(sys.stdout, text + "\n")

    def open_file(self, path: Path, level: str) -> None:
        """Begin the log file, unless its level is off; where it cannot be written, say so and go on without."""
        self._least = LEVELS[level]
        if self._least == OFF:
            return
        try:
            self._file = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        except OSError as error:
            self.warning(f"The log file {path} cannot be written ({error.strerror}); the call goes on without it")
            return
        start = time.strftime("%Y-%m-%dT%H:%M:%S")
        head = (
            "",
            f"Start time     : {start}",
            f"Program name   : {PROGRAM}",
            f"Severity level : {mark_of(self._least)} ",
        )
        write(self._file, "\n".join(head) + "\n\n")

    def begin(self, version: str, libraries: str, command: Sequence[str]) -> None:
        """Log what runs: in the file alone, as all that stands before the recipe."""
        terminal, self.terminal = self.terminal, OFF
        self.info(f"This is EsoRex, version {version}")
        self.info(f"using the libraries: {libraries}")
        self.info(f"Invocation command line was: {' '.join(shlex.quote(word) for word in command)}")
        self.terminal = terminal

    def append(self, path: Path, level: int, text: str) -> None:
        """Add a line to a log file that another program has written."""
        try:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{time.strftime('%H:%M:%S')} {mark_of(level)} : {THREAD}{text}\n")
        except OSError:
            pass  # it has no log

    def emit(self, record: logging.LogRecord) -> None:
        """Say what musedeep logs."""
        self.say(record.levelno, record.getMessage().removeprefix(OURS), (record.funcName or self.recipe).lstrip("_"))

    def close(self) -> None:
        """End the log file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


def write(stream: TextIO, text: str) -> None:
    """Write text at once, whatever its letters; where the reader has gone, write no more."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except AttributeError:  # the process was started without it
        pass
    except (OSError, ValueError):  # the reader has gone, as in `| head`, or the stream is closed
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError):
            pass


@contextmanager
def listening(handler: logging.Handler, least: int) -> Iterator[None]:
    """Let a handler take what musedeep logs, and the kernels of a recipe announce that they are compiled.

    Parameters
    ----------
    least : severity from which on musedeep logs at all
    """
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(least)
    try:
        with announced():
            yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
