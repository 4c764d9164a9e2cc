"""What the tools share on the command line: options with one dash as in the manual, one line for every mistake."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from musedeep.cli.errors import INTERRUPTED, OK, WRONG_USAGE, UsageProblem, complain, guarded

_NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")


class ToolParser(argparse.ArgumentParser):
    """A parser whose mistakes are one line, and that takes negative numbers of any form as values."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise UsageProblem."""
        raise UsageProblem(f"{self.prog}: {message}; `{self.prog} -h` shows how it is used")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse a command line."""
        # -1e-4 would be taken for an option, -0.0001 is not
        return self.parse_args([f"{Decimal(w):f}" if _NEGATIVE.match(w) else w for w in arguments])

    def output_options(self, picture: bool = False) -> None:
        """Add --overwrite, and for a tool that draws -o."""
        if picture:
            self.add_argument(
                "-o", dest="output", type=Path, metavar="FILE", help="picture to write (PNG ...); else a window"
            )
        self.add_argument("--overwrite", action="store_true", help="replace an existing output")


def range_of_integers(low: int, high: int) -> Callable[[str], int]:
    """A type for integers in a range."""

    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not in {low} to {high}")
        return value

    convert.__name__ = "integer"
    return convert


def flag_value(text: str) -> int:
    """Euro3D flags: a positive 32-bit number, decimal or as 0x100."""
    value = int(text, 0)
    if not 0 < value < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a Euro3D flag, 1 to 4294967295 (32 bits)")
    return value


def run_tool(
    parser: ToolParser, action: Callable[[argparse.Namespace], Any], arguments: Sequence[str] | None = None
) -> int:
    """Parse the command line (default: that of the process) and run a tool; none at all shows how it is used.

    The exit status: 0 done; 1 bad input; 2 wrong usage; 130 interrupted.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if not words:
        parser.print_help(sys.stderr)
        return WRONG_USAGE

    def run() -> int:
        try:
            action(parser.parse(words))
        except KeyboardInterrupt:
            complain("interrupted; nothing was written")
            return INTERRUPTED
        return OK

    return guarded(run)
