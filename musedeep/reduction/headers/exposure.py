"""Headers of the products of recipes on pixel tables of one exposure.

As the reference writes them: the cards of the exposure, without QC, and the record of this step after those of the
steps before. PIPE ID and DRS ID name musedeep.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.declaration import P, Recipe
from musedeep.reduction.headers.cards import Card, ordered, recipe_cards
from musedeep.reduction.headers.product import checksum_cards_of
from musedeep.storage.fits.header_cards import card, date_card, utc_now

_REPLACED: Final = re.compile(
    r"(SIMPLE|BITPIX|NAXIS\d*|EXTEND|INHERIT|CHECKSUM|DATASUM|DATAMD5|PIPEFILE|DATE|ORIGFILE|ESO DPR .*|ESO QC .*|)$"
)
_RECORD: Final = re.compile(r"ESO PRO REC(\d+) ID$")


def exposure_header(
    recipe: Recipe[P],
    header: fits.Header,
    category: str,
    file_name: str,
    frames: Mapping[str, Sequence[str]],
    parameters: P,
    extra: Sequence[Card] = (),
) -> fits.Header:
    """Primary header of a product of one exposure, with places for its checksums.

    Parameters
    ----------
    header : of the exposure
    category, file_name : PRO CATG, PIPEFILE
    frames : files of each tag: those of this exposure alone, and the calibrations
    parameters : of the recipe, all
    extra : sequence of (keyword without HIERARCH, value, comment), what the corrections and the quality control say
    """
    kept = [copy.copy(c) for c in header.cards if not _REPLACED.match(c.keyword)]
    raws = [one.name for one in recipe.inputs if one.raw]
    used = [(Path(path).name, tag) for tag in raws for path in frames.get(tag, ())]
    tags = sorted(one.name for one in recipe.inputs if not one.raw)
    calibrations = [(Path(path), tag) for tag in tags for path in frames.get(tag, ())]
    number = max((int(m[1]) for m in (_RECORD.match(c.keyword) for c in kept) if m), default=0) + 1
    now = utc_now()
    cards: list[Card] = [
        ("DATAMD5", "0" * 32, "MD5 checksum"),
        ("PIPEFILE", file_name, "Filename of data product"),
        ("ESO PRO DID", "PRO-1.16", "Data dictionary for PRO"),
        ("ESO PRO CATG", category, "Category of pipeline product frame"),
        ("ESO PRO TYPE", "REDUCED", "Product type"),
        ("ESO PRO TECH", "IFU", "Observation technique"),
        ("ESO PRO SCIENCE", True, "Scientific product if T"),
        *recipe_cards(recipe, number, used, [(path.name, tag) for path, tag in calibrations], parameters),
        *checksum_cards_of([path for path, _ in calibrations], number),
        ("ESO PRO DATANCOM", len(used), "Number of combined frames"),
        *extra,
    ]
    if "ARCFILE" in header:
        cards.append(("ESO PRO ANCESTOR", header["ARCFILE"], ""))
    return ordered([card(*date_card(now)), *kept, *(card(*c) for c in cards)])
