"""Names of targets as people write them: what is one name in several spellings, and what is a series of fields.

1. Case, blanks, hyphens, underscores and accents do not matter, nor do zeros before a number: UDF-01, udf 1 and
   UDF_01 are one name. Words that observers append (repeat, offset 2, pos 3) are left out.
2. Prefixes of catalogues have one form: ABELL 2714, ACO 2714 and A2714 are one name.
3. Two names are alike if rapidfuzz finds them so and no number differs: HDFS-34 and HDFS-35 are two fields.
4. Names that differ in their last number alone (UDF-01, UDF-02) have one stem: fields of a series.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz

PREFIXES: Final = {
    "abell": "a", "aco": "a", "abellcluster": "a", "messier": "m", "caldwell": "c", "omegacen": "ngc5139",
    "omegacentauri": "ngc5139", "47tuc": "ngc104", "47tucanae": "ngc104", "hubbledeepfieldsouth": "hdfs",
    "hubbleultradeepfield": "udf", "hudf": "udf",
}  # fmt: skip
"""Of catalogues, and names of single objects; keys and values are normalised."""
APPENDED: Final = re.compile(r"[ _-]+((rep(eat)?|copy|offset|pos|exp)[ _-]*\d*|ao|noao|bis|new)$", re.IGNORECASE)
ALIKE: Final = 85.0
"""Ratio of rapidfuzz from which two names are alike."""

_PARTS: Final = re.compile(r"[a-z]+|(?<=\d)[+-]\d+|\d+")
"""Words and numbers; a sign between digits is that of a declination."""
_COUNT: Final = re.compile(r"[+-]?\d+$")


@lru_cache(maxsize=100_000)
def normal_name(name: str) -> str:
    """A name in its one spelling, words and numbers with blanks between: "udf 1"; empty if it has neither."""
    plain = unicodedata.normalize("NFKD", name.strip())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    while (shorter := APPENDED.sub("", plain)) != plain and shorter.strip():
        plain = shorter
    words = _PARTS.findall(plain.lower())
    joined = PREFIXES.get("".join(words))
    if joined:
        words = _PARTS.findall(joined)
    elif words:
        words[0] = PREFIXES.get(words[0], words[0])
    return " ".join(_short(word) for word in words)


def _short(word: str) -> str:
    """A number without zeros in front; a word as it is."""
    sign, digits = (word[0], word[1:]) if word[0] in "+-" else ("", word)
    return sign + (digits.lstrip("0") or "0") if digits.isdigit() else word


def stem_of(name: str) -> str:
    """A normalised name without its last number, of fields of a series; the name itself if it has none."""
    return _COUNT.sub("", name).rstrip() or name


def numbers_in(name: str) -> tuple[str, ...]:
    """The numbers of a normalised name."""
    return tuple(part for part in name.split() if part[-1].isdigit())


@lru_cache(maxsize=100_000)
def likeness(first: str, second: str) -> float:
    """How alike two normalised names are, 0 to 100; 0 if a number differs."""
    if first == second:
        return 100.0
    if not first or not second or numbers_in(first) != numbers_in(second):
        return 0.0
    return float(fuzz.ratio(first, second))


def alike(first: str, second: str) -> bool:
    """Whether two normalised names are one, in all likelihood."""
    return likeness(first, second) >= ALIKE
