"""Declarations: values are parsed, wrong ones refused in one line that names the right ones."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.declaration import Input, Parameters, Product, Recipe, parameter
from musedeep.errors import MusedeepError, nearest
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.recipes.registry import named, recipes


class ToyParameters(Parameters):
    number: float = parameter(1.5, "A number.")
    count: int = parameter(3, "A count.")
    switch: bool = parameter(False, "A switch.")
    colour: Literal["red", "Green"] = parameter("red", "A colour.")
    part: float = parameter(0.5, "A part.", gt=0, lt=1)
    few: int = parameter(2, "A few.", ge=1, le=4)


TOY = Recipe(
    name="toy",
    summary="A toy.",
    inputs=(Input("RAW", 2, None, "raw frames"), Input("CAL", 0, 1, "calibration")),
    model=ToyParameters,
    products=(Product("TOY.fits", "the toy"),),
)


def test_defaults_have_their_types():
    assert TOY.parse({}).texts() == {"number": 1.5, "count": 3, "switch": False, "colour": "red", "part": 0.5, "few": 2}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("number", "2", 2.0), ("number", 2, 2.0), ("count", "7", 7), ("count", 7.0, 7), ("count", "7.0", 7),
     ("part", "0.25", 0.25), ("switch", "TRUE", True),
     ("switch", True, True), ("colour", "Green", "Green")],
)  # fmt: skip
def test_values_are_converted(name, value, expected):
    result = TOY.parse({name: value}).texts()[name]
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"numbr": 1}, "did you mean number?"),
        ({"zzzz": 1}, "known are number, count, switch, colour, part, few"),
        ({"number": "many"}, "number=many is not a number; the default is 1.5"),
        ({"number": "nan"}, "is not a number"),
        ({"number": True}, "is not a number"),
        ({"number": "-inf"}, "is not a number"),
        ({"part": "1"}, "part=1.0 is out of range, above 0, below 1; the default is 0.5"),
        ({"part": "nan"}, "is not a number"),
        ({"part": 0}, "is out of range"),
        ({"few": "5"}, "few=5 is out of range, 1 to 4; the default is 2"),
        ({"few": 0}, "few=0 is out of range"),
        ({"count": ""}, "is not a whole number"),
        ({"count": 2.5}, "is not a whole number"),
        ({"count": "2.5"}, "is not a whole number"),
        ({"count": float("inf")}, "is not a whole number"),
        ({"switch": "perhaps"}, "is not true or false"),
        ({"colour": "green"}, "did you mean Green?"),
        ({"colour": None}, "is not text"),
    ],
)
def test_wrong_values_are_refused_in_one_line(given_, message):
    with pytest.raises(MusedeepError) as error:
        TOY.parse(given_)
    text = str(error.value)
    assert message in text
    assert text.startswith("toy: ")
    assert "\n" not in text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives_text(value):
    assert TOY.parse({"number": repr(value)}).number == value


NUMBERS_WITHOUT_LIMITS = {
    "normalize": "not above 0: the time of the first frame",
    "linesigma": "negative: a default",
    "fitsigma": "negative: a default",
    "smooth": "0 or less: off",
    "crsigma": "0 or less: off",
    "vignmaskedges": "0 or less: off",
    "lambdaref": "below 0: off",
    "detsigma": "negative: several levels",
    "threshold": "0 or less: in deviations of the background",
    "toffset": "of either sign",
}


@pytest.mark.parametrize("name", recipes())
def test_every_number_has_its_range(name):
    recipe = named(name)
    for p in recipe.parameters:
        number = isinstance(p.default, int | float) and not isinstance(p.default, bool)
        assert (p.limits is not None) == (number and p.name not in NUMBERS_WITHOUT_LIMITS), p.name
        if p.limits is None:
            continue
        assert p.limits.hold(p.default)
        for end, beyond, is_open in (
            (p.limits.low, -1, p.limits.open_low),
            (p.limits.high, 1, p.limits.open_high),
        ):
            if abs(end) < float("inf"):
                bad = end if is_open else end + beyond
                with pytest.raises(MusedeepError, match=rf"{name}: {p.name}=\S+ is out of range, {p.limits}; "):
                    recipe.parse({p.name: int(bad) if isinstance(p.default, int) else bad})
                if not is_open:
                    try:
                        found = recipe.parse({p.name: str(end)}).texts()[p.name]
                    except MusedeepError as error:  # it does not go with the default of another parameter
                        found = end if "out of range" not in str(error) else None
                    assert found == end
        if isinstance(p.default, float):
            for bad in ("nan", "inf", "-inf", "1e999"):
                with pytest.raises(MusedeepError, match="is not a number"):
                    recipe.parse({p.name: bad})


def test_nearest():
    assert nearest("LANCOS", ["linear", "lanczos"]) == "lanczos"
    assert nearest("qqq", ["linear", "lanczos"]) is None


def test_frames_are_counted():
    frames = [("a", "RAW"), ("b", "RAW"), ("c", "CAL"), ("d", "OTHER")]
    assert TOY.check_frames(frames, "x.sof") == {"RAW": ["a", "b"], "CAL": ["c"]}
    with pytest.raises(MusedeepError, match=r"x\.sof: toy needs at least 2 RAW, found 1"):
        TOY.check_frames(frames[:1], "x.sof")
    with pytest.raises(MusedeepError, match="takes 1 CAL, found 2"):
        TOY.check_frames([*frames, ("e", "CAL")], "x.sof")


def test_help_and_table_name_every_parameter():
    text, table = RECIPE.help_text(), RECIPE.parameter_table()
    for p in RECIPE.parameters:
        assert f"--{p.name}=" in text
        assert f"| `{p.name}` | `{p.default}` |" in table
    for tag in RECIPE.inputs:
        assert tag.name in text
    assert max(len(line) for line in text.splitlines()) < 120


def test_defaults_are_those_of_the_manual():
    p = RECIPE.parse({})
    assert p.save == {"cube"}
    assert (p.resample, p.crtype, p.weight, p.format) == ("drizzle", "median", "exptime", "Cube")
    assert (p.dx, p.dy, p.dlambda, p.crsigma, p.rc, p.ld) == (0.0, 0.0, 0.0, 10.0, 1.25, 1)
    assert p.pixfrac == (0.6, 0.6, 0.6)
    assert p.filter == ("white",)
    assert (p.lambdamin, p.lambdamax) == (4000.0, 10000.0)
    assert p.rejection == "reference"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.8", (0.8, 0.8, 0.8)), ("0.8,0.5", (0.8, 0.8, 0.5)), ("0.8, 0.7, 0.5", (0.8, 0.7, 0.5)),
     (0.8, (0.8, 0.8, 0.8)), ([0.8, 0.5], (0.8, 0.8, 0.5))],
)  # fmt: skip
def test_pixfrac_takes_one_to_three_values(text, expected):
    assert RECIPE.parse({"pixfrac": text}).pixfrac == expected


def test_lists_are_split():
    p = RECIPE.parse({"save": "cube, zarr,exposures", "filter": ["white", "Johnson_V"]})
    assert p.save == {"cube", "zarr", "exposures"}
    assert p.filter == ("white", "Johnson_V")


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"save": "cubes"}, "did you mean cube?"),
        ({"save": ""}, "is not among cube, combined, exposures, zarr"),
        ({"pixfrac": "0.6,0.6,0.6,0.6"}, "one to three positive numbers"),
        ({"pixfrac": "0"}, "one to three positive numbers"),
        ({"pixfrac": "a,b"}, "one to three positive numbers"),
        ({"dx": -0.2}, "dx=-0.2 is out of range, 0 to 10000; the default is 0.0"),
        ({"ld": 0}, "ld=0 is out of range, 1 to 10; the default is 1"),
        ({"rc": 0}, "rc=0.0 is out of range, above 0"),
        ({"lambdamin": 7000, "lambdamax": 6000}, "the range is empty"),
        ({"resample": "lancos"}, "did you mean lanczos?"),
    ],
)
def test_ranges_are_checked(given_, message):
    with pytest.raises(MusedeepError, match=message.replace("?", r"\?")):
        RECIPE.parse(given_)
