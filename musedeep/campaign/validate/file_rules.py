"""Rules for every file of a delivery: its name, the FITS standard, checksums, what no header may have."""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Final

from astropy.io import fits

from musedeep.campaign.validate.downloads import original_names
from musedeep.campaign.validate.opened import OpenedFile
from musedeep.campaign.validate.problem import Problem
from musedeep.campaign.validate.table import EVERY, faults, rules_of
from musedeep.errors import MusedeepError, reason
from musedeep.storage.fits.checksums import WHOLE, data_sum, whole_sum, written_data_sum
from musedeep.storage.fits.headers import value_of

CUBE: Final = "SCIENCE.CUBE.IFS"
LONGEST_NAME: Final = 68
"""Characters of a file name: those that fit into a card."""

_KEYWORD: Final = re.compile(r"[A-Z0-9_-]* *")
_PLACE: Final = re.compile(r"(HDU|Card) (\d+):")
"""A line of astropy's report that says where; what is wrong follows."""
_ANCILLARY: Final = """
PREVIEW WEIGHTMAP GAINMAP MASK SPECTRUM 2DSPECTRUM IMAGE MOSSPECTRA MOSSPECTRA.CALSIM MOSSPECTRA.SKY MOSSPECTRA.PREVIEW
RMSMAP SNRMAP RESMAP SRCMASK FILTERED SPECTRUM.TELLURIC SPECTRUM.CONTINUUM MUSE.PIXTABLE_REDUCED KMOS.SCI_RECONSTRUCTED
EXPMAP VARMAP PIXELCOUNTMAP IMAGE.WHITELIGHT CUBE.IFS.NO_TELLCORR KMOS.SPECTRUM.TELLURIC CUBE.IFS.SKY CCF DRIFT
PIXELCOUNT3D MPDAF.FIELDMAP CUBE.IFS 4MOST.MEC IMAGE.COL_DENSITY
"""
CATEGORIES: Final = frozenset({CUBE, *(f"ANCILLARY.{name}" for name in _ANCILLARY.split())})
"""PRODCATG of cubes, and of what belongs to them."""


def name_rules(file: OpenedFile) -> Iterator[Problem]:
    """Length of the name; .fz if and only if the file is compressed; ORIGFILE is the name."""
    name = file.path.name
    if len(name) > LONGEST_NAME:
        yield file.problem(None, "", f"a name of {len(name)} characters", f"at most {LONGEST_NAME}")
    packed = any("ZIMAGE" in unit.header for unit in file.units)
    if packed != name.endswith(".fz"):
        yield file.problem(
            None, "", "compressed" if packed else "not compressed",
            "a name that ends in .fz if, and only if, the file is compressed",
        )  # fmt: skip
    original = file.text("ORIGFILE")
    had = {plain(new): old for new, old in original_names(file.path.parent).items()}
    named = plain(name).removesuffix(".fz")
    if original and plain(original).removesuffix(".fz") not in (named, plain(had.get(plain(name), ""))):
        yield file.problem(0, "ORIGFILE", original, f"the name of the file, {name}", "warning")


def plain(name: str) -> str:
    """A file name as it may come from a download: a colon has become an underscore."""
    return name.replace(":", "_")


def standard_rules(file: OpenedFile) -> Iterator[Problem]:
    """The FITS standard, as astropy checks it; no CONTINUE in any header."""
    for number, unit in enumerate(file.units):
        if any(card.startswith("CONTINUE") for card in unit.cards):
            long = next(k for k, card in enumerate(unit.cards) if card.startswith("CONTINUE"))
            keyword = unit.cards[long - 1][:8].strip() if long else ""
            yield file.problem(number, "CONTINUE", f"after {keyword}", "values that fit into their card")
        for card in unit.cards:
            # astropy takes both without a word
            if not _KEYWORD.fullmatch(card[:8]) or not card.isascii() or not card.isprintable():
                what = "keywords of A-Z, 0-9, - and _, and cards in ASCII"
                yield file.problem(number, "", f"a card {card.rstrip()!r}", what)
    try:
        with warnings.catch_warnings(record=True) as said, fits.open(file.path, lazy_load_hdus=False) as hdus:
            warnings.simplefilter("always")
            hdus.verify("warn")
    except Exception as error:
        yield file.problem(None, "", reason(error), "a file that follows the FITS standard")
        return
    hdu = None
    for warning in said:
        text = " ".join(str(warning.message).split())
        if found := _PLACE.fullmatch(text):
            hdu = int(found[2]) if found[1] == "HDU" else hdu
        elif not text.startswith(("Verification reported", "Note: astropy")):
            yield file.problem(hdu, "", text, "a file that follows the FITS standard")


def checksum_rules(file: OpenedFile) -> Iterator[Problem]:
    """DATASUM and CHECKSUM of every HDU agree with what is in it."""
    for number, unit in enumerate(file.units):
        try:
            total = data_sum(file.path, unit)
        except MusedeepError as error:
            # the fill of the last block is missing
            yield file.problem(number, "", str(error).removeprefix(f"{file.path}: "), "whole blocks of 2880 bytes")
            continue
        written = written_data_sum(unit)
        if "DATASUM" in unit.header and written != total:
            yield file.problem(number, "DATASUM", value_of(unit.header, "DATASUM"), f"{total}, the sum of the data")
        # a wrong DATASUM says all that there is to say of the data
        elif "CHECKSUM" in unit.header and whole_sum(unit, total) not in (0, WHOLE):
            found = value_of(unit.header, "CHECKSUM")
            yield file.problem(number, "CHECKSUM", found, "that of this header and its data")


def extension_names(file: OpenedFile) -> Iterator[Problem]:
    """No two extensions have one name."""
    names = Counter(unit.name for unit in file.units[1:] if unit.name)
    for number, unit in enumerate(file.units[1:], 1):
        if names[unit.name] > 1:
            yield file.problem(number, "EXTNAME", unit.name, "a name that no other extension has")


def table_rules(file: OpenedFile) -> Iterator[Problem]:
    """Keywords as the table wants them; a category that the archive knows."""
    category = file.category
    if category and category not in CATEGORIES:
        yield file.problem(0, "PRODCATG", category, "a category of the archive, as SCIENCE.CUBE.IFS")
    for number, unit in enumerate(file.units):
        rules = rules_of(EVERY, number > 0)
        if category == CUBE or number == 0:
            rules = rules | rules_of(category, number > 0)
        if category != CUBE and file.science and file.science[0] == number:
            # an image may be in the primary HDU
            rules = rules | rules_of(category, True)
        for fault in faults(unit.header, rules):
            yield file.problem(number, fault.keyword, fault.value, fault.expected, fault.level)


def data_rules(file: OpenedFile) -> Iterator[Problem]:
    """There are data."""
    if file.science is None:
        yield file.problem(None, "", "no data", "an extension with data")


FILE_RULES: Final = (name_rules, standard_rules, table_rules, extension_names, data_rules)
"""Of all files; those of checksums read all data, and are asked for apart."""
