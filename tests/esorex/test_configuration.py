"""Configuration files: what esorex 3.13.6 reads and refuses, and what is written is read again."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.esorex.configuration import as_json, as_text, file_to_create, read_configuration, write_configuration
from musedeep.esorex.errors import EsorexProblem
from musedeep.esorex.options import OPTIONS
from musedeep.esorex.parameters import cpl_parameters
from musedeep.recipes.registry import declared

BIAS = cpl_parameters(declared()["muse_bias"])
TEXTS = st.text(
    st.characters(exclude_characters="\n\r\0", exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc")) | st.just(" ")
)


def values_of(tmp_path, text, parameters=BIAS, **more):
    path = tmp_path / "x.rc"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return read_configuration(path, parameters, **more)


# each as the real esorex reads it
@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("muse.muse_bias.nifu=5", "nifu", 5), ("muse.muse_bias.nifu = 5", "nifu", 5),
        ("  muse.muse_bias.nifu=5  ", "nifu", 5), ("muse.muse_bias.nifu=3.7", "nifu", 3),
        ("muse.muse_bias.nifu=5\r", "nifu", 5), ("muse.muse_bias.nifu=5 # comment", "nifu", 5),
        ("muse.muse_bias.nifu=5\nmuse.muse_bias.nifu=6", "nifu", 6), ("muse.muse_bias.merge=true", "merge", True),
        ('muse.muse_bias.nifu="5"', "nifu", 5), ('muse.muse_bias.overscan="none"', "overscan", "none"),
        ("muse.muse_bias.overscan='none'", "overscan", "'none'"),
        ("muse.muse_bias.overscan=none # comment", "overscan", "none # comment"),
        ("muse.muse_bias.overscan=a=b", "overscan", "a=b"), ("muse.muse_bias.overscan==", "overscan", "="),
        ("muse.muse_bias.overscan=$HOME", "overscan", "$HOME"), ("muse.muse_bias.overscan=#x", "overscan", "#x"),
        ('muse.muse_bias.overscan= " a " ', "overscan", " a "), ('muse.muse_bias.overscan=""', "overscan", ""),
        (r"muse.muse_bias.overscan=a\nb", "overscan", "anb"), (r"muse.muse_bias.overscan=a\\b", "overscan", r"a\b"),
        (r"muse.muse_bias.overscan=a\"b", "overscan", 'a"b'), ("muse.muse_bias.overscan=a\\", "overscan", "a"),
        (r'muse.muse_bias.overscan="a\"b"', "overscan", 'a"b'),
    ],
)  # fmt: skip
def test_lines_that_esorex_reads(tmp_path, line, name, value):
    assert values_of(tmp_path, f"   # head\n\n\t\n{line}\n") == {name: value}


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("nifu=5", 250, "Parameter 'nifu' not recognised in configuration file"),
        ("--nifu=5", 250, "Parameter '--nifu' not recognised"), ("muse.muse_flat.nifu=5", 250, "not recognised"),
        ("esorex.caller.time=FALSE", 250, "not recognised"), ("MUSE.muse_bias.nifu=5", 250, "not recognised"),
        ("muse.muse_bias.nif=5", 250, "not recognised"),
        ("[section]", 254, "'[section]' does not fit 'key=value' format"), ("muse.muse_bias.nifu", 254, "does not fit"),
        ("muse.muse_bias.nifu=", 254, "does not fit"), ("=5", 254, "does not fit"), (";comment", 254, "does not fit"),
        ("muse.muse_bias.nifu=abc", 251, "Error parsing/interpreting entry 'muse.muse_bias.nifu'"),
        ("muse.muse_bias.nifu=99", 251, "outside the permitted range -1 to 24"),
        ('muse.muse_bias.nifu=""', 251, "Error"),
        ("muse.muse_bias.merge=True", 251, "Error parsing"), ("muse.muse_bias.combine=foo", 251, "Error parsing"),
        ('muse.muse_bias.combine=""', 251, "Error parsing"), ('muse.muse_bias.merge=""', 251, "Error parsing"),
        ('muse.muse_bias.overscan=a"b"', 252, "Unescaped quote within value 'a\"b\"'"),
        ('muse.muse_bias.overscan="a"b"', 252, "Unescaped quote"),
        ('muse.muse_bias.overscan="a', 253, "Quoting mismatch within value"),
        ('muse.muse_bias.overscan="', 253, "Quot"),
        ('muse.muse_bias.overscan="a" b', 253, "Quoting mismatch"), (r'muse.muse_bias.overscan="a\"', 253, "Quoting"),
    ],
)  # fmt: skip
def test_lines_that_esorex_refuses(tmp_path, line, status, message):
    before = {}
    with pytest.raises(EsorexProblem) as caught:
        values_of(tmp_path, f"muse.muse_bias.nlow=3\n{line}\nmuse.muse_bias.nhigh=4\n", values=before)
    assert caught.value.status == status
    assert any(message in text for _, text in caught.value.lines)
    assert before == {"nlow": 3}


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.rc", tmp_path):
        with pytest.raises(EsorexProblem, match=r"Unable to read the configuration file") as caught:
            read_configuration(path, BIAS)
        assert caught.value.status == 255


def test_options_that_have_no_place_in_a_file(tmp_path):
    said = []
    text = "esorex.caller.help=TRUE\nesorex.caller.time=TRUE\n"
    assert values_of(tmp_path, text, OPTIONS, warn=said.append) == {"time": True}
    assert len(said) == 1 and "'esorex.caller.help' should not appear" in said[0]


@given(TEXTS, st.floats(allow_nan=False), st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_what_is_written_is_read_again(tmp_path_factory, text, number, whole, truth):
    path = tmp_path_factory.mktemp("rc") / "x.rc"
    values = {"overscan": text, "lsigma": number, "nlow": whole, "merge": truth}
    write_configuration(path, BIAS, values)
    again = read_configuration(path, BIAS)
    expected = {one.alias: values.get(one.alias, one.default) for one in BIAS} | {"lsigma": float(f"{number:.15g}")}
    # what is empty is commented out
    assert {"overscan": ""} | again == expected


def test_the_old_file_is_kept(tmp_path):
    path = tmp_path / "muse_bias.rc"
    assert [text for _, text in write_configuration(path, BIAS, {"nifu": 3})] == [
        f"Creating configuration file '{path}'"
    ]
    old = path.read_text()
    said = write_configuration(path, BIAS, {"overscan": ""})
    assert [level for level, _ in said] == [logging.INFO, logging.INFO, logging.WARNING]
    assert f"Old configuration file copied to '{path}.bak'" in said[0][1]
    assert (tmp_path / "muse_bias.rc.bak").read_text() == old
    assert "\n#muse.muse_bias.overscan=\n" in path.read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["muse_bias.rc", "muse_bias.rc.bak"]


def test_a_file_that_cannot_be_written(tmp_path):
    for path in (tmp_path / "none" / "x.rc", tmp_path):
        with pytest.raises(EsorexProblem, match="Unable to create configuration file") as caught:
            write_configuration(path, BIAS, {})
        assert caught.value.status == 255


def test_the_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path, said = file_to_create("TRUE", "muse_bias")
    assert path == tmp_path / ".esorex" / "muse_bias.rc" and path.parent.is_dir() and len(said) == 1
    assert file_to_create("", "esorex") == (tmp_path / ".esorex" / "esorex.rc", [])
    assert str(file_to_create("true", "esorex")[0]) == "true"
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    with pytest.raises(EsorexProblem, match="Unable to create global configuration directory"):
        file_to_create("TRUE", "esorex")


def test_text_of_a_file(tmp_path):
    lines = as_text(tmp_path / "x.rc", OPTIONS, {"time": True}).splitlines()
    assert lines[0] == f"# File: {tmp_path}/x.rc"
    assert lines[-2:] == ["#", "# End of file"]
    assert "esorex.caller.time=TRUE" in lines and "#esorex.caller.products-sof=" in lines
    assert all(len(line) <= 80 for line in lines[1:])
    assert all(f"esorex.caller.{name}" not in line for line in lines for name in ("help", "config=", "man-page"))


def test_json(tmp_path):
    path = tmp_path / "x.json"
    write_configuration(path, BIAS, {"overscan": 'a/"\té', "lsigma": 0.1, "hsigma": float("inf")})
    found = {one["display_name"]: one for one in json.loads(path.read_text())}
    assert list(found) == [one.alias for one in BIAS]
    assert found["overscan"]["value"] == 'a/"\té' and found["lsigma"]["value"] == 0.1
    assert found["hsigma"]["value"] == float("inf")
    assert found["nifu"] == {
        "name": "muse.muse_bias.nifu", "value": 0, "valtype": "int", "partype": "range", "valmin": -1, "valmax": 24,
        "display_name": "nifu", "description": BIAS[0].description, "recipe": "muse_bias",
    }  # fmt: skip
    assert found["combine"]["valenum"] == ["average", "median", "minmax", "sigclip"]
    assert as_json((), {}) == "[\n]\n"
