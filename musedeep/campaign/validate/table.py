"""The table of keywords (keywords.yaml), and what a header lacks of it."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from astropy.io import fits
from pydantic import BaseModel, ConfigDict

from musedeep.campaign.validate.problem import Level
from musedeep.storage.fits.headers import value_of
from musedeep.storage.yaml_file import read_mapping

TABLE: Final = Path(__file__).with_name("keywords.yaml")
EVERY: Final = "every file"

Kind = Literal["text", "number", "integer", "logical"]
_KINDS: Final[dict[str, str]] = {
    "text": "a text", "number": "a number", "integer": "a whole number", "logical": "T or F",
}  # fmt: skip
_NUMBER: Final = "#"


class KeywordRule(BaseModel):
    """What the table says of a keyword."""

    model_config = ConfigDict(extra="forbid")

    need: Literal["mandatory", "recommended", "forbidden", "optional"]
    type: Kind = "text"
    values: list[str] = []
    low: float | None = None
    high: float | None = None
    above: float | None = None
    pattern: str | None = None
    what: str = ""

    @property
    def expected(self) -> str:
        """In words."""
        if self.values:
            return f"one of {', '.join(self.values)}" if len(self.values) > 1 else self.values[0]
        if self.pattern is not None:
            return self.what or f"a text like {self.pattern}"
        if self.low is not None and self.low == self.high:
            return f"{self.low:g}"
        limits = [
            f"{word} {value:g}"
            for word, value in ((">=", self.low), (">", self.above), ("<=", self.high))
            if value is not None
        ]
        return " ".join([_KINDS[self.type], *([" and ".join(limits)] if limits else [])])

    def takes(self, value: Any) -> bool:
        """Whether a value is right."""
        if not self._is_kind(value):
            return False
        if self.values:
            return value.strip() in self.values
        if self.pattern is not None:
            return re.fullmatch(self.pattern, value.strip()) is not None
        if self.type == "text":
            return bool(value.strip())
        if self.type == "logical":
            return True
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )

    def _is_kind(self, value: Any) -> bool:
        if self.type == "text":
            return isinstance(value, str)
        if self.type == "logical":
            return isinstance(value, bool)
        if isinstance(value, bool) or not isinstance(value, int if self.type == "integer" else int | float):
            return False
        return math.isfinite(value)


@dataclass(frozen=True)
class Fault:
    """A keyword that is not as the table wants it; `value` is None if it is missing."""

    keyword: str
    value: Any
    expected: str
    level: Level = "error"


@cache
def keyword_table() -> dict[str, dict[str, dict[str, KeywordRule]]]:
    """Rules by category, header (primary, extension) and keyword; read once."""
    content = read_mapping(TABLE, "table of keywords", [EVERY])
    return {
        category: {
            header: {key: KeywordRule.model_validate(rule) for key, rule in rules.items()}
            for header, rules in headers.items()
        }
        for category, headers in content.items()
    }


def rules_of(category: str, extension: bool) -> dict[str, KeywordRule]:
    """Rules of a header of a category, or of every file."""
    return keyword_table().get(category, {}).get("extension" if extension else "primary", {})


def faults(header: fits.Header, rules: Mapping[str, KeywordRule]) -> Iterator[Fault]:
    """What is wrong in a header."""
    for name, rule in rules.items():
        numbered = name.endswith(_NUMBER)
        keys = numbered_keywords(header, name[:-1]) if numbered else [name] if name in header else []
        if rule.need == "forbidden":
            for key in keys:
                yield Fault(key, str(header[key] if key != "CONTINUE" else "..."), "no such keyword")
            continue
        if not keys and rule.need in ("mandatory", "recommended"):
            level: Level = "error" if rule.need == "mandatory" else "warning"
            yield Fault(f"{name[:-1]}1" if numbered else name, None, rule.expected, level)
        for key in keys:
            value = value_of(header, key)
            if not rule.takes(value):
                yield Fault(key, "" if value is None else value, rule.expected)
            elif header.count(key) > 1:
                yield Fault(key, value, "it once")


def numbered_keywords(header: fits.Header, stem: str) -> list[str]:
    """Keywords of a stem and a number, in the order of the numbers; with zeros in front, too."""
    found = {card.keyword for card in header.cards if re.fullmatch(rf"{re.escape(stem)}\d+", card.keyword)}
    return sorted(found, key=lambda key: (int(key[len(stem) :]), key))
