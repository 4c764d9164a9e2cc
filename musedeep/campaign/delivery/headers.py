"""Headers of delivered files.

The header of a cube stays as the recipe has written it, and becomes that of a science data product:

1. Its provenance is written anew, from the records of the product and in the order of time: PROVi, OBIDi, PROG_ID or
   PROGIDi, NCOMBINE, TEXPTIME, MJD-OBS, MJD-END, DATE-OBS. A cube that counts other exposures is refused.
2. What the archive wants and a recipe cannot know is added: ORIGFILE, associated files (ASSONi, ASSOCi, ASSOMi),
   QCFLAG, the observing mode and comments on the quality, each of which fits into its card.
3. EXPTIME is the recipe's, for a nominal field. Where that is more than all exposures together, as for a cube of few
   IFUs, it is the mean of the exposure map over spaxels that have data.
4. What the archive forbids goes: FILTER, SPEC_BIN, CDELTi, RA_ERR, DEC_ERR, LONGSTRN; and ARCFILE, that of a raw frame.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.campaign.delivery.facts import Finished
from musedeep.campaign.delivery.names import Names
from musedeep.campaign.delivery.settings import DeliverySettings
from musedeep.errors import MusedeepError
from musedeep.reduction.headers.cards import ordered
from musedeep.storage.fits.header_cards import Card, card, date_card, utc_now
from musedeep.storage.fits.headers import number_or_none, value_of
from musedeep.storage.fits.legal_cards import ascii_text

WIDTH: Final = 66
"""Characters of a line of comments, so that it fits into a card whatever it holds."""

_REPLACED: Final = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|CHECKSUM|DATASUM|DATE|PIPEFILE|ORIGFILE|PRODCATG|ASSO[NCM]\d+|"
    r"PROV\d+|OBID\d+|PROG_ID|PROGID\d+|NCOMBINE|QCFLAG|RADECSYS|ARCFILE|FILTER\d*|SPEC_BIN|CDELT\d+|RA_ERR|DEC_ERR|LONGSTRN|"
    r"CONTINUE|ESO PRO CATG|)$"
)
_OF_CUBES: Final = re.compile(
    r"(EXPTIME|TEXPTIME|FLUXCAL|WAVELM(IN|AX)|SPEC_RES|SPECSYS|SKY_RE(S|RR)|PIXNOISE|ABMAGLIM|REFERENC|OBSTECH|PROCSOFT|"
    r"MJD-END|STREHL|ESO QC .*)$"
)
_FORBIDDEN_IN_EXTENSIONS: Final = re.compile(
    r"(ORIGFILE|PRODCATG|CDELT\d+|RA_ERR|DEC_ERR|LONGSTRN|CONTINUE|CHECKSUM|DATASUM)$"
)


@dataclass(frozen=True)
class Associate:
    """A file that belongs to a cube; of one that is no FITS file, its category and MD5 sum."""

    name: str
    category: str = ""
    md5: str = ""


def cube_header(
    product: Finished,
    cube: Path,
    old: fits.Header,
    names: Names,
    associates: Sequence[Associate],
    settings: DeliverySettings,
    mean_seconds: float,
) -> fits.Header:
    """Primary header of a delivered cube.

    Parameters
    ----------
    old : primary header as the recipe wrote it; `cube` its file, for messages
    mean_seconds : exposure time of the mean spaxel that has data [s]

    Raises
    ------
    MusedeepError
        The cube counts other exposures than the records of the product.
    """
    _check_same(product, cube, old)
    kept = [one for one in _kept(old, settings) if one.keyword != "REFERENC"]
    exptime = number_or_none(old, "EXPTIME")
    comment = "[s] Total integration time per pixel"
    if exptime is None or exptime > product.seconds:
        exptime, comment = min(mean_seconds, product.seconds), "[s] Mean integration time of spaxels with data"
    first = product.exposures[0]
    cards: list[Card] = [
        *_common(product, old, names.cube, "SCIENCE.CUBE.IFS", product.record.category, settings),
        ("DATE-OBS", first.date_obs, "Beginning of the first exposure"),
        ("MJD-OBS", first.mjd, "[d] Beginning of the first exposure"),
        ("MJD-END", product.end, "[d] End of observations (days)"),
        ("EXPTIME", exptime, comment),
        ("TEXPTIME", product.seconds, "[s] Total integration time of all exposures"),
        ("NCOMBINE", len(product.exposures), "No. of combined raw science data files"),
        *provenance(product),
        *_associated(associates),
        ("QCFLAG", product.quality.flag, "Flags of quality; 0: no concern"),
        *_mode(product, settings),
        *_comments(product, settings),
        ("REFERENC", settings.reference, "Reference publication"),
    ]
    cards = [one for one in cards if one[0] != "QCFLAG" or one[1]]
    return ordered([*kept, *(card(*one) for one in cards)])


def provenance(product: Finished) -> list[Card]:
    """Raw frames, OBs and runs, each list in the order of time and without anything twice."""
    names = list(dict.fromkeys(f"{one.name}.fits" for one in product.exposures))
    cards: list[Card] = [(f"PROV{i}", name, "Originating raw science file") for i, name in enumerate(names, 1)]
    cards += [
        (f"OBID{i}", int(ob) if ob.isascii() and ob.isdigit() else ob, "Observation block ID")
        for i, ob in enumerate(product.obs, 1)
    ]
    runs = product.runs
    if runs:
        cards.append(("PROG_ID", runs[0] if len(runs) == 1 else "MULTI", "ESO programme identification"))
    if len(runs) > 1:
        cards += [(f"PROGID{i}", run, "ESO programme identification") for i, run in enumerate(runs, 1)]
    return cards


def image_header(
    product: Finished,
    old: fits.Header,
    cube: fits.Header,
    name: str,
    category: str,
    what: str,
    settings: DeliverySettings,
) -> fits.Header:
    """Primary header of a delivered image or exposure map: that of the recipe, without what is said of cubes.

    Parameters
    ----------
    old : as the recipe wrote it
    cube : that of the cube, which has the centre of the field; images have the pointing of the first exposure
    name, category : ORIGFILE, PRODCATG
    what : PRO CATG
    """
    kept = [one for one in _kept(old, settings) if not _OF_CUBES.match(one.keyword)]
    centre = [(key, cube[key], cube.comments[key]) for key in ("RA", "DEC") if key in cube]
    cards = [*_common(product, old, name, category, what, settings), *provenance(product), *centre]
    return ordered([*kept, *(card(*one) for one in cards)])


def extension_header(old: fits.Header) -> fits.Header:
    """Header of an extension, without what the archive forbids there."""
    kept = [
        one for one in old.copy(strip=True).cards if one.keyword and not _FORBIDDEN_IN_EXTENSIONS.match(one.keyword)
    ]
    return fits.Header(kept)


def _kept(old: fits.Header, settings: DeliverySettings) -> list[fits.Card]:
    """Cards that stay; none of them is longer than one card."""
    own = re.compile(rf"({re.escape(settings.sm_vm_keyword)}|{re.escape(settings.comment_keyword)}\d+)$")
    found = []
    for one in old.cards:
        if _REPLACED.match(one.keyword) or own.match(one.keyword):
            continue
        if len(str(one)) > 80 and one.keyword not in ("COMMENT", "HISTORY"):
            one = card(one.keyword, one.value, one.comment)
        found.append(one)
    return found


def _common(
    product: Finished, old: fits.Header, name: str, category: str, what: str, settings: DeliverySettings
) -> list[Card]:
    """Cards of every delivered FITS file."""
    cards: list[Card] = [
        date_card(utc_now()),
        (
            "PIPEFILE",
            Path(product.record.cube).name if what == product.record.category else f"{what}.fits",
            "Filename of data product",
        ),
        ("ORIGFILE", name, "Name of the file"),
        ("PRODCATG", category, "Data product category"),
        ("ESO PRO CATG", what, "Category of pipeline product frame"),
    ]
    if not value_of(old, "ORIGIN"):
        cards.append(("ORIGIN", settings.origin, "Observatory"))
    system = str(value_of(old, "RADESYS") or value_of(old, "RADECSYS") or "FK5").strip()
    cards.append(("RADESYS", system, "Coordinate system"))
    if system == "FK5" and value_of(old, "EQUINOX") is None:
        cards.append(("EQUINOX", 2000.0, "Equinox of the coordinates"))
    return cards


def _associated(associates: Sequence[Associate]) -> list[Card]:
    cards: list[Card] = []
    for number, one in enumerate(associates, 1):
        cards.append((f"ASSON{number}", one.name, "Name of associated file"))
        if one.category:
            cards.append((f"ASSOC{number}", one.category, "Category of associated file"))
        if one.md5:
            cards.append((f"ASSOM{number}", one.md5, "MD5 sum of associated file"))
    return cards


def _mode(product: Finished, settings: DeliverySettings) -> list[Card]:
    mode = product.observing_mode
    return [(settings.sm_vm_keyword, mode, "Service or visitor mode")] if mode else []


def _comments(product: Finished, settings: DeliverySettings) -> list[Card]:
    """Comments of reviewers, notes of the plan, findings of quality control, in as many lines as keywords allow."""
    texts = [one.text for one in product.review.history if one.text and one.action in ("comment", "certify", "accept")]
    texts += product.record.notes
    texts += [one.text for one in product.quality.findings]
    lines = [line for text in dict.fromkeys(texts) for line in textwrap.wrap(ascii_text(text).replace("'", " "), WIDTH)]
    keyword = settings.comment_keyword
    room = 10 ** (8 - len(keyword)) - 1
    if len(lines) > room:
        lines[room - 1 :] = [f"{len(lines) - room + 1} more lines are in the log"]
    return [(f"{keyword}{i}", line, "") for i, line in enumerate(lines, 1)]


def _check_same(product: Finished, cube: Path, old: fits.Header) -> None:
    """Raise MusedeepError if the cube counts other exposures."""
    count, seconds = value_of(old, "NCOMBINE"), number_or_none(old, "TEXPTIME")
    number = len(product.exposures)
    if count is not None and count != number:
        raise MusedeepError(
            f"{cube}: NCOMBINE is {count}, product.json has {number} exposures in the cube; run the product again"
        )
    if seconds is not None and abs(seconds - product.seconds) > 0.01 * number:
        raise MusedeepError(
            f"{cube}: TEXPTIME is {seconds:g}, exposures of product.json add up to {product.seconds:g}; "
            "run the product again"
        )
