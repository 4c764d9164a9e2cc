"""Primary headers of the products of muse_exp_align, and their quality control.

As the reference writes them: the cards of the primary header of an image, in tables without its quality control, and
the record of this step. PIPE ID and DRS ID name musedeep.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.recipes.exp_align.recipe import RECIPE, ExpAlignParameters
from musedeep.recipes.exp_align.sources import Sources
from musedeep.reduction.headers.cards import Card, figure_cards, ordered, recipe_cards
from musedeep.storage.fits.header_cards import card, date_card, utc_now

_DROPPED: Final = re.compile(
    r"(SIMPLE|BITPIX|NAXIS\d*|EXTEND|CHECKSUM|DATASUM|DATAMD5|PIPEFILE|DATE|ORIGFILE|EXTNAME|INHERIT|SPECSYS|BUNIT|COMMENT|"
    r"ESO DPR .*|ESO PRO (CATG|TYPE|TECH|SCIENCE|DID|DATANCOM)|C(TYPE|UNIT|RPIX|RVAL|SYER|DELT|RDER)\d|CD\d_\d|)$"
)
_RECORD: Final = re.compile(r"ESO PRO REC(\d+) ID$")
_GONE: Final = {
    "SOURCE_LIST": re.compile("ESO QC "),
    "OFFSET_LIST": re.compile("ESO QC |ESO DRS MUSE |EXPTIME$"),
}
"""Of tables, what describes the image."""
QC: Final = "ESO QC EXPALIGN "


def product_header(
    first: fits.Header,
    category: str,
    file_name: str,
    files: Sequence[str],
    lists: Sequence[Path],
    parameters: ExpAlignParameters,
    quality: Sequence[Card],
) -> fits.Header:
    """Primary header of a product.

    Parameters
    ----------
    first : primary header of the image, or of the first one
    category : PRO CATG
    file_name : PIPEFILE
    files, lists : IMAGE_FOV and SOURCE_LIST that it was made from
    quality : cards of the quality control of this step
    """
    gone = _GONE.get(category)
    kept = [copy.copy(c) for c in first.cards if not _DROPPED.match(c.keyword) and not (gone and gone.match(c.keyword))]
    if "ARCFILE" in first and "ESO PRO ANCESTOR" not in first:
        kept.append(card("ESO PRO ANCESTOR", first["ARCFILE"]))
    number = max((int(match[1]) for c in kept if (match := _RECORD.match(c.keyword))), default=0) + 1
    now = utc_now()
    cards: list[Card] = [
        ("DATAMD5", "0" * 32, "MD5 checksum"),
        ("PIPEFILE", file_name, "Filename of data product"),
        ("ESO PRO DID", "PRO-1.16", "Data dictionary for PRO"),
        ("ESO PRO CATG", category, "Category of pipeline product frame"),
        ("ESO PRO TYPE", "REDUCED", "Product type"),
        ("ESO PRO TECH", "IFU", "Observation technique"),
        ("ESO PRO SCIENCE", False, "Scientific product if T"),
        *recipe_cards(
            RECIPE, number, [(Path(f).name, "IMAGE_FOV") for f in files],
            [(path.name, "SOURCE_LIST") for path in lists], parameters,
        ),
        ("ESO PRO DATANCOM", len(files), "Number of combined frames"),
        *quality,
    ]  # fmt: skip
    date = card(*date_card(now))
    return ordered([date, *kept, *(card(*c) for c in cards)])


def source_cards(sources: Sources) -> list[Card]:
    """Quality control of a SOURCE_LIST."""
    return [
        (QC + "SRC POSITIONS", sources.origin, "Origin of the source positions"),
        (QC + "NDET", sources.number, "Number of detected sources."),
        (QC + "BKG MEDIAN", np.float32(sources.median), "Median value of background pixels"),
        (QC + "BKG MAD", np.float32(sources.deviation), "Median absolute deviation of the background pixels"),
        (QC + "THRESHOLD", np.float32(sources.threshold), "Detection threshold used for detecting sources"),
    ]


def median_matches(matches: NDArray[np.int64]) -> list[int]:
    """Median number of sources that each image shares with those that share any, of numbers (images, images)."""
    return [int(np.median(row[row > 0])) if (row > 0).any() else 0 for row in matches]


def offset_cards(numbers: Sequence[int], matches: NDArray[np.int64], offsets: NDArray[np.float64]) -> list[Card]:
    """Quality control of an OFFSET_LIST.

    Parameters
    ----------
    numbers : sources of each image
    matches : int64 (images, images), sources that two images share
    offsets : float64 (images, 2), right ascension and declination [deg]
    """
    shared = median_matches(matches)
    cards: list[Card] = []
    for i, number in enumerate(numbers, 1):
        cards.append((f"{QC}NDET{i}", number, f"Number of detected sources for input image {i}"))
    for i, number in enumerate(shared, 1):
        cards.append((f"{QC}NMATCH{i}", number, f"Median number of matches of input image {i} with other images"))
    some = [number for number in shared if number]
    cards += [
        (QC + "NMATCH MIN", min(some, default=-1), "Minimum of the median number of matches for all input images"),
        (QC + "NOMATCH", shared.count(0), "Number of input images that do not have any matches with other images"),
    ]
    for axis, name in enumerate(("RA", "DEC")):
        words = {"MIN": "minimum offset", "MAX": "maximum offset", "MEAN": "mean offset"}
        values = offsets[:, axis] * 3600
        cards += figure_cards(f"{QC}OFFSET {name}", values, words, f"[arcsec] {name} {{}}.")
        spread = {"STDEV": "Standard deviation"}
        cards += figure_cards(f"{QC}OFFSET {name}", values, spread, f"[arcsec] {{}} of {name} offsets.")
    return cards


def time_cards(seconds: NDArray[np.float32]) -> list[Card]:
    """Quality control of an EXPOSURE_MAP."""
    values = seconds[np.isfinite(seconds)].astype(np.float64)
    figures: Mapping[str, float] = {
        "MIN": values.min(), "MAX": values.max(), "AVG": values.mean(), "MED": float(np.median(values)),
    }  # fmt: skip
    words = {"MIN": "Minimum", "MAX": "Maximum", "AVG": "Average", "MED": "Median"}
    text = "exposure time of the combined field-of-view"
    return [(f"{QC}EXPTIME {name}", np.float32(v), f"{words[name]} {text}") for name, v in figures.items()]
