"""Header cards as the instrument's dictionary writes them, and the checksums of a finished FITS file."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.copies import shorter
from musedeep.storage.fits.headers import BLOCK, CARD, raw_bytes, scan_file
from musedeep.storage.fits.legal_cards import ascii_text

Card = tuple[str, object, str]
"""Keyword, value and comment, as `card` takes them."""

IMAGE_CLASS: Final[tuple[Card, ...]] = (
    ("HDUCLASS", "ESO", "class name (ESO format)"),
    ("HDUDOC", "DICD", "document with class description"),
    ("HDUVERS", "DICD version 6", "version number (according to spec v2.5.1)"),
    ("HDUCLAS1", "IMAGE", "Image data format"),
)
"""What ESO's dictionary wants of every image extension; then of what it holds:"""
CLASSES: Final[dict[str, tuple[Card, ...]]] = {
    "DATA": (("HDUCLAS2", "DATA", "this extension contains the data itself"),),
    "DQ": (
        ("HDUCLAS2", "QUALITY", "this extension contains bad pixel mask"),
        ("HDUCLAS3", "FLAG32BIT", "extension contains 32bit Euro3D bad pixel information"),
        ("QUALMASK", 4294967295, "all non-zero values are bad"),
    ),
    "STAT": (
        ("HDUCLAS2", "ERROR", "this extension contains variance"),
        ("HDUCLAS3", "MSE", "the extension contains variances (sigma**2)"),
    ),
}
_CONTENTS: Final = {"DATA": "data values", "DQ": "bad pixel status values", "STAT": "data variance"}
_POINTERS: Final = {
    "DATA": ("SCIDATA", "pointer to the data extension"),
    "STAT": ("ERRDATA", "pointer to the variance extension"),
    "DQ": ("QUALDATA", "pointer to the bad pixel mask extension"),
}

_CHUNK = BLOCK * 512
_SUM_BYTES: Final = 1 << 18
"""Read at once for a sum: they stay in the processor's cache."""
_EMPTY_CHECKSUM = "0" * 16


def card(keyword: str, value: Any, comment: str = "") -> fits.Card:
    """A card that fits into its 80 characters: the comment is cut first, then a string value.

    Parameters
    ----------
    keyword : a standard keyword, or an ESO hierarchical one without HIERARCH ("ESO PRO CATG")
    value : str, int, float or bool
        A numpy float32 is written with the seven digits that it has, text as `legal_cards.ascii_text` has it.
    """
    if isinstance(value, np.floating):
        value = float(f"{value:.7g}") if value.dtype == np.float32 else float(value)
    elif isinstance(value, np.integer | np.bool_):
        value = value.item()
    name = f"HIERARCH {keyword}" if keyword.startswith("ESO ") else keyword
    if isinstance(value, str):
        value = ascii_text(value)
        hierarchical = name.startswith("HIERARCH")
        room = CARD - (len(name) + 3 if hierarchical else 10) - 2
        while len(value.replace("'", "''")) > room:
            value = value[:-1]
    image = str(fits.Card(name, value))
    # values of standard keywords are padded to column 30
    room = CARD - max(len(image.rstrip()), 0 if name.startswith("HIERARCH") else 30) - 3
    return fits.Card(name, value, ascii_text(comment)[: max(room, 0)].rstrip() or None)


def add(header: fits.Header, *cards: tuple[str, Any] | tuple[str, Any, str]) -> None:
    """Append cards to a header, each replacing an earlier one of its keyword."""
    for one in cards:
        header.remove(one[0], ignore_missing=True, remove_all=True)
        header.append(card(*one), end=True)


def extension_cards(name: str, kind: str, companions: Mapping[str, str], text: str = "") -> list[Card]:
    """EXTNAME and what ESO's dictionary wants of an image extension.

    Parameters
    ----------
    kind : what it holds: DATA, DQ or STAT
    companions : names of the extensions that belong to it, by what they hold
    text : comment of EXTNAME, where it is not that of the cubes and images of MUSE
    """
    cards = [("EXTNAME", name, text or f"This extension contains {_CONTENTS[kind]}"), *IMAGE_CLASS, *CLASSES[kind]]
    pointers = [(*pointer, companions[held]) for held, pointer in _POINTERS.items() if held in companions]
    return cards + [(keyword, other, comment) for keyword, comment, other in pointers]


def checksum_cards() -> list[fits.Card]:
    """Places for CHECKSUM and DATASUM that `sign` fills."""
    return [
        fits.Card("CHECKSUM", _EMPTY_CHECKSUM, "HDU checksum updated 0000-00-00T00:00:00"),
        fits.Card("DATASUM", "0", "data unit checksum updated 0000-00-00T00:00:00"),
    ]


def header_of(cards: Iterable[Card]) -> fits.Header:
    """A header of cards, with places for its checksums."""
    return fits.Header([card(*one) for one in cards] + checksum_cards())


def keep_checksum_places(header: fits.Header) -> None:
    """Append places for CHECKSUM and DATASUM to a header that has none."""
    for one in checksum_cards():
        if one.keyword not in header:
            header.append(one, end=True)


def free_cards(header: fits.Header) -> fits.Header:
    """The cards that do not describe the structure, the name or the checksums of a file or HDU."""
    kept = header.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM", "DATAMD5", "EXTNAME", "DATE", "PIPEFILE"):
        kept.remove(key, ignore_missing=True)
    return kept


