"""What esorex refuses: exit status, and the lines that it prints."""

import logging
from typing import Final

from musedeep.errors import MusedeepError

REFUSED: Final = 255
"""Exit status for options and values, directories and files that are named and missing, and recipes that fail."""

UNKNOWN_RECIPE: Final = 13
NO_FRAMES: Final = 9
"""A set-of-frames, or a file in it, cannot be opened."""

UNKNOWN_PARAMETER: Final = 250
"""In a configuration file, as the next ones."""

WRONG_VALUE: Final = 251
UNESCAPED_QUOTE: Final = 252
QUOTES_DIFFER: Final = 253

NO_ASSIGNMENT: Final = 254
"""A line is not key=value."""

Line = tuple[int, str]
"""Level of `logging`, and text."""


class EsorexProblem(MusedeepError):
    """A call that ends here.

    Parameters
    ----------
    status : exit status
    lines : what is printed, in order; texts without a level are errors
    """

    def __init__(self, status: int, *lines: str | Line) -> None:
        self.status = status
        self.lines: tuple[Line, ...] = tuple((logging.ERROR, line) if isinstance(line, str) else line for line in lines)
        super().__init__("; ".join(text for _, text in self.lines))
