"""Stand-in of `cpl.core`: messages and errors."""

import enum
import sys


class Msg:
    """Messages to the terminal, from INFO on; warnings and errors go to standard error."""

    @staticmethod
    def _send(stream, mark, component, message):
        for word in (component, message):
            if not isinstance(word, str):
                raise TypeError(f"incompatible function arguments: {word!r} is not a str")
        if stream is not None:
            print(f"[{mark}] {message}", file=stream)

    @staticmethod
    def debug(component, message):
        Msg._send(None, " DEBUG ", component, message)

    @staticmethod
    def info(component, message):
        Msg._send(sys.stdout, " INFO  ", component, message)

    @staticmethod
    def warning(component, message):
        Msg._send(sys.stderr, "WARNING", component, message)

    @staticmethod
    def error(component, message):
        Msg._send(sys.stderr, " ERROR ", component, message)


class Type(enum.Enum):
    """Types of CPL that parameters have."""

    BOOL = 128
    INT = 1024
    DOUBLE = 131072
    STRING = 33


class Error(Exception):
    """Base of all errors; only those below are raised."""

    code: int

    def __init__(self, message):
        if not isinstance(message, str):
            raise TypeError(f"Expected a str, not {message!r}")
        super().__init__(message)
        self.message = message


def _error(name, code, base):
    return type(name, (Error, base), {"code": code, "__module__": __name__})


FileIOError = _error("FileIOError", 5, RuntimeError)
FileNotFoundError = _error("FileNotFoundError", 9, RuntimeError)
DataNotFoundError = _error("DataNotFoundError", 10, RuntimeError)
IllegalInputError = _error("IllegalInputError", 14, ValueError)
IllegalOutputError = _error("IllegalOutputError", 15, RuntimeError)
UnspecifiedError = _error("UnspecifiedError", 1, RuntimeError)
