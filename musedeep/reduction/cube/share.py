"""Which planes of a cube a piece has, where several runs make a cube that need nothing of each other."""

import re
from dataclasses import dataclass
from typing import Final

from musedeep.errors import MusedeepError

PIECE: Final = "ESO DRS MUSE PIECE "
"""Begins the keywords that say of a piece which it is: NUMBER, TOTAL, FIRST, PLANES, JOB."""

_TEXT: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_NAME: Final = re.compile(r"piece-([0-9]{1,6})-of-([0-9]{1,6})")


@dataclass(frozen=True)
class Share:
    """Piece `number` (from 1) of `of` pieces, which have equal numbers of planes, or one more."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"piece {self.number} of {self.of}")

    @staticmethod
    def parse(text: str) -> "Share":
        """The piece that a text like 2/8 names; ValueError for any other."""
        match = _TEXT.fullmatch(text)
        if not match:
            raise ValueError(text)
        return Share(int(match[1]), int(match[2]))

    @staticmethod
    def of_name(name: str) -> "Share | None":
        """The piece that is in a directory of this name; None if it is not the name of one."""
        match = _NAME.fullmatch(name)
        try:
            return Share(int(match[1]), int(match[2])) if match else None
        except ValueError:
            return None

    @property
    def name(self) -> str:
        """Name of the directory of the piece."""
        return f"piece-{self.number}-of-{self.of}"

    def planes(self, total: int) -> tuple[int, int]:
        """Its first plane and the one after its last, of a cube of so many planes.

        Raises
        ------
        MusedeepError
            There are fewer planes than pieces.
        """
        if self.of > total:
            raise MusedeepError(f"the cube has {total} planes: they make no {self.of} pieces; ask for {total} at most")
        return (self.number - 1) * total // self.of, self.number * total // self.of

    def __str__(self) -> str:
        return f"piece {self.number} of {self.of}"
