"""Configuration files of esorex and of recipes, read and written as esorex does.

1. A line is KEY=VALUE, with the full name of a parameter; blanks around key and value do not count. Lines that begin
   with # and empty lines are passed over.
2. A value may stand in double quotes. A backslash takes the special meaning from the letter behind it. Within the value
   a double quote needs one.
3. A file is read up to its first wrong line. What stands before that line counts.
4. What is written has a head, and for each parameter its name, its description in lines of # and its value. Values that
   are empty are commented out, since a line without a value is wrong.
5. If the name of the file ends with .json, a list in JSON is written, which programs read and esorex does not.
"""

import json
import logging
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from musedeep.errors import reason
from musedeep.esorex.errors import (
    NO_ASSIGNMENT,
    QUOTES_DIFFER,
    REFUSED,
    UNESCAPED_QUOTE,
    UNKNOWN_PARAMETER,
    WRONG_VALUE,
    EsorexProblem,
    Line,
)
from musedeep.esorex.layout import WIDTH, broken
from musedeep.esorex.options import ESOREX_VERSION
from musedeep.esorex.parameters import CplParameter, converted, explained, printed

if TYPE_CHECKING:
    from musedeep.declaration import Value

DIRECTORY: Final = ".esorex"
"""In the home directory of the user."""

COMMENT_WIDTHS: Final = (WIDTH - 2, WIDTH - 5)
"""Characters behind the # of the first line of a description, and of the others."""


def user_directory() -> Path:
    """Where the user's configuration files are."""
    return Path(os.environ.get("HOME") or "/") / DIRECTORY


def user_file(name: str) -> Path:
    """The user's configuration file of esorex, or of a recipe."""
    return user_directory() / f"{name}.rc"


def read_configuration(
    path: Path,
    parameters: Iterable[CplParameter],
    values: "dict[str, Value] | None" = None,
    warn: Callable[[str], None] = lambda text: None,
) -> "dict[str, Value]":
    """Read a configuration file.

    Parameters
    ----------
    path : the file
    parameters : that it may have
    values : by alias; those in the file are put there, up to the first wrong line. None: into a new dictionary
    warn : is told of options that have no place in such a file, and are passed over

    Returns
    -------
    dict
        The same `values`.

    Raises
    ------
    EsorexProblem
        With the status of what is wrong: a line without key or value, a key that is none of the parameters, quotes that
        do not match or are not escaped, a value that the parameter does not take; the file cannot be read.
    """
    known = {one.name: one for one in parameters}
    found: dict[str, Value] = {} if values is None else values
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise EsorexProblem(REFUSED, f"Unable to read the configuration file '{path}': {reason(error)}") from None
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, _, value = (part.strip() for part in line.partition("="))
        if not key or not value:
            raise _stopped(NO_ASSIGNMENT, f"'{line}' does not fit 'key=value' format", path)
        if key not in known:
            raise _stopped(UNKNOWN_PARAMETER, f"Parameter '{key}' not recognised", path)
        one = known[key]
        if not getattr(one, "in_file", True):
            warn(f"Parameter '{key}' should not appear in a configuration file, but is present in '{path}'")
            continue
        found[one.alias] = _assigned(one, _unquoted(value, key, path), path)
    return found


def _stopped(status: int, what: str, path: Path) -> EsorexProblem:
    where = f"configuration file '{path}'"
    return EsorexProblem(status, f"{what} in {where}", f"Unable to continue parsing {where}")


def _unquoted(value: str, key: str, path: Path) -> str:
    """The value without the quotes around it, and without the backslashes."""
    inner = value
    if value.startswith('"'):
        if len(value) < 2 or not value.endswith('"') or value.endswith('\\"'):
            raise _stopped(QUOTES_DIFFER, f"Quoting mismatch within value '{value}' for parameter '{key}'", path)
        inner = value[1:-1]
    if re.search(r'(?<!\\)(?:\\\\)*"', inner):
        raise _stopped(UNESCAPED_QUOTE, f"Unescaped quote within value '{inner}' for parameter '{key}'", path)
    return re.sub(r"\\(.?)", r"\1", inner)


def _assigned(one: CplParameter, text: str, path: Path) -> "Value":
    try:
        # an enumeration has no empty value here
        return converted(one, text or " " * bool(one.choices))
    except EsorexProblem as problem:
        outside = [line for level, line in problem.lines if level == logging.ERROR and line.startswith("Specified")]
        wrong = f"Error parsing/interpreting entry '{one.name}' in configuration file '{path}'"
        raise EsorexProblem(WRONG_VALUE, *outside, wrong) from None


