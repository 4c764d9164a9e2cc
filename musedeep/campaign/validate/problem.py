"""What is wrong in a file: one line per problem."""

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """A rule that a file breaks.

    Attributes
    ----------
    file : path, as it was given
    hdu : number of the header; None for the file as a whole
    keyword : empty for none
    value : of the keyword; None if it is missing or there is none
    expected : what the rule wants
    level : a warning does no harm to a delivery
    """

    file: str
    hdu: int | None
    keyword: str
    value: Any
    expected: str
    level: Level = "error"

    @property
    def line(self) -> str:
        """In one line."""
        place = self.file if self.hdu is None else f"{self.file}[{self.hdu}]"
        if not self.keyword:
            found = f" {self.value}" if self.value is not None else ""
        elif self.value is None:
            found = f" {self.keyword} is missing"
        else:
            found = f" {self.keyword} = {self.value!r}"
        text = f"{place}:{found}: expected {self.expected}"
        return f"warning: {text}" if self.level == "warning" else text
