"""What the headers of a file say for the catalogue: an exposure, or a product with its quality parameters.

Only the cards that matter are parsed: a raw frame has 1700 of them, and a catalogue has ten thousands of frames.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.exposure import FIELDS, Exposure, completed, is_number, keywords_of
from musedeep.selection.night.classify import number_in, raw_tag, read_out_of, text_in
from musedeep.storage.fits.headers import HeaderUnit, parse_cards, scan_units

_KEYWORDS: Final = sorted({key for name in FIELDS for key in keywords_of(name)})
_PREFIXES: Final = tuple(
    f"HIERARCH {key}" if " " in key else key.ljust(8)
    for key in (*_KEYWORDS, "INSTRUME", "ESO DPR", "ESO PRO", "ESO DET READ", "ESO DET BIN")
)
_QUALITY: Final = "HIERARCH ESO QC "
READERS: Final = 8
"""Files whose headers are read at once."""


@dataclass(frozen=True)
class Product:
    """A file that a recipe made.

    Attributes
    ----------
    path : of the file, absolute
    category : PRO CATG
    recipe, pipeline : PRO RECi ID and PIPE ID of the last recipe
    date_obs, mode, object, ob_id, run : as of its first exposure
    raw : names of its raw frames in the archive, or of their files
    quality : (HDU, keyword without "ESO ", value) of all QC keywords
    """

    path: str
    category: str
    recipe: str
    pipeline: str
    date_obs: str
    mode: str
    object: str
    ob_id: str
    run: str
    raw: tuple[str, ...]
    quality: tuple[tuple[str, str, str | float], ...]


@dataclass(frozen=True)
class FileFacts:
    """What a file holds.

    Attributes
    ----------
    path : absolute
    size : bytes
    content : what it holds, or why it does not belong into a catalogue
    """

    path: str
    size: int
    content: Exposure | Product | str


def read_files(paths: Sequence[Path]) -> Iterator[FileFacts]:
    """Facts of files, in their order, several read at once."""
    with ThreadPoolExecutor(min(READERS, max(len(paths), 1))) as pool:
        yield from pool.map(read_file, paths)


def read_file(path: Path) -> FileFacts:
    """Facts of a file, from its headers alone."""
    place = os.path.abspath(path)
    try:
        size = os.path.getsize(path)
        scan = scan_units(path, unpack=True)
        first = next(scan)
        header = parse_cards([card for card in first.cards if card.startswith(_PREFIXES)])
        if text_in(header, "ESO PRO CATG"):
            return FileFacts(place, size, _product(place, header, [first, *scan]))
        return FileFacts(place, size, _exposure(header))
    except MusedeepError as error:
        return FileFacts(place, 0, str(error).removeprefix(f"{path}: "))
    except OSError as error:
        return FileFacts(place, 0, f"cannot be read ({error.strerror}); check the path and its rights")


def _exposure(header: fits.Header) -> Exposure | str:
    tag, reason = raw_tag(header)
    if not tag:
        return reason
    facts: dict[str, str | float] = {"tag": tag, "read_out": read_out_of(header)}
    for name in FIELDS:
        for key in keywords_of(name):
            value = number_in(header, key) if is_number(name) else text_in(header, key)
            if value == value and value != "":
                facts[name] = value
                break
    return completed(facts)


def _product(path: str, header: fits.Header, units: Sequence[HeaderUnit]) -> Product:
    recipes = (text_in(header, f"ESO PRO REC{number} ID") for number in range(1, 100))
    last = max(len(tuple(iter(lambda: next(recipes, ""), ""))), 1)
    raw = (text_in(header, f"ESO PRO REC1 RAW{number} NAME") for number in range(1, 1000))
    quality = []
    for unit in units:
        hdu = "" if unit is units[0] else unit.name
        cards = parse_cards([card for card in unit.cards if card.startswith(_QUALITY)])
        for card in cards.cards:
            value = card.value
            if isinstance(value, bool | int | float):
                value = float(value)
            quality.append((hdu, card.keyword.removeprefix("ESO "), value if isinstance(value, float) else str(value)))
    return Product(
        path=path,
        category=text_in(header, "ESO PRO CATG"),
        recipe=text_in(header, f"ESO PRO REC{last} ID"),
        pipeline=text_in(header, f"ESO PRO REC{last} PIPE ID"),
        date_obs=text_in(header, "DATE-OBS"),
        mode=text_in(header, "ESO INS MODE"),
        object=text_in(header, "OBJECT"),
        ob_id=text_in(header, "ESO OBS ID"),
        run=text_in(header, "ESO OBS PROG ID"),
        raw=tuple(iter(lambda: next(raw, ""), "")),
        quality=tuple(quality),
    )
