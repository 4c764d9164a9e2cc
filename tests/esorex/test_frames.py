"""Sets-of-frames, as esorex reads them."""

import logging

import pytest

from musedeep.esorex.errors import NO_FRAMES, EsorexProblem
from musedeep.esorex.frames import Frame, expanded, read_frames, tagged


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.fits", "b.fits"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_paths_tags_and_groups(here):
    (here / "x.sof").write_text("a.fits BIAS RAW more words\n\n  # comment\n#c\n\tb.fits\tFLAT # x\na.fits\n")
    assert read_frames(["x.sof"], True) == [Frame("a.fits", "BIAS", "RAW"), Frame("b.fits", "FLAT"), Frame("a.fits")]


def test_several_are_joined(here):
    (here / "x.sof").write_text("a.fits BIAS")
    (here / "y.sof").write_text("b.fits BIAS")
    assert [one.path for one in read_frames(["x.sof", "y.sof"], True)] == ["a.fits", "b.fits"]


@pytest.mark.parametrize(
    ("given", "path"),
    [("$HERE/a", "/x/a"), ("${HERE}/a", "/x/a"), ("$(HERE)/a", "/x/a"), ("$NOWHERE/a", "/a"), ("a$", "a$")],
)
def test_variables_are_replaced(monkeypatch, given, path):
    monkeypatch.setenv("HERE", "/x")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert expanded(given) == path


def test_quotes_are_letters_of_the_name(here):
    (here / "x.sof").write_text("'a.fits' BIAS\n")
    with pytest.raises(EsorexProblem, match=r"Could not open the input file ''a.fits'' with tag 'BIAS' and no group"):
        read_frames(["x.sof"], True)


def test_all_that_is_missing_is_named(here):
    (here / "x.sof").write_text("a.fits BIAS\nc.fits BIAS CALIB\nd.fits\n")
    with pytest.raises(EsorexProblem) as caught:
        read_frames(["x.sof", "z.sof"], True)
    assert caught.value.status == NO_FRAMES
    texts = [text for _, text in caught.value.lines]
    assert (
        texts[0]
        == "Could not open the input file 'c.fits' with tag 'BIAS' and group 'CALIB' in line 2 of the SOF 'x.sof'"
    )
    assert texts[1] == "Could not open the input file 'd.fits' with no tag and no group in line 3 of the SOF 'x.sof'"
    assert texts[3] == "Unable to open SOF file 'z.sof' (No such file or directory)"


def test_missing_frames_pass_where_nobody_looks(here):
    (here / "x.sof").write_text("c.fits BIAS\n")
    assert read_frames(["x.sof"], False) == [Frame("c.fits", "BIAS")]
    with pytest.raises(EsorexProblem, match=r"Unable to open SOF file 'z.sof'"):
        read_frames(["z.sof"], False)


def test_what_is_no_text_has_no_frames(here):
    (here / "x.sof").write_bytes(b"SIMPLE  =                    T")
    (here / "y.sof").mkdir()
    (here / "z.sof").write_bytes(b"a.fits BIAS\0")
    assert read_frames(["x.sof", "y.sof", "z.sof"], True) == []


def test_a_store_stands_for_its_file(here):
    (here / "P.zarr").mkdir()
    (here / "x.sof").write_text("P.fits PIXTABLE_REDUCED\n")
    assert read_frames(["x.sof"], True)[0].path == "P.zarr"


def test_what_is_left_out_is_said(here):
    frames = [Frame("a.fits", "BIAS"), Frame("b.fits"), Frame("c.fits", "BIAS"), Frame("a.fits", "BIAS")]
    kept, said = tagged(frames, several=True)
    assert kept == [("a.fits", "BIAS")]
    assert [(level, text.split("'")[2]) for level, text in said] == [
        (logging.WARNING, " has no tag; it is left out"),
        (logging.WARNING, " does not exist; it is left out"),
        (logging.WARNING, " is listed twice; it is taken once"),
    ]
    assert len(tagged(frames, several=False)[0]) == 2
