"""Headers of the products of recipes on raw frames.

As the reference writes them: the cards of the first raw frame, of its primary header and of the IFU's extension
(without the sizes of pre- and overscan), EXTNAME of the IFU, and the record of this step. PIPE ID and DRS ID name
musedeep.
"""

import copy
import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astropy.io import fits

from musedeep.recipes.basic_parameters import parameter_texts
from musedeep.recipes.declaration import Recipe
from musedeep.recipes.product_headers import Card, ordered, recipe_cards
from musedeep.storage.header_cards import card
from musedeep.storage.raw import extension_name
from musedeep.storage.raw_frames import RawFrame

_DROPPED = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|INHERIT|EXTNAME|CHECKSUM|DATASUM|DATAMD5|"
    r"PIPEFILE|DATE|ORIGFILE|ESO DPR .*|ESO DET OUT\d+ (PRSC|OVSC)[XY]|Z[A-Z]+\d*|T[A-Z]+\d+|TFIELDS|)$"
)


def product_header(
    recipe: Recipe,
    frame: RawFrame,
    category: str,
    file_name: str,
    frames: Mapping[str, Sequence[str]],
    parameters: Mapping[str, Any],
    extra: Sequence[Card] = (),
) -> fits.Header:
    """Primary header of a product of one IFU.

    Parameters
    ----------
    recipe : Recipe
    frame : RawFrame
        The first raw frame.
    category : PRO CATG
    file_name : PIPEFILE
    frames : mapping of tag to files
        The first tag of the recipe is that of the raw frames.
    parameters : of the recipe, all
    extra : sequence of (keyword without HIERARCH, value, comment)
        Quality control and others.

    Returns
    -------
    fits.Header
        With places for DATAMD5, CHECKSUM and DATASUM, to be filled by `header_cards.sign`.
    """
    kept = [
        copy.copy(c) for header in (frame.primary, frame.header) for c in header.cards if not _DROPPED.match(c.keyword)
    ]
    raw_tag = recipe.tags[0].name
    raws = [(Path(p).name, raw_tag) for p in frames[raw_tag]]
    files = [(Path(p), tag.name) for tag in recipe.tags[1:] for p in frames.get(tag.name, ())]
    calibrations = [(path.name, tag) for path, tag in files]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    cards: list[Card] = [
        ("EXTNAME", extension_name(frame.ifu), "extension name"),
        ("DATAMD5", "0" * 32, "MD5 checksum"),
        ("PIPEFILE", file_name, "Filename of data product"),
        ("ESO PRO DID", "PRO-1.16", "Data dictionary for PRO"),
        ("ESO PRO CATG", category, "Category of pipeline product frame"),
        ("ESO PRO TYPE", "REDUCED", "Product type"),
        ("ESO PRO TECH", "IFU", "Observation technique"),
        ("ESO PRO SCIENCE", False, "Scientific product if T"),
        *recipe_cards(1, raws, calibrations, parameter_texts(parameters), recipe),
        *_checksum_cards([path for path, _ in files]),
        ("ESO PRO DATANCOM", len(raws), "Number of combined frames"),
        *extra,
    ]
    if "ARCFILE" in frame.primary:
        cards.append(("ESO PRO ANCESTOR", frame.primary["ARCFILE"], ""))
    date = card("DATE", now, "file creation date (YYYY-MM-DDThh:mm:ss UT)")
    return ordered([date, *kept, *(card(*c) for c in cards)])


def _checksum_cards(calibrations: Sequence[Path]) -> list[Card]:
    """DATAMD5 of the calibrations that have it."""
    cards: list[Card] = []
    for i, path in enumerate(calibrations, 1):
        value = fits.getheader(path).get("DATAMD5")
        if value:
            cards.append((f"ESO PRO REC1 CAL{i} DATAMD5", value, "MD5 signature of calibration frame"))
    return cards
