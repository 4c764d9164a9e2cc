"""Errors meant for the person who ran the command."""


class MusedeepError(Exception):
    """Bad input or a run that cannot go on.

    The message is one line: which file, keyword or value is wrong, what was expected, what to do.
    The command line prints it alone, without a traceback, and exits with status 1.
    """


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return text or type(error).__name__
