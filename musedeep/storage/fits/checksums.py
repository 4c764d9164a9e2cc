"""The checksums of a FITS file, read in pieces (FITS standard 4.0, appendix J)."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.storage.fits.header_cards import fold, sum32
from musedeep.storage.fits.headers import BLOCK, HeaderUnit, raw_bytes, value_of

WHOLE: Final = 0xFFFFFFFF
"""The sum of an HDU with a right CHECKSUM, as its words add up; or 0, of words that are all 0."""

_CHUNK: Final = BLOCK * 1024


def data_sum(path: Path, unit: HeaderUnit) -> int:
    """The sum of the data of an HDU, with their fill; MusedeepError if they end too early."""
    total = 0
    with open(path, "rb", buffering=0) as stream:
        for chunk in pieces(path, stream, unit):
            total = fold(total + sum32(chunk))
    return total


def pieces(
    path: Path, stream: io.RawIOBase, unit: HeaderUnit, size: int = _CHUNK, buffers: int = 1
) -> Iterator[memoryview]:
    """The data of an HDU in pieces of whole blocks; raises as `data_sum`.

    A piece is valid until as many more as there are buffers have been taken.
    """
    stream.seek(unit.data_offset)
    left = unit.end - unit.data_offset
    turns = itertools.cycle([memoryview(bytearray(min(size, left))) for _ in range(buffers)])
    while left:
        chunk = next(turns)[: min(size, left)]
        filled = 0
        while filled < len(chunk):
            n = stream.readinto(chunk[filled:])
            if not n:
                raise MusedeepError(f"{path}: truncated data at byte {stream.tell()}; copy or make the file again")
            filled += n
        yield chunk
        left -= len(chunk)


def written_data_sum(unit: HeaderUnit) -> int | None:
    """DATASUM as a header has it; None if there is none, or it is no number."""
    value = str(value_of(unit.header, "DATASUM") or "").strip()
    return int(value) if value.isdecimal() else None


def whole_sum(unit: HeaderUnit, data: int) -> int:
    """The sum of header and data of an HDU; WHOLE or 0 if its CHECKSUM is right."""
    return fold(sum32(raw_bytes(unit.cards)) + data)
