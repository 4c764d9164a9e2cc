"""Parameters as CPL has them: what esorex 3.13.6 makes of a text, refuses, and writes."""

import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.esorex.errors import EsorexProblem
from musedeep.esorex.parameters import converted, cpl_parameters, ignored, printed
from musedeep.recipes.registry import declared

BIAS = {one.alias: one for one in cpl_parameters(declared()["muse_bias"])}


def test_names_types_and_kinds():
    nifu, combine, overscan = BIAS["nifu"], BIAS["combine"], BIAS["ovscreject"]
    assert (nifu.name, nifu.type, nifu.partype, nifu.limits) == ("muse.muse_bias.nifu", "int", "range", (-1, 24))
    assert (combine.type, combine.partype) == ("string", "enum")
    assert combine.choices == ("average", "median", "minmax", "sigclip")
    # the recipe checks them, esorex does not
    assert (overscan.partype, overscan.choices) == ("value", ())
    assert (BIAS["nlow"].partype, BIAS["nlow"].limits) == ("value", None)


def test_own_and_hidden_parameters():
    geometry = cpl_parameters(declared()["muse_geometry"])
    assert [one.alias for one in geometry if one.own] == ["saveimage"]
    assert [one.alias for one in geometry if one.hidden] == ["ifu1", "ifu2", "lambdamin", "lambdamax"]
    for recipe in declared().values():
        assert set(recipe.hidden) <= {one.name for one in recipe.parameters}


# each as the real esorex does it
@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("nifu", "3.0", 3), ("nifu", "3.9", 3), ("nifu", "-1.9", -1), ("nifu", "3abc", 3), ("nifu", "1e1", 1),
        ("nifu", "0x5", 0), ("nifu", " 3", 3), ("nifu", "+3", 3), ("nifu", "010", 10), ("nifu", "4294967297", 1),
        ("nlow", "2147483648", -2147483648), ("nlow", "99999999999", 1215752191), ("nlow", "9" * 20, -1),
        ("lsigma", "3.5e0", 3.5), ("lsigma", "3abc", 3.0), ("lsigma", "0x10", 16.0), ("lsigma", "0x1p3", 8.0),
        ("lsigma", "1e400", math.inf), ("lsigma", ".5", 0.5), ("lsigma", "5.", 5.0), ("lsigma", "1d3", 1.0),
        ("lsigma", "1e+", 1.0), ("lsigma", "1,5", 1.0), ("lsigma", "infinity", math.inf), ("lsigma", "-1", -1.0),
        ("merge", "TRUE", True), ("merge", "true", True), ("merge", "FALSE", False), ("merge", "false", False),
        ("merge", None, True), ("nifu", None, 0), ("combine", None, "sigclip"), ("combine", "", "sigclip"),
        ("combine", "median", "median"), ("overscan", "foo", "foo"), ("overscan", "", ""), ("overscan", None, ""),
        ("overscan", "'none'", "'none'"), ("overscan", "a=b ", "a=b "), ("ovscreject", "foo", "foo"),
    ],
)  # fmt: skip
def test_texts_that_esorex_takes(name, text, value):
    found = converted(BIAS[name], text)
    assert found == value
    assert type(found) is type(value)


def test_what_keeps_the_value_before():
    assert converted(BIAS["nifu"], None, 7) == 7
    assert converted(BIAS["combine"], "", "median") == "median"
    assert ignored(BIAS["nifu"], None).startswith("'--nifu' needs an argument")
    assert ignored(BIAS["nifu"], "3") == ignored(BIAS["merge"], None) == ignored(BIAS["combine"], None) == ""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nifu", "99", "Specified 'int' value (99) for the parameter 'nifu' was outside the permitted range -1 to 24"),
        ("nifu", "99", "CPL error 'Illegal input' occurred during the processing of the option '--nifu'"),
        ("nifu", "-2", "value (-2)"), ("nifu", "99999999999", "value (1215752191)"),
        ("nifu", "abc", "'Type mismatch'"), ("nifu", ".5", "'Type mismatch'"), ("nifu", "inf", "'Type mismatch'"),
        ("nifu", " ", "'Type mismatch'"), ("nifu", "-", "'Type mismatch'"), ("nifu", "", "needs an argument"),
        ("lsigma", "abc", "'Type mismatch'"), ("lsigma", "-.", "'Type mismatch'"), ("lsigma", "", "needs an argument"),
        ("merge", "True", "CPL error 'Type mismatch' occurred during the processing of the option '--merge'"),
        ("merge", "1", "'Type mismatch'"), ("merge", "T", "'Type mismatch'"), ("merge", "yes", "'Type mismatch'"),
        ("merge", "", "needs an argument"), ("combine", "foo", "'Input data do not match'"),
        ("combine", "MEDIAN", "'Input data do not match'"), ("combine", " median", "'Input data do not match'"),
    ],
)  # fmt: skip
def test_texts_that_esorex_refuses(name, text, message):
    with pytest.raises(EsorexProblem) as caught:
        converted(BIAS[name], text)
    assert caught.value.status == 255
    assert any(message in line for level, line in caught.value.lines if level == logging.ERROR)


# each as the real esorex writes it
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3.0"), (4000.0, "4e+03"), (6800.0, "6.8e+03"), (100.0, "100.0"), (1001.0, "1001.0"), (0.1, "0.1"),
        (1e15, "1e+15"), (123456789012345678.0, "1.23456789012346e+17"), (0.30000000000000004, "0.3"),
        (123456789012.0, "123456789012.0"), (5e-324, "4.94e-324"), (math.inf, "inf.0"), (math.nan, "nan.0"),
        (-0.0, "-0.0"), (1.000000000000001, "1.0"), (1.00000000000001, "1.00000000000001"), (0.00001234, "1.234e-05"),
        (True, "TRUE"), (False, "FALSE"), (3, "3"), ("a b", "a b"),
    ],
)  # fmt: skip
def test_values_as_esorex_writes_them(value, text):
    assert printed(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_is_read_again(value):
    assert converted(BIAS["lsigma"], printed(value)) == float(f"{value:.15g}")


@given(st.text())
def test_any_text_is_a_value_or_refused(text):
    for one in BIAS.values():
        try:
            value = converted(one, text)
        except EsorexProblem:
            continue
        assert type(value) is type(one.default)
