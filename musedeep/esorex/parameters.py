"""Parameters as CPL has them: names, types, ranges and choices, and values read and written as esorex does.

1. A recipe's parameter NAME is muse.RECIPE.NAME in files, --NAME on the command line.
2. Its type is int, double, bool or string; it is a plain value, a range, or an enumeration. Limits that the recipe
   itself checks are none of CPL's.
3. Text is read as by C: a whole number is what digits it begins with, in 32 bits, a real number what strtod takes; the
   rest of the text is ignored. Truth values are TRUE, FALSE, true and false alone.
4. Real numbers are written with the fewest of 3 to 15 digits that say what 15 say.
"""

import ctypes
import logging
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from musedeep.esorex.errors import REFUSED, EsorexProblem
from musedeep.esorex.layout import sentence

if TYPE_CHECKING:  # pydantic takes longer than all of --version
    from musedeep.declaration import Parameter, Partype, Recipe, Value

TYPES: Final[dict[type, str]] = {int: "int", float: "double", bool: "bool", str: "string"}

TRUTH: Final = {"TRUE": True, "true": True, "FALSE": False, "false": False}

WHOLE: Final = re.compile(r"[ \t\n\v\f\r]*([+-]?\d+)", re.ASCII)
REAL: Final = re.compile(
    r"[ \t\n\v\f\r]*([+-]?(?:0x(?:[\da-f]+\.?[\da-f]*|\.[\da-f]+)(?:p[+-]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
    r"|inf(?:inity)?|nan))",
    re.ASCII | re.IGNORECASE,
)

ADVICE: Final = (
    "Give a value that suits the type of the parameter (whole number, number, TRUE or FALSE, one of its choices), "
    "within its range."
)


@dataclass(frozen=True, kw_only=True)
class CplParameter:
    """A parameter of a recipe, or an option of esorex.

    Attributes
    ----------
    name, alias : in files, as muse.muse_bias.nifu, and on the command line, as nifu
    type : int, double, bool or string
    partype : value, range or enum
    limits : lowest and highest value of a range
    choices : of an enumeration
    recipe : empty for options of esorex
    own : the ESO pipeline does not have it
    hidden : shown only with --show-hidden
    environment : the variable that sets it; empty: none
    """

    name: str
    alias: str
    type: str
    default: "Value"
    description: str
    partype: "Partype" = "value"
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    recipe: str = ""
    own: bool = False
    hidden: bool = False
    environment: str = ""


def explained(parameter: CplParameter) -> str:
    """The description of a parameter in help and configuration files: with environment variable and choices."""
    variable = f" Environment variable: {parameter.environment}." if parameter.environment else ""
    choices = f" <{' | '.join(parameter.choices)}>" if parameter.choices else ""
    return f"{sentence(parameter.description)}{variable}{choices}"


def cpl_parameters(recipe: "Recipe[Any]") -> tuple[CplParameter, ...]:
    """The parameters of a recipe, in order."""
    return tuple(_cpl(recipe, one) for one in recipe.parameters)


def _cpl(recipe: "Recipe[Any]", one: "Parameter") -> CplParameter:
    limits = (one.limits.low, one.limits.high) if one.limits and one.partype == "range" else None
    return CplParameter(
        name=f"muse.{recipe.name}.{one.name}",
        alias=one.name,
        type=TYPES[type(one.default)],
        default=one.default,
        description=one.help,
        partype=one.partype,
        limits=limits,
        choices=one.choices if one.partype == "enum" else (),
        recipe=recipe.name,
        own=one.own,
        hidden=one.name in recipe.hidden,
    )


def converted(parameter: CplParameter, text: str | None, before: "Value | None" = None) -> "Value":
    """The value of a text, as esorex reads it from the command line, its environment and its files.

    Parameters
    ----------
    text : what is behind the equals sign; None: nothing, not even that sign
    before : value so far, None: the default; numbers without text and enumerations without choice keep it

    Raises
    ------
    EsorexProblem
        An empty number or truth value, text of another type, a value that is out of the range or none of the choices.
    """
    kept = parameter.default if before is None else before
    if parameter.type == "string":
        if parameter.choices and not text:
            return kept
        if parameter.choices and text not in parameter.choices:
            raise mismatch(parameter, "Input data do not match")
        return text or ""
    if text == "":
        raise EsorexProblem(
            REFUSED,
            f"'--{parameter.alias}' needs an argument but none was specified after the equals sign (\"=\").",
        )
    if parameter.type == "bool":
        if text is not None and text not in TRUTH:
            raise mismatch(parameter, "Type mismatch")
        return text is None or TRUTH[text]
    if text is None:
        return kept
    value: Value = _whole(parameter, text) if parameter.type == "int" else _real(parameter, text)
    low, high = parameter.limits or (-math.inf, math.inf)
    if not low <= float(value) <= high:
        outside = (
            f"Specified '{parameter.type}' value ({value}) for the parameter '{parameter.alias}' was outside the "
            f"permitted range {low:g} to {high:g}"
        )
        raise mismatch(parameter, "Illegal input", outside)
    return value


def ignored(parameter: CplParameter, text: str | None) -> str:
    """What esorex says of a number that is given without a value, and goes on; empty if that is not so."""
    bare = text is None and parameter.type in ("int", "double")
    return f"'--{parameter.alias}' needs an argument but none was specified..." if bare else ""


def mismatch(parameter: CplParameter, kind: str, *before: str) -> EsorexProblem:
    """The refusal of a value, with the name that CPL has for the kind of error."""
    said = f"CPL error '{kind}' occurred during the processing of the option '--{parameter.alias}'"
    return EsorexProblem(REFUSED, *before, said, (logging.WARNING, ADVICE))


def _whole(parameter: CplParameter, text: str) -> int:
    match = WHOLE.match(text)
    if match is None:
        raise mismatch(parameter, "Type mismatch")
    long = min(max(int(match[1]), -(2**63)), 2**63 - 1)
    return ctypes.c_int32(long & 0xFFFFFFFF).value


def _real(parameter: CplParameter, text: str) -> float:
    match = REAL.match(text)
    if match is None:
        raise mismatch(parameter, "Type mismatch")
    return float.fromhex(match[1]) if "x" in match[1].lower() else float(match[1])


def printed(value: "Value") -> str:
    """A value in configuration files, lists and help."""
    if isinstance(value, bool):
        return str(value).upper()
    if not isinstance(value, float):
        return str(value)
    best = f"{value:.15g}"
    text = next((short for n in range(3, 15) if float(short := f"{value:.{n}g}") == float(best)), best)
    return text if "." in text or "e" in text else f"{text}.0"
