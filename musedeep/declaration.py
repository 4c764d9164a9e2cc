"""A recipe as data: inputs, parameters, products, quality keywords, costs, and where its work is.

The command line, help, validation, the rules of association, the plan of a night, documents and tests follow from it.
A declaration imports nothing heavy; `Recipe.load` imports the work.
"""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, Final, Generic, Literal, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from musedeep.errors import MusedeepError, nearest

KINDS: Final = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}

MIB: Final = 2**20
GIB: Final = 2**30

Value = str | float | int | bool
Partype = Literal["value", "range", "enum"]


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


def parameter(
    default: Value,
    description: str,
    *,
    neutral: Value | None = None,
    in_night: Value | None = None,
    own: bool = False,
    partype: Partype | None = None,
    **limits: Any,
) -> Any:
    """A field of `Parameters`: its annotation gives type and choices (`Literal`).

    Parameters
    ----------
    default, description : default value, and one line of help
    neutral : where the ESO pipeline has no such parameter, the value that does the same as it
    in_night : its value in the reduction of a night, unless it is given; None: the default
    own : the ESO pipeline has no such parameter; so, too, if there is a neutral value
    partype : what it is for programs that drive the ESO pipeline: a plain value, which the recipe checks, a range, or
        an enumeration; None: an enumeration if it has choices, otherwise a value
    limits : gt, ge, lt, le
    """
    extra: dict[str, Any] = {"neutral": neutral, "in_night": in_night, "own": own or neutral is not None}
    return Field(default, description=description, json_schema_extra=extra | {"partype": partype}, **limits)


