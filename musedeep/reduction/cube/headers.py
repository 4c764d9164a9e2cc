"""Primary headers of cubes of exposures, and of what belongs to them: of muse_exp_combine, muse_scipost and its steps.

What the reference does, found by giving it exposures whose headers hold one keyword of every kind:

- The first exposure's primary header is inherited. Dropped are ORIGFILE, DPR and QC; from cubes and images
  also the world coordinates, INHERIT, EXTNAME, BUNIT, and the description of the pixel table. PRO RECn of
  earlier steps stay, and this step appends the next one.
- ESO PRO ANCESTOR is ARCFILE of the first exposure.
- PIXTABLE FFCORR of the pixel table becomes FLUX FFCORR of cubes and images; a pixel table keeps PIXTABLE FFCORR alone.
- With an OFFSET_LIST every exposure gets OFFSETn DRA, DDEC, DATE-OBS and, if the list has fluxes, FLUX SCALEn.
- An IMAGE_FOV has no SPECSYS, and its OBJECT names the filter.
- Hierarchical keywords come in the order OBS TPL GEN TEL INS DET PRO, others, QC, DRS.

Different here: PIPE ID and DRS ID name musedeep, as another program made the product; the reference repeats
FLUX FFCORR once an exposure (keywords are unique here), and carries FILTER and OFFSETn of an input that was
itself a product of this recipe (dropped here, they describe that product).
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from musedeep.declaration import Recipe
from musedeep.reduction.headers.cards import Card, ordered, recipe_cards
from musedeep.reduction.headers.product import checksum_cards_of
from musedeep.storage.fits.header_cards import card, date_card, utc_now

if TYPE_CHECKING:
    from musedeep.reduction.cube.job import Job


_REPLACED = re.compile(
    r"(SIMPLE|BITPIX|NAXIS\d*|EXTEND|CHECKSUM|DATASUM|DATAMD5|PIPEFILE|DATE|ORIGFILE|"
    r"ESO DPR .*|ESO QC .*|ESO PRO (CATG|TYPE|TECH|SCIENCE|DID|DATANCOM)|"
    r"ESO DRS MUSE (OFFSET\d+ .*|FLUX SCALE\d+|FILTER .*))$"
)
_PIXEL_TABLE = re.compile(
    r"(C(TYPE|UNIT|RPIX|RVAL|SYER|DELT|ROTA|RDER)\d|(CD|PC)\d_\d|WCSAXES|WCSNAME|LATPOLE|LONPOLE|"
    r"INHERIT|EXTNAME|BUNIT|ESO DRS MUSE PIXTABLE .*)$"
)
_DRS = "ESO DRS MUSE "
PIXTABLE = _DRS + "PIXTABLE "
POSITIONED = "positioned (final)", "Positioned this pixel table"
"""Value and comment of PIXTABLE WCS of a table on the sky."""


def inherited(first: fits.Header, keep_pixel_table: bool = False) -> fits.Header:
    """The cards of the first exposure that products keep.

    Parameters
    ----------
    first : primary header of the first exposure
    keep_pixel_table : keep what describes the pixel table and its coordinates (PIXTABLE_COMBINED)
    """
    kept = [
        c
        for c in first.cards
        if not _REPLACED.match(c.keyword) and (keep_pixel_table or not _PIXEL_TABLE.match(c.keyword)) and c.keyword
    ]
    # cards are copied: setting a value in one product must not change the others
    return fits.Header([copy.copy(c) for c in kept])


def applied_cards(job: "Job") -> list[Card]:
    """Offsets and flux scales that were applied, exposure by exposure; none if there were none."""
    moved = any(e.offset != (0.0, 0.0) for e in job.exposures)
    scaled = any(e.flux_scale != 1.0 for e in job.exposures)
    cards: list[Card] = []
    for i, exposure in enumerate(job.exposures, 1):
        if not (moved or scaled):
            break
        for name, word, value in (("DRA", "RA", exposure.offset[0]), ("DDEC", "DEC", exposure.offset[1])):
            cards.append((f"{_DRS}OFFSET{i} {name}", value, f"[deg] (= {value * 3600:f} arcsec) {word} offset applied"))
        if scaled:
            cards.append((f"{_DRS}FLUX SCALE{i}", exposure.flux_scale, "flux scale factor applied"))
        cards.append((f"{_DRS}OFFSET{i} DATE-OBS", exposure.date_obs, f"offset {i} applied to this DATE-OBS"))
    return cards


def pixel_table_cards(n_rows: Sequence[int]) -> list[Card]:
    """What describes a combined pixel table; `n_rows` are the rows of each exposure."""
    name = PIXTABLE
    cards: list[Card] = [
        (name + "WCS", *POSITIONED),
        (name + "WEIGHTED", True, "Pixel table was weighted relative to other exposures"),
    ]
    start = 0
    for i, n in enumerate(n_rows, 1):
        cards.append((f"{name}EXP{i} FIRST", start, f"Exposure {i} first row index"))
        cards.append((f"{name}EXP{i} LAST", start + n - 1, f"Exposure {i} last row index"))
        start += n
    cards.append((name + "COMBINED", len(n_rows), "Combined exposures that went into this pixel table"))
    return cards


def slice_offset_cards(headers: Iterable[fits.Header]) -> list[Card]:
    """The slice offsets of every exposure (EXPn IFUmm SLICEss XOFFSET), n from 1, from their primary headers."""
    pattern = re.compile(r"ESO DRS MUSE PIXTABLE EXP\d+ (IFU\d+ SLICE\d+ XOFFSET)$")
    cards: list[Card] = []
    for number, header in enumerate(headers, 1):
        for entry in header.cards:
            if match := pattern.match(entry.keyword):
                cards.append((f"{_DRS}PIXTABLE EXP{number} {match.group(1)}", entry.value, "x-offset of given slice"))
    return cards


def product_header(
    recipe: Recipe,
    first: fits.Header,
    job: "Job",
    category: str,
    file_name: str,
    parameters: Mapping[str, Any],
    extra: Sequence[Card] = (),
    keep_pixel_table: bool = False,
    calibrations: Sequence[tuple[str, str]] = (),
    raws: Sequence[tuple[str, str]] = (),
    checksummed: Sequence[Path] = (),
) -> fits.Header:
    """Primary header of a product, with places for DATAMD5, CHECKSUM and DATASUM (filled by `header_cards.sign`).

    Parameters
    ----------
    recipe : the recipe that makes it
    first : primary header of the first exposure
    category : PRO CATG
    file_name : PIPEFILE
    parameters : parameters of the recipe that were given, for PRO RECn PARAMi
    extra : sequence of (keyword without HIERARCH, value, comment)
        Further cards: quality control, filter. They replace inherited ones.
    keep_pixel_table : keep the cards that describe the pixel table (PIXTABLE_COMBINED)
    calibrations : sequence of (file name, category), auxiliary inputs: OFFSET_LIST, OUTPUT_WCS, FILTER_LIST
    raws : sequence of (file name, category), the frames that the recipe began with; those of the exposures if empty
    checksummed : files of `calibrations`, if their DATAMD5 is to be recorded
    """
    base = inherited(first, keep_pixel_table)
    if category == "IMAGE_FOV":
        base.remove("SPECSYS", ignore_missing=True)
    numbers = [int(m.group(1)) for m in (re.match(r"ESO PRO REC(\d+) ID$", k) for k in base) if m]
    number = max(numbers, default=0) + 1
    files = list(raws) or [(Path(path).name, "PIXTABLE_REDUCED") for one in job.exposures for path in one.paths]
    now = utc_now()
    cards: list[Card] = [("PIPEFILE", file_name, "Filename of data product"), ("DATAMD5", "0" * 32, "MD5 checksum")]
    if "ARCFILE" in first and "ESO PRO ANCESTOR" not in first:
        cards.append(("ESO PRO ANCESTOR", first["ARCFILE"], ""))
    cards += [
        ("ESO PRO DID", "PRO-1.16", "Data dictionary for PRO"),
        ("ESO PRO CATG", category, "Category of pipeline product frame"),
        ("ESO PRO TYPE", "REDUCED", "Product type"),
        ("ESO PRO TECH", "IFU", "Observation technique"),
        ("ESO PRO SCIENCE", True, "Scientific product if T"),
        *recipe_cards(recipe, number, files, calibrations, parameters),
        *checksum_cards_of(checksummed, number),
        ("ESO PRO DATANCOM", len(raws) or len(job.exposures), "Number of combined frames"),
    ]
    if "ESO DRS MUSE PIXTABLE FFCORR" in first and not keep_pixel_table:
        cards.append((_DRS + "FLUX FFCORR", True, "Data was flat-field spectrum corrected"))
    cards += [*applied_cards(job), *extra]
    date = card(*date_card(now))
    return ordered([date, *base.cards, *(card(*c) for c in cards)])
