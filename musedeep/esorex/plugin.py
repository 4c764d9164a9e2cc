"""What the CPL plugin starts: a recipe on the frames of an application such as esorex.

1. The plugin sends its request as lines on standard input. Their fields are separated by tabs; backslash, tab and line
   feed in them are escaped. `cpl-plugin/run.c` has the requests and the answers.
2. What musedeep logs, and its progress, goes back as lines on standard output while the recipe runs.
3. At the end come the products, which are in the working directory, and whether the recipe has failed.
4. The application keeps its end of the channel open. When that closes, the application has gone, and the recipe is
   interrupted: it leaves nothing.

Everything else that is written to standard output goes to standard error.
"""

import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, Final, NoReturn, Self

import musedeep
from musedeep.compiled import announced
from musedeep.declaration import Format, Recipe
from musedeep.errors import MusedeepError
from musedeep.esorex.errors import EsorexProblem
from musedeep.esorex.frames import Frame
from musedeep.esorex.log import OURS
from musedeep.esorex.products import category_of, format_of, moved_here, workplace
from musedeep.esorex.run import MEMORY, outcome_of
from musedeep.graph.workers.interrupts import SIGNALS
from musedeep.progress import LOG
from musedeep.recipes.registry import named
from musedeep.start import set_up_process

SECONDS_TO_CLEAR: Final = 10.0
"""After the application has gone, this process ends within that time [s]."""

LEVELS: Final = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}

_ESCAPES: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_LETTERS: Final = {short[1]: letter for letter, short in _ESCAPES.items()}


def line_of(*fields: str) -> bytes:
    """The line of some fields. What is no text is passed byte for byte, as file systems do."""
    return os.fsencode("\t".join("".join(_ESCAPES.get(c, c) for c in one) for one in fields) + "\n")


def fields_of(line: bytes) -> list[str]:
    """The fields of a line."""
    words = os.fsdecode(line.removesuffix(b"\n")).split("\t")
    return [re.sub(r"\\([\\tn])", lambda match: _LETTERS[match[1]], word) for word in words]


class Refused(Exception):
    """The recipe has failed: a status (`statuses` in `cpl-plugin/run.c`), and the reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Request:
    """What the plugin asks for.

    Attributes
    ----------
    version : of the musedeep that the plugin was made from
    recipe : its name
    parameters : texts by name, of those that differ from their defaults
    frames : files and tags
    """

    version: str = ""
    recipe: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)

    @classmethod
    def read(cls, stream: BinaryIO) -> Self:
        """Read a request to its end.

        Raises
        ------
        Refused
            It ends early, or has a line that this musedeep does not know.
        """
        request = cls()
        for line in iter(stream.readline, b""):
            match fields_of(line):
                case ["plugin", version]:
                    request.version = version
                case ["recipe", name]:
                    request.recipe = name
                case ["parameter", name, value]:
                    request.parameters[name] = value
                case ["frame", tag, path]:
                    request.frames.append(Frame(path, tag))
                case ["run"]:
                    return request
                case other:
                    raise Refused("unsupported", f"unknown request {other}; build the plugin again with this musedeep")
        raise Refused("unspecified", "the request of the plugin ends early")


class Channel(logging.Handler):
    """Answers to the plugin, from any thread; takes what musedeep logs while a recipe runs.

    Attributes
    ----------
    recipe : its name, which stands for functions without one
    place : directory of products in work
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream
        self._sending = threading.Lock()
        self.recipe = "musedeep"
        self.place = ""

    def send(self, *fields: str) -> None:
        """Send a line; nobody hears it when the application has gone."""
        try:
            with self._sending:
                self._stream.write(line_of(*fields))
                self._stream.flush()
        except OSError:
            pass

    def say(self, level: int, text: str, function: str | None = None) -> None:
        """Send a message; `function` is the one that says it."""
        kind = LEVELS[max((one for one in LEVELS if one <= level), default=logging.DEBUG)]
        self.send(kind, function or self.recipe, self.text(text))

    def text(self, text: str) -> str:
        """A text in one line, without the directory of products in work, which users do not know."""
        text = text.replace(f"{self.place}/", "") if self.place else text
        return " ".join(text.split())

    def emit(self, record: logging.LogRecord) -> None:
        """Send what is logged."""
        self.say(record.levelno, record.getMessage().removeprefix(OURS), record.funcName)


