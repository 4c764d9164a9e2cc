"""Errors meant for the person who ran the command."""

import difflib
import os
from collections.abc import Sequence
from typing import Final

DEBUG: Final = "MUSEDEEP_DEBUG"
"""Environment variable: if set (and not 0), unexpected errors show their traceback."""


class MusedeepError(Exception):
    """Bad input or a run that cannot go on.

    The message is one line: which file, keyword or value is wrong, what was expected, what to do.
    The command line prints it alone, without a traceback, and exits with status 1.
    """


def debugging() -> bool:
    """Whether the user wants to see tracebacks, and what libraries say."""
    return os.environ.get(DEBUG, "0") not in ("", "0")


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return text or type(error).__name__


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word closest to a mistyped one, None if nothing is close."""
    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), list(lower), 1, 0.5)
    return lower[near[0]] if near else None
