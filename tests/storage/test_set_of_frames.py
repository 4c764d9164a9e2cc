"""Set-of-frames files."""

import os

import pytest

from musedeep.errors import MusedeepError
from musedeep.storage.set_of_frames import (  # fmt: skip
    existing_form,
    other_form,
    read_set_of_frames,
    write_set_of_frames,
)


@pytest.fixture
def frames(tmp_path):
    for name in ("a.fits", "b.fits"):
        (tmp_path / name).touch()
    return tmp_path


def write(directory, text):
    path = directory / "x.sof"
    path.write_text(text)
    return path


def test_comments_blanks_and_variables(frames, monkeypatch):
    monkeypatch.setenv("FRAMES", str(frames))
    path = write(frames, f"# all\n\n$FRAMES/a.fits   RAW\n#{frames}/b.fits RAW\n${{FRAMES}}/b.fits\tCAL more words\n")
    assert read_set_of_frames(path) == [(f"{frames}/a.fits", "RAW"), (f"{frames}/b.fits", "CAL")]


def test_relative_to_the_working_directory_then_to_the_file(frames, tmp_path_factory, monkeypatch):
    path = write(frames, "a.fits RAW\n")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert read_set_of_frames(path) == [(str(frames / "a.fits"), "RAW")]
    (elsewhere / "a.fits").touch()
    assert read_set_of_frames(path) == [("a.fits", "RAW")]


@pytest.mark.parametrize(("named", "other"), [("t.fits", "t.zarr"), ("t.zarr", "t.fits")])
def test_a_pixel_table_is_found_in_either_form(frames, tmp_path_factory, monkeypatch, named, other):
    def make(path):
        path.mkdir() if path.suffix == ".zarr" else path.touch()

    path = write(frames, f"{named} PIXTABLE_OBJECT\n")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    with pytest.raises(MusedeepError, match=rf"line 1: {named} does not exist"):
        read_set_of_frames(path)
    make(frames / other)
    assert read_set_of_frames(path) == [(str(frames / other), "PIXTABLE_OBJECT")]
    make(elsewhere / other)
    assert read_set_of_frames(path) == [(other, "PIXTABLE_OBJECT")]
    # the one that is named is taken before all others
    make(frames / named)
    assert read_set_of_frames(path) == [(str(frames / named), "PIXTABLE_OBJECT")]
    make(elsewhere / named)
    assert read_set_of_frames(path) == [(named, "PIXTABLE_OBJECT")]


def test_only_pixel_tables_have_another_form(frames):
    assert other_form("a/b.c.fits") == "a/b.c.zarr" and other_form("a.zarr/b.fits.gz") == "a.zarr/b.fits.gz"
    assert existing_form(f"{frames}/a.zarr") == f"{frames}/a.fits" and existing_form("no.fits") == "no.fits"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.fits\n", r"x\.sof, line 1: 'a\.fits' has no tag"),
        ("\nnone.fits RAW\n", r"line 2: none\.fits does not exist"),
        ("$NOT_SET_AT_ALL/a.fits RAW\n", "variable NOT_SET_AT_ALL .* is not set"),
        ("a.fits RAW\na.fits RAW\n", "line 2: .*listed twice"),
        ("# nothing\n", "no frames"),
        ("SIMPLE  =                    T", "not a set-of-frames"),
    ],
)
def test_wrong_files_are_refused(frames, text, message):
    with pytest.raises(MusedeepError, match=message):
        read_set_of_frames(write(frames, text))


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(MusedeepError, match=r"none\.sof: no such"):
        read_set_of_frames(tmp_path / "none.sof")
    (tmp_path / "b.sof").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(MusedeepError, match=r"b\.sof: not a set-of-frames"):
        read_set_of_frames(tmp_path / "b.sof")


@pytest.mark.parametrize("name", ["größe-漢🙂.fits".encode(), b"m\xe9li.fits", "a\u3000b\x85c\u00a0d.fits".encode()])
def test_names_of_any_characters(tmp_path, name):
    """Also those that are no UTF-8, and blanks and ends of lines of other scripts, which file systems do not know."""
    frame = os.path.join(os.fsencode(tmp_path), name)
    open(frame, "w").close()
    (tmp_path / "x.sof").write_bytes(b"\xef\xbb\xbf# caf\xe9\n" + frame + b"  RAW\r\n")
    found = read_set_of_frames(tmp_path / "x.sof")
    assert found == [(os.fsdecode(frame), "RAW")]
    write_set_of_frames(tmp_path / "y.sof", found)
    assert (tmp_path / "y.sof").read_bytes() == frame + b" RAW\n"
