"""FITS headers as they stand in a file: the raw 80-character cards beside the parsed header, and its values."""

import gzip
import itertools
import math
import re
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.io.fits.card import Undefined

from musedeep.errors import MusedeepError
from musedeep.storage.fits.legal_cards import legal_cards
from musedeep.storage.fits.packed import GZIP, packing_of

BLOCK = 2880
CARD = 80
_CARDS = BLOCK // CARD
_BITPIX = (8, 16, 32, 64, -32, -64)
_COUNTED = ("BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS")
_PLAIN_INTEGER = re.compile("(?=.{8}= )([A-Z0-9]+) *= +(-?[0-9]{1,18}) *(/.*)?")
_PLAIN_EXTNAME = re.compile("EXTNAME = '([^']*)' *(/.*)?")
_STRUCTURE = ("BITPIX  =", "NAXIS", "PCOUNT  =", "GCOUNT  =", "TFIELDS =")
_PIXTABLE = "ESO DRS MUSE PIXTABLE "
_END = "END".ljust(CARD)
WATER = "ESO TEL AMBI IWV"
"""Precipitable water at the zenith [mm], with START and END."""
_MOST_CARDS = 1_000_000
"""Of a header; more is no header, and would fill the memory."""


@dataclass(frozen=True)
class HeaderUnit:
    """Header and place of one HDU of a file: raw cards of its blocks, with END and fill; where it begins [bytes]."""

    cards: tuple[str, ...]
    offset: int

    @cached_property
    def header(self) -> fits.Header:
        """The parsed header."""
        return parse_cards(self.cards)

    @property
    def data_offset(self) -> int:
        """Where the data begin [bytes]."""
        return self.offset + len(self.cards) * CARD

    @cached_property
    def data_bytes(self) -> int:
        """Bytes of data, without the fill of the last block (FITS standard 4.4.1)."""
        given: dict[str, str] = {}
        for card in self.cards:
            # astropy takes the last of them here and the first there, and would count to any number of axes
            if card.startswith(_STRUCTURE) and given.setdefault(card[:8], card[8:30]) != card[8:30]:
                raise ValueError(f"{card[:8].strip()} is given twice")
        # the cards that matter come first (FITS standard 4.4.1), and often there are no others
        h: Mapping[str, Any] | fits.Header | None = _plain_integers(self.cards[:_CARDS])
        if h is None:
            h = self.header if len(self.cards) == _CARDS else parse_cards((*self.cards[:_CARDS], _END))
        # astropy makes as many columns, whatever the number
        _size(h, "TFIELDS", 0, 999)
        lengths = [_size(h, f"NAXIS{i + 1}") for i in range(_size(h, "NAXIS", most=999))]
        if not lengths:
            return 0
        if h["BITPIX"] not in _BITPIX:
            raise ValueError(f"BITPIX is {h['BITPIX']}")
        return abs(h["BITPIX"]) // 8 * _size(h, "GCOUNT", 1) * (_size(h, "PCOUNT", 0) + math.prod(lengths))

    @property
    def end(self) -> int:
        """Where the next HDU begins [bytes]."""
        return self.data_offset + -(-self.data_bytes // BLOCK) * BLOCK

    @property
    def name(self) -> str:
        """EXTNAME as written, empty if there is none; from its card alone: to parse a header takes longer."""
        cards = [card for card in self.cards if card.startswith("EXTNAME ")][:1]
        if cards and (plain := _PLAIN_EXTNAME.fullmatch(cards[0])):
            return plain[1].strip()
        return text_of(parse_cards(cards), "EXTNAME", "", "")


def _plain_integers(cards: Sequence[str]) -> dict[str, int] | None:
    """The integers that say how large the data are, or None where one is written in an uncommon way.

    astropy takes 0.5 ms for these cards, which are most of the time in which a pixel table is opened.
    """
    found: dict[str, int] = {}
    for card in cards:
        if card.lstrip().upper().startswith(_COUNTED):
            plain = _PLAIN_INTEGER.fullmatch(card)
            if plain is None:
                return None
            found[plain[1]] = int(plain[2])
    axes = found.get("NAXIS", -1)
    whole = 0 <= axes < len(cards) and {"BITPIX", *(f"NAXIS{k + 1}" for k in range(axes))} <= found.keys()
    return found if whole else None


def _size(header: Mapping[str, Any] | fits.Header, key: str, default: int | None = None, most: int = 2**62) -> int:
    value = header[key] if default is None else header.get(key, default)
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{key} is {value}")
    return value


def parse_cards(cards: Sequence[str]) -> fits.Header:
    """The header that these raw cards make; those that are not legal FITS are made so (`legal_cards`)."""
    return fits.Header.fromstring("".join(legal_cards(cards)))


class SharedHeader:
    """A header shared while somebody holds it, and read again otherwise: that of a pixel table may have 1200 cards."""

    def __init__(self, read: Callable[[], Sequence[str]]) -> None:
        self._read = read
        self._held: Callable[[], fits.Header | None] = lambda: None

    def get(self) -> fits.Header:
        """The header."""
        header = self._held()
        if header is None:
            header = parse_cards(self._read())
            self._held = weakref.ref(header)
        return header


def parse_facts(cards: Sequence[str]) -> fits.Header:
    """The header without the 1152 offsets of slices, which take most of the time to parse."""
    return parse_cards([card for card in cards if " XOFFSET" not in card])


def raw_bytes(cards: Sequence[str]) -> bytes:
    """Cards as they stand in a file; inverse of what `scan_file` reads."""
    return "".join(cards).encode("latin-1")


def raw_cards(raw: bytes) -> tuple[str, ...]:
    """The cards of a header as it stands in a file; inverse of `raw_bytes`."""
    text = raw.decode("latin-1")
    return tuple(text[i : i + CARD] for i in range(0, len(text), CARD))


def header_cards(header: fits.Header) -> tuple[str, ...]:
    """Raw cards of a header, with END and blank fill."""
    return raw_cards(header.tostring(sep="", endcard=True, padding=True).encode("ascii"))


def scan_file(path: Path) -> list[HeaderUnit]:
    """All headers of a FITS file that is not packed; no data are read.

    Raises
    ------
    MusedeepError
        The file cannot be read, is packed or no FITS file, or ends before its last HDU does.
    """
    return list(scan_units(path))


def scan_units(path: Path, unpack: bool = False) -> Iterator[HeaderUnit]:
    """The headers of a FITS file, one after the other.

    Parameters
    ----------
    unpack : read a file packed by gzip as well, from its unpacked stream (see `open_unpacked`), where the offsets are

    Raises
    ------
    MusedeepError
        The file cannot be read, is packed in a way that is not read, is no FITS file, or ends before an HDU does.
    """
    number = 0
    try:
        size = path.stat().st_size
        if size == 0:
            raise MusedeepError(f"{path}: empty file; copy or make it again")
        packing = packing_of(path)
        if packing and not (unpack and packing == GZIP):
            raise packing.refusal(path)
        position = 0
        with open_unpacked(path) if packing else open(path, "rb") as stream:
            # the length of a packed file is known at its end
            while packing or position < size:
                unit = _read_unit(path, stream, position, "a packed file" if packing else size, first=not number)
                if unit is None:
                    break
                stop = unit.data_offset + unit.data_bytes
                if not packing and stop > size:
                    raise _truncated(path, size, number, unit, stop)
                yield unit
                if packing and (reached := stream.seek(stop)) < stop:
                    raise _truncated(path, reached, number, unit, stop)
                position = unit.end
                number += 1
    except (ValueError, KeyError, TypeError, fits.VerifyError) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise MusedeepError(f"{path}: HDU {number} has no valid FITS header ({reason}); make it again") from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def primary_cards(path: Path) -> tuple[str, ...]:
    """The raw cards of the primary header of a FITS file that is not packed; raises as `scan_units`."""
    return next(scan_units(path)).cards


def primary_header(path: Path) -> fits.Header:
    """The primary header of a FITS file, packed by gzip or not; raises as `scan_units`."""
    return next(scan_units(path, unpack=True)).header


def open_unpacked(path: Path) -> gzip.GzipFile:
    """The unpacked stream of a file packed by gzip; to seek in it is to unpack what lies before."""
    return gzip.open(path, "rb")


def unreadable(path: Path, error: Exception) -> MusedeepError:
    """The error to raise for one that came up while a file was read."""
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return MusedeepError(f"{path}: the packed file is damaged or cut off ({error}); copy it again")
    reason = getattr(error, "strerror", None) or str(error)
    return MusedeepError(f"{path}: cannot be read ({reason}); check the path and its rights")


def _truncated(path: Path, size: int, number: int, unit: HeaderUnit, stop: int) -> MusedeepError:
    return MusedeepError(
        f"{path}: truncated, has {size} bytes but HDU {number} ({unit.name or 'no EXTNAME'}) ends at {stop}; "
        "copy or make it again"
    )


def _read_unit(path: Path, stream, position: int, size: int | str, first: bool) -> HeaderUnit | None:  # type: ignore[no-untyped-def]
    """The header at a position; None at the fill some programs leave after the last HDU."""
    stream.seek(position)
    cards: list[str] = []
    while True:
        block = stream.read(BLOCK)
        if not cards:
            start = block[:CARD]
            if not start.startswith(b"SIMPLE  =" if first else b"XTENSION= '") or (
                first and start[9:].split()[:1] != [b"T"]
            ):
                if not first and not block.strip(b"\0 "):
                    return None
                raise MusedeepError(
                    f"{path}: no FITS header at byte {position} of {size}; give a FITS file, or copy it again"
                )
        if len(block) < BLOCK:
            raise MusedeepError(
                f"{path}: truncated, ends inside the header at byte {position} of {size}; copy or make it again"
            )
        if len(cards) > _MOST_CARDS:
            raise MusedeepError(f"{path}: the header at byte {position} of {size} has no END; copy or make it again")
        text = block.decode("latin-1")
        cards += [text[i : i + CARD] for i in range(0, BLOCK, CARD)]
        if _END in cards[-BLOCK // CARD :]:
            return HeaderUnit(tuple(cards), position)


def value_of(header: fits.Header, key: str) -> str | bool | int | float | complex | None:
    """The value of a keyword; None where it is missing or has no value."""
    value = header.get(key)
    return None if isinstance(value, Undefined) else value


def number_or_none(header: fits.Header, key: str) -> float | None:
    """The value of a keyword if it is a finite number, for what can be done without."""
    value = value_of(header, key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def mean_of_ends(header: fits.Header, key: str) -> float | None:
    """Mean of a keyword at START and END of an exposure, as far as they are positive numbers; None if neither is."""
    ends = [number_or_none(header, f"{key} {end}") for end in ("START", "END")]
    found = [value for value in ends if value is not None and value > 0.0]
    return sum(found) / len(found) if found else None


def number_of(
    header: fits.Header,
    key: str,
    path: object,
    default: float | None = None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
) -> float:
    """The value of a keyword that has to be a finite number.

    Parameters
    ----------
    header : of `parse_cards`
    path : the file, for messages
    default : for a header without the keyword; default: it has to be there
    low, high : the number lies in [low, high]

    Raises
    ------
    MusedeepError
        The keyword is missing, or is no such number.
    """
    value = value_of(header, key)
    if value is None:
        if default is None:
            raise MusedeepError(f"{path}: keyword {key} is missing in the header; restore it")
        return default
    found = number_or_none(header, key)
    if found is None or not low <= found <= high:
        span = "" if -low == high == math.inf else f" from {low:g} to {high:g}" if high < math.inf else f" >= {low:g}"
        raise MusedeepError(f"{path}: keyword {key} is {value!r}, expected a number{span}; correct it")
    return found


def integer_of(
    header: fits.Header, key: str, path: object, default: int | None = None, *, low: int = 0, high: int = 2**62
) -> int:
    """The same for a whole number; a float is one if it has no fraction."""
    found = number_of(header, key, path, default, low=low, high=high)
    if found != int(found):
        raise MusedeepError(f"{path}: keyword {key} is {found!r}, expected a whole number; correct it")
    value = value_of(header, key)
    return value if isinstance(value, int) else int(found)


def text_of(header: fits.Header, key: str, path: object, default: str | None = None) -> str:
    """The value of a keyword as text, without blanks around it; see `number_of`.

    A number or logical value is taken as it is written in Python.

    Raises
    ------
    MusedeepError
        The keyword is missing or empty, and there is no default.
    """
    found = str("" if (value := value_of(header, key)) is None else value).strip()
    if found:
        return found
    if default is None:
        raise MusedeepError(
            f"{path}: keyword {key} is {'empty' if key in header else 'missing'} in the header; restore it"
        )
    return default


def merge_headers(headers: Sequence[fits.Header]) -> fits.Header:
    """Primary header of one exposure from those of its per-IFU pixel tables.

    The first header, with the limits of all (also those before the correction of the refraction), the sum of MERGED,
    and the slice offsets of every IFU; checksums of the single files are dropped.
    """
    if len(headers) == 1:
        return headers[0]
    merged = headers[0].copy()
    for key in ("DATAMD5", "CHECKSUM", "DATASUM"):
        merged.remove(key, ignore_missing=True)
    limits = [f"LIMITS {axis} {{}}" for axis in ("X", "Y", "LAMBDA", "IFU", "SLICE")]
    before = [f"PREDAR LIMITS {axis}{{}}" for axis in ("X", "Y")]
    for keys, ends in ((limits, ("LOW", "HIGH")), (before, ("LO", "HI"))):
        for pattern, (end, choose) in itertools.product(keys, zip(ends, (min, max), strict=True)):
            key = _PIXTABLE + pattern.format(end)
            values = [h[key] for h in headers if number_or_none(h, key) is not None]
            if values:
                merged[_hierarch(key)] = choose(values)
    key = f"{_PIXTABLE}MERGED"
    if any(key in h for h in headers):
        merged[_hierarch(key)] = int(sum(number_or_none(h, key) or 1 for h in headers))
    for header in headers[1:]:
        for card in header.cards:
            if card.keyword.startswith(f"{_PIXTABLE}EXP") and card.keyword not in merged:
                merged.append((_hierarch(card.keyword), card.value, card.comment), end=True)
    return merged


def _hierarch(key: str) -> str:
    return "HIERARCH " + key
