"""Lines and a bar on a stream that may be closed, narrow, or without some letters, none of which stops the work."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from musedeep.progress import LOG

BAR = 28
"""Length of a bar, where the terminal has room for it."""


class Output:
    """A stream for messages to the user.

    Parameters
    ----------
    stream : text stream, optional
        Default: standard error.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._drawn = False
        self._lock = threading.RLock()

    @property
    def terminal(self) -> bool:
        """Whether it is a terminal that can draw a line again."""
        try:
            return self._stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
        except (AttributeError, ValueError):  # there is none, or it is closed
            return False

    def line(self, text: str) -> None:
        """Write a line, above the bar if there is one."""
        with self._lock:
            self.clear()
            self._write(text + "\n")

    def draw(self, text: str, done: float | None) -> None:
        """Draw a bar, filled to `done` (0 to 1), and a text beside it, cut to the width of the terminal."""
        width = self._width() - 1
        bar = ""
        if done is not None and width > len(text) + BAR:
            full = round(min(max(done, 0.0), 1.0) * BAR)
            bar = "=" * full + "-" * (BAR - full) + " "
        with self._lock:
            self._write(f"\r{(bar + text)[:width]}\x1b[K")
            self._drawn = True

    def clear(self) -> None:
        """Remove the bar."""
        with self._lock:
            if self._drawn:
                self._write("\r\x1b[K")
            self._drawn = False

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except AttributeError:  # the process was started without it
            pass
        except (OSError, ValueError):  # the reader has gone, as in `2>&1 | head`, or it is closed
            silence(self._stream)


def silence(stream: TextIO) -> None:
    """Redirect a stream without a reader to nothing: its buffer would be an error when the process ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (AttributeError, OSError, ValueError):
        pass


class _Lines(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        self.show(record.getMessage())


@contextmanager
def log_shown(show: Callable[[str], None]) -> Iterator[None]:
    """Show what musedeep logs for the user, line by line; within another such context, in place of it."""
    outer = [handler for handler in LOG.handlers if isinstance(handler, _Lines)]
    level, own = LOG.level, _Lines(show)
    for handler in outer:
        LOG.removeHandler(handler)
    LOG.addHandler(own)
    LOG.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        LOG.setLevel(level)
        LOG.removeHandler(own)
        for handler in outer:
            LOG.addHandler(handler)
