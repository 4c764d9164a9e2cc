"""Files packed by gzip and other programs, told by their first bytes: their names may be anything."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError


@dataclass(frozen=True)
class Packing:
    """How a file is packed: the program that packed it, and the command that unpacks it."""

    program: str
    unpack: str

    def refusal(self, path: Path) -> MusedeepError:
        """The error of a reader that takes unpacked files only."""
        return MusedeepError(f"{path}: packed by {self.program}; unpack it with {self.unpack} and give the result")


GZIP: Final = Packing("gzip", "gunzip")

_FIRST_BYTES: Final = {
    b"\x1f\x8b": GZIP,
    b"\x1f\x9d": Packing("compress", "uncompress"),
    b"BZh": Packing("bzip2", "bunzip2"),
    b"\xfd7zXZ\0": Packing("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": Packing("zstd", "unzstd"),
    b"PK\x03\x04": Packing("zip", "unzip"),
}


def packing_of(path: Path) -> Packing | None:
    """How a file is packed; None if it is not; raises OSError if it cannot be read."""
    with open(path, "rb") as stream:
        start = stream.read(max(map(len, _FIRST_BYTES)))
    return next((found for first, found in _FIRST_BYTES.items() if start.startswith(first)), None)