def fold(total: int) -> int:
    """A sum of 32-bit words as their ones' complement sum."""
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def utc_now() -> str:
    """Date and time as cards have them, to the second (UTC)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def date_card(when: str) -> Card:
    """DATE of a file that is made at a time, as `utc_now` gives it."""
    return "DATE", when, "file creation date (YYYY-MM-DDThh:mm:ss UT)"


def sum32(raw: bytes | memoryview | NDArray[np.uint8]) -> int:
    """The ones' complement sum of bytes, taken as big-endian words of 32 bits."""
    return fold(int(np.frombuffer(raw, ">u4").sum(dtype=np.uint64)))


def sum_of_file(descriptor: int, begin: int, size: int, path: Path, position: int = 0) -> int:
    """The ones' complement sum of bytes of a file.

    Parameters
    ----------
    descriptor : int, of the open file
    begin, size : int, which bytes
    path : Path, for messages
    position : int, where they stand in the data unit whose sum they are a part of

    Raises
    ------
    MusedeepError
        The file ends before.
    """
    buffer = memoryview(bytearray(_SUM_BYTES))
    total = 0
    while size:
        n = os.preadv(descriptor, [buffer[: min(size, _SUM_BYTES)]], begin)
        if not n:
            raise shorter(path)
        total += sum_at(np.frombuffer(buffer[:n], np.uint8), position)
        begin, position, size = begin + n, position + n, size - n
    return fold(total)


def sum_at(raw: NDArray[np.uint8], position: int) -> int:
    """The ones' complement sum of bytes that stand at a position of a data unit."""
    # words of four bytes, of which they may begin and end with a part
    lead, tail = position % 4, -(position + raw.size) % 4
    if lead or tail:
        raw = np.concatenate([np.zeros(lead, np.uint8), raw, np.zeros(tail, np.uint8)])
    return sum32(raw)


def encode_checksum(total: int) -> str:
    """The 16 characters of CHECKSUM for the ones' complement sum of an HDU (FITS standard 4.0, appendix J)."""
    value = ~total & 0xFFFFFFFF
    punctuation = set(range(0x3A, 0x41)) | set(range(0x5B, 0x61))
    characters = [0] * 16
    for i in range(4):
        byte = (value >> (24 - 8 * i)) & 0xFF
        quarter = [byte // 4 + 0x30] * 4
        quarter[0] += byte % 4
        while any(c in punctuation for c in quarter):
            for j in (0, 2):
                if quarter[j] in punctuation or quarter[j + 1] in punctuation:
                    quarter[j] += 1
                    quarter[j + 1] -= 1
        for j in range(4):
            characters[4 * j + i] = quarter[j]
    text = "".join(map(chr, characters))
    return text[-1] + text[:-1]


def sign(path: Path) -> None:
    """Fill in CHECKSUM and DATASUM of every HDU, and DATAMD5 of the primary one, where the headers have them.

    One pass over the file with constant memory. CHECKSUM and DATASUM are those of the FITS standard; DATAMD5 is
    the MD5 sum of the data units of all HDUs, in order, with their padding.

    Raises
    ------
    MusedeepError
        The file is truncated.
    """
    now = utc_now()
    digest = hashlib.md5(usedforsecurity=False)
    units, sums = scan_file(path), []
    buffer = memoryview(bytearray(_CHUNK))
    with open(path, "r+b") as stream:
        for unit in units:
            stream.seek(unit.data_offset)
            left, total = unit.end - unit.data_offset, 0
            while left:
                chunk = buffer[: stream.readinto(buffer[: min(_CHUNK, left)])]
                if len(chunk) % BLOCK or not chunk:
                    raise MusedeepError(f"{path}: truncated data at byte {stream.tell()}; write the file again")
                digest.update(chunk)
                total = fold(total + sum32(chunk))
                left -= len(chunk)
            sums.append(total)
        for unit, total in zip(units, sums, strict=True):
            stream.seek(unit.offset)
            stream.write(signed_header(unit.cards, total, now, "" if unit.offset else digest.hexdigest()))
        stream.flush()
        os.fsync(stream.fileno())


def signed_header(raw: Sequence[str], data_sum: int, now: str, digest: str = "") -> bytes:
    """The bytes of a header whose cards have CHECKSUM, DATASUM and, given a `digest`, DATAMD5 filled in, if there.

    Parameters
    ----------
    raw : cards as they stand in the file
    data_sum : ones' complement sum of the data unit
    now : the time, for comments
    digest : MD5 sum of the data units of the whole file, for a primary header
    """
    cards = list(raw)
    if digest:
        _put(cards, fits.Card("DATAMD5", digest, "MD5 checksum"))
    _put(cards, fits.Card("DATASUM", str(data_sum), f"data unit checksum updated {now}"))
    if _put(cards, fits.Card("CHECKSUM", _EMPTY_CHECKSUM, f"HDU checksum updated {now}")):
        code = encode_checksum(fold(sum32(raw_bytes(cards)) + data_sum))
        _put(cards, fits.Card("CHECKSUM", code, f"HDU checksum updated {now}"))
    return raw_bytes(cards)


def _put(cards: list[str], new: fits.Card) -> bool:
    """Put a card into the place of its keyword, if there is one."""
    places = [k for k, one in enumerate(cards) if one.startswith(f"{new.keyword:8}=")]
    for k in places[:1]:
        cards[k] = str(new)
    return bool(places)
