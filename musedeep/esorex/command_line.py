"""The command line of esorex: its own options, the recipe, the options of the recipe, sets-of-frames.

    esorex [options] RECIPE [options of the recipe] [SOF...]

1. The first word that begins with no dash is the recipe. After it, the first such word and all that follow are
   sets-of-frames. A dash alone is such a word, and -- ends the options.
2. Options are --name=value, or -name=value. Those that are true or false may stand alone, and are then TRUE. A name may
   be cut short as long as only one begins so. A value cannot be a word of its own. Of several the last counts.
3. Options of esorex have the values of, in this order: the defaults; the file of the installation or, if there is one,
   that of the user in its place; the file of --config; environment variables; the command line.
4. Parameters of a recipe: the defaults; the file of the user; that of --recipe-config; the command line.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from musedeep.esorex.configuration import read_configuration, user_file
from musedeep.esorex.errors import REFUSED, WRONG_VALUE, EsorexProblem
from musedeep.esorex.options import OPTIONS
from musedeep.esorex.parameters import CplParameter, converted, ignored

if TYPE_CHECKING:
    from musedeep.declaration import Value

INSTALLED: Final = Path("/etc/esorex.rc")
"""Configuration file of esorex's installation."""

NAMING: Final = ("config", "recipe-config", "paf-config", "products-sof")
"""Options that name a file, if they are given."""

Say = Callable[[int, str], None]
"""Takes a level of `logging`, and a text."""


@dataclass(frozen=True)
class Words:
    """Words of a command line: options of esorex, the recipe (empty: none), and what follows it."""

    options: list[str] = field(default_factory=list)
    recipe: str = ""
    rest: list[str] = field(default_factory=list)


def parted(words: Sequence[str]) -> Words:
    """The parts of a command line."""
    options, others = before_first(words)
    return Words(options, others[0] if others else "", others[1:])


def before_first(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options that words begin with, and the words from the first one that is none; -- is left out."""
    for k, word in enumerate(words):
        if word == "--":
            return list(words[:k]), list(words[k + 1 :])
        if not word.startswith("-") or word == "-":
            return list(words[:k]), list(words[k:])
    return list(words), []


def found(word: str, parameters: Sequence[CplParameter]) -> tuple[CplParameter, str | None]:
    """The parameter that an option gives, and the text of its value; None if there is no equals sign.

    Raises
    ------
    EsorexProblem
        No parameter, or several, have a name that begins so.
    """
    name, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
    exact = [one for one in parameters if one.alias == name]
    near = exact or [one for one in parameters if name and one.alias.startswith(name)]
    if len(near) != 1:
        several = f"; it may be {' or '.join('--' + one.alias for one in near)}" if near else ""
        raise EsorexProblem(REFUSED, f"Command line parameter '{word}' not recognized{several}")
    return near[0], text if equals else None


def values_of(
    words: Sequence[str], parameters: Sequence[CplParameter], before: "Mapping[str, Value]", say: Say
) -> "dict[str, Value]":
    """Values by alias: those `before`, and those of options; raises EsorexProblem for an option that is refused.

    Parameters
    ----------
    say : is told of options without a value, which are passed over
    """
    values = dict(before)
    for word in words:
        one, text = found(word, parameters)
        if said := ignored(one, text):
            say(logging.ERROR, said)
        value = converted(one, text, values.get(one.alias))
        if text is not None or one.type in ("bool", "string"):
            values[one.alias] = value
    return values


def option_values(words: Sequence[str], say: Say) -> "dict[str, Value]":
    """Values of all options of esorex.

    Raises
    ------
    EsorexProblem
        An option, an environment variable, or a value in a file is refused; the file of --config is missing.
    """
    check_named(words)
    given = values_of(words, OPTIONS, {}, say)
    environment = {
        one.alias: converted(one, os.environ[one.environment])
        for one in OPTIONS
        if one.environment and one.environment in os.environ
    }
    over = environment | given
    user, named = user_file("esorex"), str(over.get("config", ""))
    if named and not Path(named).is_file():
        raise EsorexProblem(REFUSED, f"'--config={named}' was specified, but the file '{named}' could not be found.")
    values = {one.alias: one.default for one in OPTIONS}
    for path in [user if user.is_file() else INSTALLED] + [Path(named)] * bool(named):
        if not path.is_file():
            continue
        try:
            read_configuration(path, OPTIONS, values, lambda text: say(logging.WARNING, text))
        except EsorexProblem as problem:
            # unlike a wrong file of a recipe, and a wrong value, a wrong line does not end the call
            if problem.status == WRONG_VALUE:
                raise EsorexProblem(REFUSED, *problem.lines) from None
            for line in problem.lines:
                say(*line)
    return values | over


def asks_version(words: Sequence[str]) -> bool:
    """Whether the version is asked for, which is shown whatever files are missing; raises as `values_of`."""
    return bool(values_of(words, OPTIONS, {}, lambda level, text: None).get("version"))


def check_named(words: Sequence[str]) -> None:
    """Raise EsorexProblem for options and variables that name a file, and have an empty value."""
    given = values_of(words, OPTIONS, {}, lambda level, text: None)
    for one in OPTIONS:
        value = given.get(one.alias, os.environ.get(one.environment) if one.environment else None)
        if one.alias in NAMING and value == "":
            raise EsorexProblem(
                REFUSED, f"'--{one.alias}' was specified, but no argument was given; write --{one.alias}=FILE"
            )


def recipe_values(
    recipe: str, words: Sequence[str], parameters: Sequence[CplParameter], named: str, say: Say
) -> "tuple[dict[str, Value], list[str]]":
    """Values of a recipe's parameters that are given, and the sets-of-frames.

    Parameters
    ----------
    words : that follow the recipe
    named : its configuration file; empty: none but that of the user

    Raises
    ------
    EsorexProblem
        An option is refused; a configuration file is missing or refused.
    """
    values: dict[str, Value] = {}
    user = user_file(recipe)
    for path in [user] * user.is_file() + [Path(named)] * bool(named):
        read_configuration(path, parameters, values, lambda text: say(logging.WARNING, text))
    options, sources = before_first(words)
    return values_of(options, parameters, values, say), sources


def check_options(values: "Mapping[str, Value]") -> None:
    """Raise EsorexProblem for directories and files that are named and missing, and for names that are needed."""
    for alias in ("log-dir", "log-file", "output-dir"):
        if not values[alias]:
            raise EsorexProblem(REFUSED, f"--{alias} has no value; give one behind the equals sign")
    if values["log-dir"] and not Path(str(values["log-dir"])).is_dir():
        where = values["log-dir"]
        raise EsorexProblem(REFUSED, f"'--log-dir={where}' specified, but '{where}' is not a valid directory.")
    named = str(values["recipe-config"])
    if named and not Path(named).is_file():
        raise EsorexProblem(
            REFUSED, f"'--recipe-config={named}' was specified, but the file '{named}' could not be found."
        )
    paf = str(values["paf-config"])
    if paf and not Path(paf).is_file():
        raise EsorexProblem(REFUSED, f"'--paf-config={paf}' specified, but '{paf}' could not be opened for reading.")
    directories = ["output-dir"] + ["link-dir"] * (not values["suppress-link"])
    for alias in directories:
        if not Path(str(values[alias])).is_dir():
            raise EsorexProblem(REFUSED, f"The argument to '--{alias}' [{values[alias]}] is not a valid directory")
    if not values["suppress-prefix"] and not values["output-prefix"]:
        raise EsorexProblem(REFUSED, "--suppress-prefix=FALSE needs a prefix; give --output-prefix")
