"""Which voxels of a cube a piece has, where several runs make a cube that need nothing of each other.

There are pieces of wavelength (2/8: all of the field in some of the planes), and pieces of the field (4/3x2: all planes
of a rectangle of the field, which is divided into so many columns and lines of rectangles).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from musedeep.errors import MusedeepError

PIECE: Final = "ESO DRS MUSE PIECE "
"""Begins the keywords that say of a piece which it is: NUMBER, TOTAL, FIELD, FIRST, PLANES, LINE, LINES and so on."""

Ranges = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Planes, lines and columns [first, last) of a cube."""

AXES: Final = ("planes", "lines", "columns")

MOST: Final = 999_999
"""Pieces of a cube."""

_DIVISION: Final = re.compile(r"([0-9]{1,6})(?:x([0-9]{1,6}))?")
_TEXT: Final = re.compile(r"([0-9]{1,6})/([0-9x]{1,13})")
_NAME: Final = re.compile(r"piece-([0-9]{1,6})-of-([0-9x]{1,13})")


def ranges_of(values: Sequence[Sequence[int]]) -> Ranges:
    """Ranges as JSON has them."""
    (z0, z1), (y0, y1), (x0, x1) = values
    return (z0, z1), (y0, y1), (x0, x1)


@dataclass(frozen=True)
class Division:
    """How a cube is divided: into pieces of wavelength, or of the field (`columns` by `lines` of them)."""

    planes: int = 1
    columns: int = 1
    lines: int = 1
    spatial: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MOST or (self.spatial and self.planes > 1):
            raise ValueError(str(self))

    @staticmethod
    def parse(text: str) -> "Division":
        """That of a text like 8 or 3x2 (columns, then lines); ValueError for any other."""
        match = _DIVISION.fullmatch(text)
        if not match:
            raise ValueError(text)
        if match[2] is None:
            return Division(planes=int(match[1]))
        return Division(columns=int(match[1]), lines=int(match[2]), spatial=True)

    @property
    def number(self) -> int:
        """Of the pieces."""
        return prod((self.planes, self.lines, self.columns))

    def shares(self) -> "list[Share]":
        """All pieces."""
        return [Share(number, self) for number in range(1, self.number + 1)]

    def __str__(self) -> str:
        return f"{self.columns}x{self.lines}" if self.spatial else str(self.planes)


@dataclass(frozen=True)
class Share:
    """Piece `number` (from 1) of those of a division, which are equally large, or one plane, line or column larger.

    Pieces of the field count along the columns first, from the first line on.
    """

    number: int
    of: Division

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of.number:
            raise ValueError(f"piece {self.number} of {self.of}")

    @staticmethod
    def parse(text: str) -> "Share":
        """The piece that a text like 2/8 or 4/3x2 names; ValueError for any other."""
        match = _TEXT.fullmatch(text)
        if not match:
            raise ValueError(text)
        return Share(int(match[1]), Division.parse(match[2]))

    @staticmethod
    def of_name(name: str) -> "Share | None":
        """The piece that is in a directory of this name; None if it is not the name of one."""
        match = _NAME.fullmatch(name)
        try:
            return Share(int(match[1]), Division.parse(match[2])) if match else None
        except ValueError:
            return None

    @property
    def name(self) -> str:
        """Name of the directory of the piece."""
        return f"piece-{self.number}-of-{self.of}"

    def part(self, shape: tuple[int, int, int]) -> Ranges:
        """Its voxels, of a cube of so many planes, lines and columns.

        Raises
        ------
        MusedeepError
            There are fewer planes, lines or columns than pieces.
        """
        into = self.of.planes, self.of.lines, self.of.columns
        for axis, n, pieces in zip(AXES, shape, into, strict=True):
            if pieces > n:
                raise MusedeepError(f"the cube has {n} {axis}: they make no {pieces} pieces; ask for {n} at most")
        # the columns run fastest
        lines, column = divmod(self.number - 1, self.of.columns)
        places = (*divmod(lines, self.of.lines), column)
        return ranges_of(
            [
                (place * n // pieces, (place + 1) * n // pieces)
                for place, n, pieces in zip(places, shape, into, strict=True)
            ]
        )

    def __str__(self) -> str:
        return f"piece {self.number} of {self.of}"