def write_configuration(path: Path, parameters: Iterable[CplParameter], values: "Mapping[str, Value]") -> list[Line]:
    """Write a configuration file, in JSON if its name ends with .json; one that is there is kept as NAME.bak.

    Parameters
    ----------
    parameters : of a recipe, or the options of esorex, of which those that have no place in a file are left out
    values : by alias; of those that are left out the defaults

    Returns
    -------
    list
        Lines to be said.

    Raises
    ------
    EsorexProblem
        The file, or the copy of the old one, cannot be written.
    """
    written = in_files(parameters)
    said: list[Line] = []
    backup = Path(f"{path}.bak")
    try:
        if path.exists():
            shutil.copy(path, backup)
            said.append((logging.INFO, f"Old configuration file copied to '{backup}'"))
        said.append((logging.INFO, f"Creating configuration file '{path}'"))
        if path.suffix == ".json":
            said.append((logging.INFO, "Writing configuration file in JSON format"))
            text = as_json(written, values)
        else:
            text = as_text(path, written, values)
            said += [
                (
                    logging.WARNING,
                    f"No sensible default available for '--{one.alias}'. The entry will be inserted into the "
                    "configuration file, but will be commented out.",
                )
                for one in written
                if _value(one, values) == ""
            ]
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")
        partial.replace(path)
    except OSError as error:
        why = f"Unable to create configuration file '{path}': {reason(error)}"
        raise EsorexProblem(REFUSED, *said, why) from None
    return said


def in_files(parameters: Iterable[CplParameter]) -> list[CplParameter]:
    """The parameters without the options that have no place in files."""
    return [one for one in parameters if getattr(one, "in_file", True)]


def file_to_create(given: str, name: str) -> tuple[Path, list[Line]]:
    """The file that --create-config writes: that which is given, or the user's, whose directory is made if need be.

    Parameters
    ----------
    given : value of the option; empty or TRUE: the user's file
    name : of the recipe, or esorex

    Raises
    ------
    EsorexProblem
        The directory cannot be made.
    """
    if given not in ("", "TRUE"):
        return Path(given), []
    path = user_file(name)
    if path.parent.is_dir():
        return path, []
    made = f"No global configuration directory exists. Creating global configuration directory '{path.parent}'"
    try:
        path.parent.mkdir()
    except OSError as error:
        wrong = f"Unable to create global configuration directory '{path.parent}': {reason(error)}"
        raise EsorexProblem(REFUSED, (logging.WARNING, made), wrong) from None
    return path, [(logging.WARNING, made)]


def as_text(path: Path, parameters: Iterable[CplParameter], values: "Mapping[str, Value]") -> str:
    """A configuration file with a head, descriptions and values."""
    lines = [
        f"# File: {path}",
        "#",
        "# Note: This configuration file has been automatically",
        f"#       generated by the esorex (v{ESOREX_VERSION}) of musedeep.",
        "#",
        f"# Date: {time.strftime('%d-%b-%Y %H:%M:%S')}",
        "#",
        "#",
        "",
    ]
    for one in in_files(parameters):
        value = _value(one, values)
        described = broken(explained(one), *COMMENT_WIDTHS)
        lines += [f"# --{one.alias}", *(f"# {line}" for line in described)]
        lines += [f"{'#' if value == '' else ''}{one.name}={_escaped(value) if one.type == 'string' else value}", ""]
    return "\n".join([*lines, "#", "# End of file", ""])


def _value(one: CplParameter, values: "Mapping[str, Value]") -> str:
    return printed(values.get(one.alias, one.default))


def _escaped(text: str) -> str:
    """Text that is read again as it was: quotes and backslashes with a backslash before them, outer blanks kept."""
    safe = re.sub(r'(["\\])', r"\\\1", text)
    if text != text.rstrip():
        return f'"{safe}"'
    return f"\\{safe}" if text != text.lstrip() else safe


def as_json(parameters: Iterable[CplParameter], values: "Mapping[str, Value]") -> str:
    """A list of parameters in JSON, one key a line."""
    entries = [
        "  {\n" + ",\n".join(f'    "{key}": {text}' for key, text in _json_entries(one, values)) + "\n  }"
        for one in in_files(parameters)
    ]
    return "[\n" + ",\n".join(entries) + ("\n" if entries else "") + "]\n"


def _json_entries(one: CplParameter, values: "Mapping[str, Value]") -> list[tuple[str, str]]:
    entries: dict[str, Any] = {
        "name": one.name,
        "value": values.get(one.alias, one.default),
        "valtype": one.type,
        "partype": one.partype,
    }
    if one.limits:
        as_type = int if one.type == "int" else float
        entries |= {"valmin": as_type(one.limits[0]), "valmax": as_type(one.limits[1])}
    if one.choices:
        entries["valenum"] = one.choices
    entries |= {"display_name": one.alias, "description": one.description}
    if one.recipe:
        entries["recipe"] = one.recipe
    return [(key, _json(value)) for key, value in entries.items()]


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[ {' , '.join(_json(one) for one in value)} ]"
    if isinstance(value, float):
        # beyond all numbers: what readers of JSON take for infinite; JSON has nothing that is no number
        return "null" if math.isnan(value) else f"{value:.17g}".replace("inf", "1e999")
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("/", "\\/") if isinstance(value, str) else text