class Parameters(BaseModel):
    """The parameters of a recipe, typed and checked; fields in the order of the headers of products."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _converted(cls, value: Any, info: ValidationInfo) -> Value:
        wanted = type(cls.model_fields[str(info.field_name)].default)
        try:
            return _convert(value, wanted)
        except (TypeError, ValueError, OverflowError):
            raise PydanticCustomError("kind", "{kind}", {"kind": KINDS[wanted]}) from None

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def given(self) -> Mapping[str, Any]:
        """What was given, by name, as it was written."""
        return self._given

    def texts(self) -> dict[str, Any]:
        """Values by name; of those that are sets the members, sorted."""
        values = self.model_dump()
        return {name: tuple(sorted(v)) if isinstance(v, frozenset) else v for name, v in values.items()}


P = TypeVar("P", bound=Parameters)


def _convert(value: Any, wanted: type) -> Value:
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
class Parameter:
    """A parameter as command line, help and headers need it."""

    name: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    limits: Range | None = None
    neutral: Value | None = None
    in_night: Value | None = None
    own: bool = False
    partype: Partype = "value"

    @classmethod
    def of_field(cls, name: str, info: FieldInfo) -> Self:
        """From a field of `Parameters`."""
        low, high, open_low, open_high = -math.inf, math.inf, False, False
        for bound in info.metadata:  # of annotated_types: Gt, Ge, Lt, Le
            low, open_low = getattr(bound, "gt", getattr(bound, "ge", low)), open_low or hasattr(bound, "gt")
            high, open_high = getattr(bound, "lt", getattr(bound, "le", high)), open_high or hasattr(bound, "lt")
        limits = Range(low, high, open_low, open_high) if math.isfinite(low) or math.isfinite(high) else None
        choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
        extra: Any = info.json_schema_extra
        kind: Partype = extra["partype"] or ("enum" if choices else "value")
        neutral, in_night, own = extra["neutral"], extra["in_night"], extra["own"]
        return cls(name, info.default, str(info.description), choices, limits, neutral, in_night, own, kind)

    @property
    def values(self) -> str:
        """The values that it takes, in words; empty if any of its type."""
        return " | ".join(self.choices) or str(self.limits or "")


@dataclass(frozen=True)
class Input:
    """A tag of a set-of-frames.

    Attributes
    ----------
    name : the tag
    minimum, maximum : number of files; None: any number
    description : one line
    raw : the raw frames, or the pixel tables, that the recipe works on
    preferred : of several raw tags, the one that is taken if there are enough of its frames
    nearest : raw tag of which the exposure nearest in time is given
    needed : association does not do without it, though the minimum is 0
    left_out : why association does not pass it on
    on_demand : made and passed on only when it is asked for
    asked_by : parameters with which association passes it on; empty: with all
    match : properties that it has in common with the science frames: mode (INS MODE), field (INS OPTI2 NAME), read_out
    each_ifu : there may be a file for each IFU, though no recipe makes it
    """

    name: str
    minimum: int
    maximum: int | None
    description: str
    raw: bool = False
    preferred: bool = False
    nearest: str = ""
    needed: bool = False
    left_out: str = ""
    on_demand: bool = False
    asked_by: Mapping[str, Value] = field(default_factory=dict)
    match: tuple[str, ...] = ("mode", "read_out")
    each_ifu: bool = False


def _is(value: Any, wanted: Value) -> bool:
    """Whether a parameter has a value, or has it among several."""
    return wanted in value if isinstance(value, tuple | frozenset) else bool(value == wanted)


class Format(StrEnum):
    """Formats of products, each written and read by one module of `storage`."""

    IMAGE = "image: DATA, DQ, STAT"
    TABLE = "binary table"
    PLANE = "image of single planes"
    CUBE = "cube"
    PIXEL_TABLE = "pixel table"
    STORE = "zarr store"


@dataclass(frozen=True)
class Product:
    """A file that a recipe makes.

    Attributes
    ----------
    name : of the file; nn stands for the IFU, kkkk for the exposure, TAG for the raw tag
    description : one line
    nbytes : on disk, as measured on full-size frames: of one IFU, and of one exposure where there is one for each
    when, or_when : parameters with which it is written, and others with which it is written, too
    other_size : parameters with which it is of another size, and that size
    """

    name: str
    description: str
    format: Format = Format.TABLE
    nbytes: int = 0
    when: Mapping[str, Value] = field(default_factory=dict)
    or_when: Mapping[str, Value] | None = None
    other_size: tuple[Mapping[str, Value], int] | None = None

    @property
    def category(self) -> str:
        """PRO CATG, as in the set-of-frames of the next recipe."""
        return re.sub(r"(_(0001|kkkk|eeee|000k))?(-nn)?\.\w+$", "", self.name)

    @property
    def per_ifu(self) -> bool:
        """Whether there is one for each IFU."""
        return "-nn" in self.name

    @property
    def each(self) -> bool:
        """Whether there is one for each exposure."""
        return re.search("_(kkkk|eeee)", self.name) is not None

    def made_with(self, parameters: Mapping[str, Any]) -> bool:
        """Whether it is written with these parameters."""
        choices = [self.when] if self.or_when is None else [self.when, self.or_when]
        return any(all(_is(parameters.get(name), value) for name, value in choice.items()) for choice in choices)

    def size_with(self, parameters: Mapping[str, Any]) -> int:
        """Bytes on disk with these parameters, see `nbytes`."""
        if self.other_size and all(_is(parameters.get(name), value) for name, value in self.other_size[0].items()):
            return self.other_size[1]
        return self.nbytes

    def stem(self, ifu: int) -> str:
        """File name without its ending, for an IFU; of several exposures or filters that of the first."""
        return re.sub("kkkk|eeee|000k", "0001", self.name.rpartition(".")[0]).replace("-nn", f"-{ifu:02d}")


@dataclass(frozen=True)
class Quality:
    """A group of quality-control keywords, and what they say.

    Attributes
    ----------
    keyword : without the leading ESO QC; a comma parts words that stand for one another (MEAN, STDEV), a small letter
        at the end of a word stands for a number (SLICEj)
    description : one line
    """

    keyword: str
    description: str


@dataclass(frozen=True)
class Cost:
    """What a call takes, as measured on full-size frames.

    Attributes
    ----------
    memory : bytes at the peak, beyond the process itself
    seconds : with two processors; of an IFU, and of an exposure of muse_scibasic
    memory_per_ifu : bytes more for each IFU, of recipes that take all of them
    piece : bytes of the work on one IFU, if a recipe of all IFUs does that apart from the others
    work_per_exposure : bytes on disk for each exposure of the IFU at work
    """

    memory: int
    seconds: float
    memory_per_ifu: int = 0
    piece: int = 0
    work_per_exposure: int = 0


class Scope(StrEnum):
    """The frames of a set-of-frames."""

    IFU = "one IFU"
    FIELD = "all IFUs"
    EXPOSURE = "one exposure, all IFUs"
    EXPOSURES = "several exposures"


@dataclass(frozen=True)
class Recipe(Generic[P]):
    """The declaration of a recipe.

    Attributes
    ----------
    name, summary : as muse_flat, and one line
    inputs : in the order of the headers of products
    model : class of the parameters
    products, quality : what it writes
    scope : of its sets-of-frames
    cost : what a call takes
    section : of the manual, chapter 9, which is the order of recipes
    work : module with `run`, which makes an `Outcome` of a `RecipeCall`; empty: only the ESO pipeline has this recipe
        so far
    apart : each raw tag has sets of its own
    directory : of the products in a night, below that of the others
    in_night : whether a night has sets-of-frames for it
    hidden : parameters that esorex shows only with --show-hidden
    """

    name: str
    summary: str
    inputs: tuple[Input, ...]
    model: type[P]
    products: tuple[Product, ...]
    quality: tuple[Quality, ...] = ()
    section: int = 0
    scope: Scope = Scope.IFU
    cost: Cost = Cost(900 * MIB, 6.0)
    work: str = ""
    apart: bool = False
    directory: str = ""
    in_night: bool = True
    hidden: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """Its step in the reduction of a night, as in flat."""
        return self.name.removeprefix("muse_")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in order."""
        return tuple(Parameter.of_field(name, info) for name, info in self.model.model_fields.items())

    @property
    def raws(self) -> tuple[Input, ...]:
        """Inputs of raw frames, the preferred one first."""
        return tuple(sorted((one for one in self.inputs if one.raw), key=lambda one: not one.preferred))

    def load(self) -> Any:
        """The module that does the work."""
        return import_module(self.work)

    def run(self, call: Any) -> Any:
        """Run it: an `Outcome` of a `RecipeCall`."""
        return self.load().run(call)

    def categories(self, parameters: P) -> list[str]:
        """Names, without IFU and ending, of the products for each IFU that are written with these parameters."""
        values = parameters.texts()
        return [one.name.partition("-nn")[0] for one in self.products if one.per_ifu and one.made_with(values)]

    def parse(self, given: Mapping[str, Any]) -> P:
        """All parameters: those given, checked, and the defaults of the others.

        Raises
        ------
        MusedeepError
            An unknown name (the nearest right one is named), a wrong type or choice, a number out of range.
        """
        known = list(self.model.model_fields)
        for name in given:
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                raise MusedeepError(f"{self.name}: no parameter '{name}'; {hint}")
        try:
            parsed = self.model.model_validate(dict(given))
            parsed._given.update(given)
            return parsed
        except ValidationError as error:
            raise MusedeepError(f"{self.name}: {self._wrong(error.errors(include_url=False)[0])}") from None

    def recorded(self, given: P | Mapping[str, Any]) -> dict[str, Value]:
        """Values as headers record them: those given, in the types of the defaults, and the defaults."""
        values: Mapping[str, Any]
        if not isinstance(given, Parameters):
            values = given
        else:
            # lists as they were written
            defaults = {p.name: p.default for p in self.parameters}
            texts = given.texts()
            lists = [name for name, value in texts.items() if isinstance(value, tuple)]
            values = texts | {name: given.given.get(name, defaults[name]) for name in lists}
        self.parse(values)
        return {p.name: _convert(values.get(p.name, p.default), type(p.default)) for p in self.parameters}

    def _wrong(self, error: ErrorDetails) -> str:
        """One line on what is wrong with a value."""
        if error["type"] == "value_error":  # of a check of the recipe's own
            return str(error["ctx"]["error"])
        one = next(p for p in self.parameters if p.name == error["loc"][0])
        given, default = f"{one.name}={error['input']}", f"the default is {one.default}"
        if error["type"] == "kind":
            return f"{given} is not {error['ctx']['kind']}; {default}"
        if error["type"] == "literal_error":
            near = nearest(str(error["input"]), one.choices)
            return f"{given} is not one of {', '.join(one.choices)}" + (f"; did you mean {near}?" if near else "")
        return f"{given} is out of range, {one.limits}; {default}"

    def check_frames(self, frames: Sequence[tuple[str, str]], source: str) -> dict[str, list[str]]:
        """Files by tag; frames with tags the recipe does not take are left out.

        Parameters
        ----------
        frames : sequence of (path, tag)
        source : the set-of-frames file, for messages

        Raises
        ------
        MusedeepError
            Too few or too many frames of a tag.
        """
        files: dict[str, list[str]] = {one.name: [] for one in self.inputs}
        for path, name in frames:
            if name in files:
                files[name].append(path)
        for one in self.inputs:
            n = len(files[one.name])
            if n < one.minimum:
                raise MusedeepError(
                    f"{source}: {self.name} needs at least {one.minimum} {one.name}, found {n}; add them"
                )
            if one.maximum is not None and n > one.maximum:
                raise MusedeepError(f"{source}: {self.name} takes {one.maximum} {one.name}, found {n}; keep one")
        return files

    def help_text(self) -> str:
        """The text of `musedeep recipe NAME --help`."""
        lines = [f"{self.name} -- {self.summary}", "", "Input frames:"]
        for one in self.inputs:
            n = f">= {one.minimum}" if one.maximum is None else ("1" if one.minimum else "0-1")
            lines.append(f"  {one.name:<18} {n:<5} {one.description}")
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
