"""Reference ranges of quality parameters: those of the package (ranges.yaml), and a user's in the place of some."""

from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, model_validator

from musedeep.errors import MusedeepError, nearest
from musedeep.quality.record import Record
from musedeep.storage.models import problem_of
from musedeep.storage.yaml_file import read_mapping

RANGES: Final = Path(__file__).with_name("ranges.yaml")


class Range(Record):
    """Where a parameter should be; `strict` if the limits themselves are beyond, `source` says where it comes from."""

    of: Literal["exposure", "product"]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    strict: bool = False
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.low is None and self.high is None:
            raise ValueError("give low, high, or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low is {self.low:g}, high is {self.high:g}; low cannot be larger")
        return self

    def score(self, value: float | None) -> Literal[0, 1] | None:
        """0 if a value is within, 1 if it is not, None if it is not known."""
        if value is None or value != value:
            return None
        low, high = (
            (-float("inf") if self.low is None else self.low),
            (float("inf") if self.high is None else self.high),
        )
        inside = low < value < high if self.strict else low <= value <= high
        return 0 if inside else 1


Ranges = dict[str, Range]


def read_ranges(path: Path | None = None) -> Ranges:
    """Ranges of the package; those in a user's file take their place, and null takes one away.

    Raises MusedeepError for no such file, no YAML, an unknown parameter or key, a wrong value.
    """
    ranges = dict(_default())
    if path is None:
        return ranges
    for name, given in read_mapping(path, "file of reference ranges", list(ranges)).items():
        if name not in ranges:
            near = nearest(str(name), list(ranges))
            known = f"did you mean {near}?" if near else f"known are {', '.join(ranges)}"
            raise MusedeepError(f"{path}: no quality parameter {name}; {known}")
        if given is None:
            del ranges[name]
            continue
        default = {"of": ranges[name].of, "unit": ranges[name].unit, "source": f"{path.name}"}
        try:
            ranges[name] = Range.model_validate(default | given if isinstance(given, dict) else given)
        except ValidationError as error:
            raise MusedeepError(f"{path}: {name}: {problem_of(error, Range)}") from None
    return ranges


@cache
def _default() -> Ranges:
    content = read_mapping(RANGES, "file of reference ranges", [])
    return {name: Range.model_validate(given) for name, given in content.items()}
