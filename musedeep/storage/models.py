"""Content that people write (YAML, JSON) into the pydantic models of its keys: one line on what is wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from musedeep.errors import MusedeepError, nearest

M = TypeVar("M", bound=BaseModel)

KINDS: Final = {
    "string": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list",
    "tuple": "a list", "dict": "a mapping", "model": "a mapping", "none": "null",
}  # fmt: skip
"""What is wanted, by the first word of a type of error, as in int_parsing."""
LIMITS: Final = {
    "greater_than": ("gt", "more than"), "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"), "less_than_equal": ("le", "at most"),
}  # fmt: skip
LONGEST: Final = 60
"""Characters of a value that are shown."""


def validated(model: type[M], content: Mapping[str, Any], path: Path) -> M:
    """A file's content as its model.

    Raises MusedeepError: an unknown key, with the nearest right one; a missing key; a wrong value, with what it has to
    be, as the `description` of a field says it, or else its type and limits.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MusedeepError(f"{path}: {problem_of(error, model)}") from None


def problem_of(error: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong with the content of a model: its first problem, in one line."""
    one = error.errors(include_url=False)[0]
    place = [part for part in one["loc"] if not str(part).startswith("function-")]
    if not place:
        if one["type"] == "value_error":
            return str(one["ctx"]["error"])
        return "no JSON that can be read" if "json" in one["type"] else "it has to be a mapping"
    where = _written(place)
    if one["type"] == "extra_forbidden":
        known = [name for name, info in _model_at(model, place[:-1]).model_fields.items() if not info.exclude]
        near = nearest(str(place[-1]), known)
        inside = f"{_written(place[:-1])}: " if place[:-1] else ""
        return f"{inside}unknown key '{place[-1]}'; " + (
            f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        )
    if one["type"] == "missing":
        inside = f"{_written(place[:-1])}: " if place[:-1] else ""
        return f"{inside}key '{place[-1]}' is missing; add it"
    said, depth = _expected(one, model, place)
    value = repr(one["input"])
    if len(value) > LONGEST:
        value = f"{value[:LONGEST]}..."
    return f"{_written(place[:depth]) or where}: {value} is not right; it has to be {said}"


def _expected(one: ErrorDetails, model: type[BaseModel], place: Sequence[int | str]) -> tuple[str, int]:
    """What a value has to be, and how many parts of its place say which value is meant."""
    context = one.get("ctx", {})
    if one["type"] == "value_error":
        return str(context["error"]), len(place)
    if one["type"] == "literal_error":
        choices = [word.strip("' ") for word in str(context["expected"]).replace(" or ", ",").split(",")]
        near = nearest(str(one["input"]), choices)
        listed = f"one of {', '.join(choices)}"
        return listed + (f"; did you mean {near}?" if near and near != one["input"] else ""), len(place)
    names = [k for k, part in enumerate(place) if isinstance(part, str)]
    if names:
        info = _model_at(model, place[: names[-1]]).model_fields.get(str(place[names[-1]]))
        if info is not None and info.description:
            return info.description, names[-1] + 1
    if one["type"] in LIMITS:
        key, words = LIMITS[one["type"]]
        return f"{words} {context[key]:g}", len(place)
    kind = KINDS.get(one["type"].partition("_")[0])
    if kind:
        return kind, len(place)
    return one["msg"].removeprefix("Input should be ").removeprefix("Value error, "), len(place)


def _written(place: Sequence[int | str]) -> str:
    """A place in a file, as targets[0].method."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _model_at(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The model of a part of a model."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            found = _model_in(model.model_fields[part].annotation)
            if found is not None:
                model = found
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation, as in list[Target] or Drawn | None; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg)) is not None), None)
