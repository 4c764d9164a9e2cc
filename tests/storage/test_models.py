"""What is wrong with the content of a file, in one line."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from musedeep.errors import MusedeepError
from musedeep.storage.models import validated


def _even(value):
    if not isinstance(value, int) or value % 2:
        raise ValueError("an even number")
    return value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: Literal["standard", "crowded"] = "standard"
    seconds: Annotated[float, Field(gt=0, le=10)] = 1.0
    files: Annotated[list[str], Field(description="a list of paths")] = []
    names: list[str] = []


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    parts: list[Inner] = []
    one: Inner | None = None
    by_name: dict[str, Inner] = {}
    low: float = 0.0
    high: float = 1.0
    even: Annotated[int, BeforeValidator(_even)] = 0
    hidden: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="after")
    def _in_order(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"nam": "a"}, "key 'name' is missing; add it"),
        ({"name": "a", "nme": "b"}, "unknown key 'nme'; did you mean name?"),
        ({"name": "a", "zzzz": "b"}, "unknown key 'zzzz'; known are name, parts, one, by_name, low, high, even"),
        ({"name": "a", "parts": [{}, {"metod": 1}]}, "parts[1]: unknown key 'metod'; did you mean method?"),
        ({"name": "a", "one": {"metod": 1}}, "one: unknown key 'metod'; did you mean method?"),
        ({"name": "a", "by_name": {"x": {"metod": 1}}}, "by_name.x: unknown key 'metod'; did you mean method?"),
        (
            {"name": "a", "parts": [{"method": "crowdd"}]},
            "parts[0].method: 'crowdd' is not right; it has to be one of standard, crowded; did you mean crowded?",
        ),
        ({"name": "a", "one": {"seconds": 0}}, "one.seconds: 0 is not right; it has to be more than 0"),
        ({"name": "a", "one": {"seconds": 11}}, "one.seconds: 11 is not right; it has to be at most 10"),
        ({"name": "a", "one": {"seconds": "x"}}, "one.seconds: 'x' is not right; it has to be a number"),
        ({"name": "a", "one": {"files": [3]}}, "one.files: 3 is not right; it has to be a list of paths"),
        ({"name": "a", "one": {"names": [3]}}, "one.names[0]: 3 is not right; it has to be text"),
        ({"name": "a", "one": {"names": 3}}, "one.names: 3 is not right; it has to be a list"),
        ({"name": "a", "one": 3}, "one: 3 is not right; it has to be a mapping"),
        ({"name": "a", "even": 3}, "even: 3 is not right; it has to be an even number"),
        ({"name": "a", "low": 2}, "a.yaml: low is above high"),
        ([], "a.yaml: it has to be a mapping"),
        ({"name": ["long"] * 50}, "... is not right; it has to be text"),
    ],
)
def test_the_first_problem_is_named(content, said):
    with pytest.raises(MusedeepError) as error:
        validated(Outer, content, Path("a.yaml"))
    text = str(error.value)
    assert text.startswith("a.yaml: ") and said in text and "\n" not in text and len(text) < 200


def test_what_is_right():
    assert validated(Outer, {"name": "a", "parts": [{"method": "crowded"}]}, Path("a")).parts[0].method == "crowded"
