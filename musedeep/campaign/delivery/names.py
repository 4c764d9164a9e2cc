"""Names of delivered files: those of ESO's archive (ORIGFILE), as of MUSE-DEEP.

MU_SCBD_<first OB>_<time of the first raw frame>_<its mode>_OBJ.fits is a deep cube, MU_SIMD its image, MU_SXPM its
exposure map; r.MUSE.<time>_dpc.log and .png its log and its figure, r.MUSE.<time of an exposure>_pst.png those of
exposures. Of a cube of one OB (DATACUBE_COMBINED) the fourth letter is C and the word tpl; of a single exposure S and
pst, which are musedeep's own.
"""

from dataclasses import dataclass
from typing import Final

from musedeep.campaign.delivery.facts import Finished
from musedeep.campaign.validate.file_rules import LONGEST_NAME
from musedeep.errors import MusedeepError

LETTERS: Final = {"DATACUBE_DEEP": ("D", "dpc"), "DATACUBE_COMBINED": ("C", "tpl"), "DATACUBE_SINGLE": ("S", "pst")}
"""Letter of the type and word of the technical name, by category."""

NO_OB: Final = "0"
"""In place of the number of an OB that is not known."""


@dataclass(frozen=True)
class Names:
    """Names of the files of a delivered product.

    Attributes
    ----------
    cube, image, exposure_map, log, figure : str
    figures : of each exposure, by its name; empty for a product of one exposure, whose figure is that of the product
    """

    cube: str
    image: str
    exposure_map: str
    log: str
    figure: str
    figures: dict[str, str]

    @property
    def all(self) -> list[str]:
        """All names, the cube first."""
        return [self.cube, self.image, self.exposure_map, self.log, self.figure, *self.figures.values()]


def names_of(product: Finished) -> Names:
    """Names for a product; MusedeepError for one that is longer than the archive takes, or an unknown category."""
    record = product.record
    if record.category not in LETTERS:
        raise MusedeepError(
            f"{product.folder}: category {record.category} is none of {', '.join(LETTERS)}; correct product.json"
        )
    letter, word = LETTERS[record.category]
    first = product.exposures[0]
    technical = f"r.MUSE.{timestamp(first.name)}_{word}"
    figures = {one.name: f"r.MUSE.{timestamp(one.name)}_pst.png" for one in product.exposures}
    found = Names(
        original_name("CB", letter, first.ob_id, first.name, first.mode),
        original_name("IM", letter, first.ob_id, first.name, first.mode),
        original_name("XP", "M", first.ob_id, first.name, first.mode),
        f"{technical}.log",
        f"{technical}.png",
        figures if word != "pst" else {},
    )
    for name in found.all:
        if len(name) > LONGEST_NAME:
            raise MusedeepError(
                f"{product.folder}: the name {name} has {len(name)} characters, the archive takes {LONGEST_NAME}; "
                f"check ob_id '{first.ob_id}' and mode '{first.mode}' of {first.name}"
            )
    return found


def original_name(kind: str, letter: str, ob_id: str, exposure: str, mode: str) -> str:
    """The ORIGFILE of a cube (CB), image (IM) or exposure map (XP)."""
    words = [f"MU_S{kind}{letter}", _plain(ob_id) or NO_OB, timestamp(exposure), _plain(mode) or "UNKNOWN", "OBJ"]
    return "_".join(words) + ".fits"


def timestamp(exposure: str) -> str:
    """The time in the name of a raw frame."""
    return exposure.partition(".")[2]


def _plain(word: str) -> str:
    """Without characters that a file name of the archive cannot have."""
    return "".join(letter for letter in word.strip() if letter.isascii() and (letter.isalnum() or letter in "-."))
