"""Errors meant for the person who ran the command."""


class MusedeepError(Exception):
    """Bad input or a run that cannot go on.

    The message is one line: which file, keyword or value is wrong, what was expected, what to do.
    The command line prints it alone, without a traceback, and exits with status 1.
    """
