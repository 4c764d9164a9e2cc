"""Exit statuses, and the line that the user reads after an error."""

import io
import logging
import sys
import traceback
from collections.abc import Callable

from musedeep.cli.output import Output, log_shown, silence
from musedeep.errors import MusedeepError, debugging
from musedeep.progress import LOG

OK, BAD_INPUT, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class Interrupted(Exception):
    """The user has interrupted work that does not resume; the message says what remains of it."""


class UsageProblem(Exception):
    """The command line is wrong: an unknown option or parameter, or a value it does not take."""


def complain(message: str, level: int = logging.ERROR) -> None:
    """Log one line, which the user sees on standard error."""
    LOG.log(level, "musedeep: %s", " ".join(message.split()))


def guarded(action: Callable[[], int | None]) -> int:
    """Run a command; an exception becomes one line and an exit status, which is returned.

    It may raise MusedeepError (status 1), UsageProblem (status 2), KeyboardInterrupt or Interrupted (status 130).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be text of this terminal
    with log_shown(Output().line):
        return _guarded(action)


def _guarded(action: Callable[[], int | None]) -> int:
    try:
        return action() or OK
    except UsageProblem as error:
        complain(str(error))
        return WRONG_USAGE
    except Interrupted as error:
        complain(str(error))
        return INTERRUPTED
    except KeyboardInterrupt:
        complain("interrupted; the same command resumes where it stopped")
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone (as in `| head`): nothing to say, and nowhere to say it
        silence(sys.stdout)
        return BAD_INPUT
    except Exception as error:
        complain(_line(error))
        # a traceback is for us, not for the user
        if debugging():
            traceback.print_exc()
        return BAD_INPUT


def _line(error: Exception) -> str:
    if isinstance(error, MusedeepError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!a}: not a text of this locale, which has {error.encoding}; set LC_ALL=C.UTF-8"
    if isinstance(error, MemoryError):
        return "out of memory; give a smaller --memory or fewer --workers, and start again to resume"
    text = str(error).strip().splitlines()
    return f"unexpected {type(error).__name__}: {text[0] if text else 'no message'} (musedeep --debug shows where)"
