"""A recipe as data: input tags, parameters, products. Command line, help, checks and documents come from it."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from musedeep.errors import MusedeepError


@dataclass(frozen=True)
class Tag:
    """An input: its tag in the set-of-frames, how many at least and at most (None: any number)."""

    name: str
    minimum: int
    maximum: int | None
    description: str


@dataclass(frozen=True)
class Parameter:
    """A parameter: name, default (which gives the type), choices if few, and one line of help."""

    name: str
    default: str | float | int | bool
    help: str
    choices: tuple[str, ...] = ()

    def parse(self, value: Any, recipe: str) -> str | float | int | bool:
        """The value in the parameter's type.

        Raises
        ------
        MusedeepError
            Wrong type, or not among the choices.
        """
        wanted: type = type(self.default)
        try:
            if isinstance(value, bool) and wanted is not bool:
                raise ValueError
            if wanted is bool:
                text = str(value).lower()
                if text not in ("true", "false"):
                    raise ValueError
                return text == "true"
            if wanted is str and isinstance(value, list | tuple):
                value = ",".join(str(v) for v in value)
            if wanted is int and isinstance(value, float) and value != int(value):
                raise ValueError
            result: str | float | int = wanted(value)
        except (TypeError, ValueError):
            kind = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}[wanted]
            raise MusedeepError(f"{recipe}: {self.name}={value} is not {kind}; the default is {self.default}") from None
        if self.choices and result not in self.choices:
            near = difflib.get_close_matches(str(result), self.choices, 1, 0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise MusedeepError(f"{recipe}: {self.name}={result} is not one of {', '.join(self.choices)}{hint}")
        return result


@dataclass(frozen=True)
class Recipe:
    """The declaration of a recipe."""

    name: str
    summary: str
    tags: tuple[Tag, ...]
    parameters: tuple[Parameter, ...]
    products: tuple[tuple[str, str], ...]

    def parse(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters: those given, checked, and the defaults of the others.

        Raises
        ------
        MusedeepError
            An unknown name (the nearest right one is named), a wrong type or choice.
        """
        known = {p.name: p for p in self.parameters}
        values: dict[str, Any] = {p.name: p.default for p in self.parameters}
        for name, value in given.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.3)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
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
        for path, tag in frames:
            if tag in found:
                found[tag].append(path)
        for tag in self.tags:
            n = len(found[tag.name])
            if n < tag.minimum:
                raise MusedeepError(f"{source}: {self.name} needs at least {tag.minimum} {tag.name}, found {n}; add them")
            if tag.maximum is not None and n > tag.maximum:
                raise MusedeepError(f"{source}: {self.name} takes {tag.maximum} {tag.name}, found {n}; keep one")
        return found

    def help_text(self) -> str:
        """What `musedeep recipe NAME --help` prints."""
        lines = [f"{self.name} -- {self.summary}", "", "Input frames:"]
        for tag in self.tags:
            n = f">= {tag.minimum}" if tag.maximum is None else ("1" if tag.minimum else "0-1")
            lines.append(f"  {tag.name:<18} {n:<5} {tag.description}")
        lines += ["", "Parameters:"]
        for p in self.parameters:
            choice = f" <{' | '.join(p.choices)}>" if p.choices else ""
            lines.append(f"  --{p.name}={p.default}{choice}")
            lines.append(f"        {p.help}")
        lines += ["", "Products:"] + [f"  {name:<26} {text}" for name, text in self.products]
        return "\n".join(lines)
