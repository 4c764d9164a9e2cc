"""Headers of the products of recipes on raw frames.

As the reference writes them: the cards of the first raw frame, of its primary header and of the IFU's extension
(without the sizes of pre- and overscan), EXTNAME of the IFU, and the record of this step. PIPE ID and DRS ID name
musedeep.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from astropy.io import fits

from musedeep.declaration import P, Recipe, Scope
from musedeep.reduction.headers.cards import Card, ordered, recipe_cards
from musedeep.storage.fits.header_cards import card, date_card, utc_now
from musedeep.storage.fits.headers import primary_header
from musedeep.storage.raw.file import IFU_NAMES, extension_name
from musedeep.storage.raw.frames import RawFrame

_DROPPED = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|INHERIT|EXTNAME|CHECKSUM|DATASUM|DATAMD5|"
    r"PIPEFILE|DATE|ORIGFILE|ESO DPR .*|ESO DET OUT\d+ (PRSC|OVSC)[XY]|Z[A-Z]+\d*|T[A-Z]+\d+|TFIELDS|)$"
)
_RECORD = re.compile(r"ESO PRO REC(\d+) ID$")

RAW_TAGS = ("OBJECT", "STD", "SKY", "ASTROMETRY", "REDUCED", "SKYFLAT", "ILLUM")
"""Tags of frames that are no calibrations, of recipes that take several kinds."""


def product_header(
    recipe: Recipe[P],
    frame: RawFrame,
    category: str,
    file_name: str,
    frames: Mapping[str, Sequence[str]],
    parameters: P,
    extra: Sequence[Card] = (),
    raws: Sequence[tuple[str | Path, str]] | None = None,
    science: bool = False,
) -> fits.Header:
    """Primary header of a product of one IFU.

    Parameters
    ----------
    frame : the first raw frame
    category : PRO CATG
    file_name : PIPEFILE
    frames : the first tag of the recipe is that of the raw frames. Calibrations of other IFUs are not recorded, if the
        recipe works on each IFU by itself
    parameters : of the recipe, all
    extra : sequence of (keyword without HIERARCH, value, comment), quality control and others
    raws : sequence of (file, tag), the raw frames of this product, where they are not all those of the first tag
    science : PRO SCIENCE

    Returns
    -------
    fits.Header, with places for DATAMD5, CHECKSUM and DATASUM, to be filled by `header_cards.sign`
    """
    kept = [
        copy.copy(c) for header in (frame.primary, frame.header) for c in header.cards if not _DROPPED.match(c.keyword)
    ]
    if raws is None:
        raw_tag = recipe.inputs[0].name
        used = [(Path(p).name, raw_tag) for p in frames[raw_tag]]
        files = [(Path(p), name) for name in sorted(t.name for t in recipe.inputs[1:]) for p in frames.get(name, ())]
    else:
        used = [(Path(p).name, tag) for p, tag in raws]
        files = [(Path(p), tag) for tag in sorted(frames) if tag not in RAW_TAGS for p in frames[tag]]
    if recipe.scope is Scope.IFU:
        files = [(path, tag) for path, tag in files if not of_another(path, frame.ifu)]
    calibrations = [(path.name, tag) for path, tag in files]
    # a frame that is a product itself carries the record of its own making
    before = (_RECORD.match(c.keyword) for c in kept)
    number = max((int(match[1]) for match in before if match), default=0) + 1
    now = utc_now()
    cards: list[Card] = [
        ("EXTNAME", extension_name(frame.ifu), "extension name"),
        ("DATAMD5", "0" * 32, "MD5 checksum"),
        ("PIPEFILE", file_name, "Filename of data product"),
        ("ESO PRO DID", "PRO-1.16", "Data dictionary for PRO"),
        ("ESO PRO CATG", category, "Category of pipeline product frame"),
        ("ESO PRO TYPE", "REDUCED", "Product type"),
        ("ESO PRO TECH", "IFU", "Observation technique"),
        ("ESO PRO SCIENCE", science, "Scientific product if T"),
        *recipe_cards(recipe, number, used, calibrations, parameters),
        *checksum_cards_of([path for path, _ in files], number),
        ("ESO PRO DATANCOM", len(used), "Number of combined frames"),
        *extra,
    ]
    if "ARCFILE" in frame.primary:
        cards.append(("ESO PRO ANCESTOR", frame.primary["ARCFILE"], ""))
    date = card(*date_card(now))
    return ordered([date, *kept, *(card(*c) for c in cards)])


def of_another(path: Path, ifu: int) -> bool:
    """Whether a file is of an IFU other than `ifu` (0: all), as EXTNAME of its primary header tells."""
    name = primary_header(path).get("EXTNAME")
    return ifu > 0 and name in IFU_NAMES and name != extension_name(ifu)


def image_cards(frame: RawFrame) -> fits.Header:
    """EXTNAME and the cards of a raw image that do not say how it is stored, for the same image in a product."""
    kept = [copy.copy(c) for c in frame.header.cards if c.keyword.startswith("ESO ")]
    return fits.Header([card("EXTNAME", extension_name(frame.ifu), "name of the extension"), *kept])


def checksum_cards_of(calibrations: Sequence[Path], number: int) -> list[Card]:
    """DATAMD5 of the calibrations that have it."""
    cards: list[Card] = []
    for i, path in enumerate(calibrations, 1):
        value = primary_header(path).get("DATAMD5")
        if value:
            cards.append((f"ESO PRO REC{number} CAL{i} DATAMD5", value, "MD5 signature of calibration frame"))
    return cards
