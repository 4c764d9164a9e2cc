"""A recipe as data: input tags, parameters, products. Command line, help, checks and documents come from it."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from musedeep.errors import MusedeepError, nearest

KINDS = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Tag:
    """An input: its tag in the set-of-frames, how many at least and at most (None: any number)."""

    name: str
    minimum: int
    maximum: int | None
    description: str


@dataclass(frozen=True)
class Range:
    """A range of numbers: its ends, which belong to it unless they are open."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number is in the range."""
        above = self.low < value if self.open_low else self.low <= value
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        if not (self.open_low or self.open_high) and math.isfinite(self.low) and math.isfinite(self.high):
            return f"{self.low:g} to {self.high:g}"
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}" if math.isfinite(self.low) else ""
        high = f"{'below' if self.open_high else 'at most'} {self.high:g}" if math.isfinite(self.high) else ""
        return ", ".join(filter(None, (low, high)))


POSITIVE: Final = Range(0.0, open_low=True)
NOT_NEGATIVE: Final = Range(0.0)
FRACTION: Final = Range(0.0, 1.0, open_low=True, open_high=True)


@dataclass(frozen=True)
class Parameter:
    """A parameter: name, default (which gives the type), one line of help, choices if few, limits of numbers.

    `neutral` is given where the recipe of the ESO pipeline has no such parameter: the value that does the same as it.
    """

    name: str
    default: str | float | int | bool
    help: str
    choices: tuple[str, ...] = ()
    limits: Range | None = None
    neutral: str | float | int | bool | None = None

    def parse(self, value: Any, recipe: str) -> str | float | int | bool:
        """The value in the parameter's type.

        Raises
        ------
        MusedeepError
            Wrong type, not among the choices, or outside the limits.
        """
        wanted: type = type(self.default)
        try:
            result = _convert(value, wanted)
        except (TypeError, ValueError, OverflowError):
            raise MusedeepError(
                f"{recipe}: {self.name}={value} is not {KINDS[wanted]}; the default is {self.default}"
            ) from None
        if self.choices and result not in self.choices:
            near = nearest(str(result), self.choices)
            hint = f"; did you mean {near}?" if near else ""
            raise MusedeepError(f"{recipe}: {self.name}={result} is not one of {', '.join(self.choices)}{hint}")
        if self.limits and not self.limits.hold(float(result)):
            raise MusedeepError(
                f"{recipe}: {self.name}={result} is out of range, {self.limits}; the default is {self.default}"
            )
        return result

    @property
    def values(self) -> str:
        """What values it takes, in words; empty if any of its type."""
        return " | ".join(self.choices) or str(self.limits or "")


def _convert(value: Any, wanted: type) -> str | float | int | bool:
    """The value as text, number or truth value; lists become comma-separated text."""
    if isinstance(value, bool) and wanted is not bool:
        raise ValueError
    if wanted is bool:
        text = str(value).lower()
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"
    if wanted is str:
        if value is None or isinstance(value, Mapping):
            raise ValueError
        return ",".join(str(v) for v in value) if isinstance(value, list | tuple) else str(value)
    if wanted is float:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return number
    try:
        whole = int(value)
    except ValueError:
        whole = int(float(value))  # 3.0 as text
    if isinstance(value, float | str) and whole != float(value):
        raise ValueError
    return whole


@dataclass(frozen=True)
class Product:
    """A file that a recipe makes: its default name, and what it is."""

    name: str
    description: str


@dataclass(frozen=True)
class Quality:
    """A quality-control keyword (without the leading ESO QC), and what it says."""

    keyword: str
    description: str


@dataclass(frozen=True)
class Recipe:
    """The declaration of a recipe."""

    name: str
    summary: str
    tags: tuple[Tag, ...]
    parameters: tuple[Parameter, ...]
    products: tuple[Product, ...]
    quality: tuple[Quality, ...] = ()

    def parse(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters: those given, checked, and the defaults of the others.

        Raises
        ------
        MusedeepError
            An unknown name (the nearest right one is named), a wrong type or choice, a number out of range.
        """
        known = {p.name: p for p in self.parameters}
        values: dict[str, Any] = {p.name: p.default for p in self.parameters}
        for name, value in given.items():
            if name not in known:
                near = nearest(name, list(known))
                hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                raise MusedeepError(f"{self.name}: no parameter '{name}'; {hint}")
            values[name] = known[name].parse(value, self.name)
        return values

    def check_frames(self, frames: Sequence[tuple[str, str]], source: str) -> dict[str, list[str]]:
        """Files by tag; frames with tags the recipe does not take are left out.

        Parameters
        ----------
        frames : sequence of (path, tag)
        source : str
            The set-of-frames file, for messages.

        Raises
        ------
        MusedeepError
            Too few or too many frames of a tag.
        """
        found: dict[str, list[str]] = {tag.name: [] for tag in self.tags}
        for path, name in frames:
            if name in found:
                found[name].append(path)
        for tag in self.tags:
            n = len(found[tag.name])
            if n < tag.minimum:
                raise MusedeepError(
                    f"{source}: {self.name} needs at least {tag.minimum} {tag.name}, found {n}; add them"
                )
            if tag.maximum is not None and n > tag.maximum:
                raise MusedeepError(f"{source}: {self.name} takes {tag.maximum} {tag.name}, found {n}; keep one")
        return found

    def help_text(self) -> str:
        """What `musedeep recipe NAME --help` prints."""
        lines = [f"{self.name} -- {self.summary}", "", "Input frames:"]
        for tag in self.tags:
            n = f">= {tag.minimum}" if tag.maximum is None else ("1" if tag.minimum else "0-1")
            lines.append(f"  {tag.name:<18} {n:<5} {tag.description}")
        lines += ["", "Parameters (--name=value; --name alone means true where true or false is asked for):"]
        for p in self.parameters:
            choice = f" <{p.values}>" if p.values else ""
            lines.append(f"  --{p.name}={p.default}{choice}")
            lines += textwrap.wrap(p.help, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
        lines += ["", "Products:"] + [f"  {p.name:<26} {p.description}" for p in self.products]
        if self.quality:
            lines += ["", "Quality control:"] + [f"  {q.keyword:<26} {q.description}" for q in self.quality]
        return "\n".join(lines)

    def parameter_table(self) -> str:
        """The parameters as a table in Markdown, for the documentation."""
        lines = ["| parameter | default | values | meaning |", "|---|---|---|---|"]
        for p in self.parameters:
            values = ", ".join(f"`{c}`" for c in p.choices) or KINDS[type(p.default)]
            values += f", {p.limits}" if p.limits else ""
            lines.append(f"| `{p.name}` | `{p.default}` | {values} | {p.help} |")
        return "\n".join(lines)