def end_with_application(stream: BinaryIO) -> None:
    """Interrupt this process when the application has closed its end of the channel, in a thread of its own."""

    def watch() -> None:
        while os.read(stream.fileno(), 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_CLEAR)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="application", daemon=True).start()


def interrupt_once() -> None:
    """Take the signals that end a process as Ctrl-C; those that follow do not disturb the clearing up."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one in SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:  # nohup, which means it
            signal.signal(one, interrupt)


def run(request: Request, channel: Channel) -> None:
    """Run the recipe in the working directory, and name its products.

    Raises
    ------
    Refused
        There is no such recipe, or some IFUs could not be done.
    MusedeepError
        A parameter is wrong, frames are missing; see the recipe.
    """
    try:
        recipe = named(request.recipe)
    except MusedeepError as error:
        raise Refused("unsupported", str(error)) from None
    if request.version != musedeep.__version__:
        channel.say(
            logging.WARNING,
            f"the plugin was built with musedeep {request.version}, and this is musedeep {musedeep.__version__}; build "
            "it again if parameters are missing or refused",
        )
    with workplace(Path()) as place, announced():
        channel.place = str(place)
        outcome = outcome_of(recipe, request.parameters, request.frames, place, channel)
        names = moved_here(outcome.paths)
    for name in names:
        channel.send("product", name, *facts_of(recipe, category_of(Path(name))))
    for note in outcome.notes:
        channel.say(logging.WARNING, note)
    for failure in outcome.failures.values():
        channel.say(logging.ERROR, failure)
    if outcome.failures:
        numbers = ", ".join(map(str, outcome.failures))
        raise Refused("illegal-output", f"{recipe.name} has failed for IFU {numbers}; the products of others are whole")


def facts_of(recipe: Recipe[Any], tag: str) -> tuple[str, str, str]:
    """Tag, type and level of a product, as CPL has them."""
    kind = format_of(recipe, tag)
    intermediate = kind in (Format.PIXEL_TABLE, Format.STORE) or tag.endswith(("_RED", "_RESAMPLED"))
    return tag, "table" if kind is Format.TABLE else "image", "intermediate" if intermediate else "final"


def answer(stream: BinaryIO, channel: Channel) -> int:
    """Read a request, do what it asks for, and say how that ended; the exit status."""
    try:
        request = Request.read(stream)
        channel.recipe = request.recipe
        interrupt_once()
        end_with_application(stream)
        run(request, channel)
    except Refused as refused:
        status, reason = refused.status, str(refused)
    except EsorexProblem as problem:
        status, reason = "file-io", str(problem)
    except MusedeepError as error:
        status, reason = "illegal-input", str(error)
    except KeyboardInterrupt:
        status, reason = "unspecified", "interrupted"
    except MemoryError:
        status, reason = "unspecified", f"out of memory; set {MEMORY}, as in 2GiB"
    except OSError as error:
        status, reason = "file-io", f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
    except Exception as error:
        status, reason = "unspecified", f"unexpected {type(error).__name__}: {error}"
        for line in traceback.format_exc().splitlines():
            channel.say(logging.DEBUG, line)
    else:
        status, reason = "done", ""
    channel.send("end", status, channel.text(reason))
    return 0 if status == "done" else 1


def main() -> int:
    """Answer the plugin on standard input and output; the exit status."""
    set_up_process()
    # what libraries print is no answer, and processes that are started here have no business with the channel
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    channel = Channel(outgoing)
    LOG.addHandler(channel)
    LOG.setLevel(logging.INFO)
    return answer(incoming, channel)


if __name__ == "__main__":
    sys.exit(main())
