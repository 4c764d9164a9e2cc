"""`musedeep catalogue` on directories and files as a person gives them."""

import json

import pytest

from musedeep.cli.main import run
from tests.makers.header_files import NIGHT_LOG, raw_header, write_header


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A directory with three frames, one of them twice, a foreign file and a night log; the database beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSEDEEP_CATALOGUE", str(tmp_path / "c.sqlite"))
    place = tmp_path / "archive"
    for name, date in (("a", "03:04:05.678"), ("b", "03:33:05.678"), ("b2", "03:33:05.678")):
        write_header(place / f"{name}.fits", raw_header(f"2016-10-02T{date}"))
    write_header(place / "below" / "bias.fits", raw_header("2016-10-02T12:00:00.000", "BIAS"))
    write_header(place / "other.fits", raw_header(INSTRUME="HAWKI"))
    write_header(place / ".hidden.fits", raw_header())
    (place / "MUSE.2016-10-02T03:04:05.678.NL.txt").write_text(NIGHT_LOG)
    return place


def test_add_twice_list_and_count(archive, capsys):
    assert run(["catalogue", "add", "archive"]) == 0
    said = capsys.readouterr().out
    assert "left out: " in said and "INSTRUME is HAWKI, not MUSE" in said
    assert "3 new, 0 changed, 0 as they were" in said and "1 executions of OBs" in said
    assert run(["catalogue", "add", "archive"]) == 0
    assert "0 new, 0 changed, 3 as they were" in capsys.readouterr().out
    assert run(["catalogue", "list", "tag=OBJECT", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["MUSE.2016-10-02T03:04:05.678", "MUSE.2016-10-02T03:33:05.678"]
    assert {row["grade"] for row in rows} == {"B"} and rows[0]["airmass"] is None
    assert {(row["container"], row["requested_seeing"], row["measured_seeing"]) for row in rows} == {("77", 0.8, 0.71)}
    assert rows[0]["constraints"]["Sky transparency"] == {"fulfilled": "YES", "requested": "CLR"}
    assert rows[0]["comments"].startswith("Seeing out of") and rows[0]["observing_mode"] == "SM"
    assert run(["catalogue", "list"]) == 0
    assert "3 exposures" in capsys.readouterr().out
    assert run(["catalogue", "info"]) == 0
    said = capsys.readouterr().out
    assert "files         4" in said and "BIAS" in said and "2016-10-01" in said


def test_sets_and_their_calibrations(archive, capsys):
    for k in range(3):
        write_header(archive / f"flat{k}.fits", raw_header(f"2016-10-02T11:0{k}:00.000", "FLAT,LAMP"))
    assert run(["catalogue", "add", "archive"]) == 0
    capsys.readouterr()
    assert run(["catalogue", "sets", "tag=OBJECT", "--json"]) == 0
    (first, _) = json.loads(capsys.readouterr().out)
    assert first["name"] == "2016-10-02T03:04:05.678" and first["missing"] == ["BIAS", "ARC", "STD"]
    flat = first["calibrations"]["FLAT"]
    assert flat["frames"] == 3 and 0.33 < flat["days"] < 0.34 and flat["warmer"] is None
    assert run(["catalogue", "sets"]) == 0
    said = capsys.readouterr().out
    assert "FLAT 2016-10-02T03:00:00" in said and "+0.33 d" in said and "none" in said and "4 sets of 6 frames" in said
    assert run(["catalogue", "sets", "tag=OBJECT", "--chosen"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-4:-1] for line in lines[1:2]] == [["FLAT", "2016-10-02T03:00:00", "3"]]
    assert lines[2].split()[:2] == ["BIAS", "none"]


def test_duplicates_with_different_content(archive, capsys):
    write_header(archive / "c.fits", raw_header(EXPTIME=3.0))
    assert run(["catalogue", "add", "archive"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "c.fits: exposure_time of MUSE.2016-10-02T03:04:05.678 is 3.0 here" in error


def test_a_log_that_is_cut_off_does_not_stop_the_others(archive, capsys):
    (archive / "MUSE.2016-10-03T00:00:00.000.NL.txt").write_text(NIGHT_LOG[:400])
    assert run(["catalogue", "add", "archive"]) == 1
    captured = capsys.readouterr()
    assert "has been cut off; download it again" in captured.err and "3 new" in captured.out


def test_tables_and_programmes(archive, capsys):
    (archive / "query.csv").write_text("dp_id,dp_cat,dp_type\nMUSE.2017-01-01T00:00:00.000,SCIENCE,OBJECT\n")
    (archive / "programmes.csv").write_text("run,pi\n094.A-0205(B),BACON\n")
    assert run(["catalogue", "add", "archive/query.csv", "--programmes", "archive/programmes.csv"]) == 0
    assert "1 new, 1 changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["add", "nowhere"], 1, "nowhere: no such file or directory"),
        (["add", "archive/other.fits"], 1, "INSTRUME is HAWKI, not MUSE"),
        (["add", "notes.doc"], 1, "is none of FITS files, night logs"),
        (["list"], 1, "no such catalogue"),
        (["list", "targt=UDF"], 2, "write FACT=VALUE, as tag=OBJECT (target?)"),
    ],
)
def test_what_cannot_be_done(archive, capsys, words, status, said):
    (archive.parent / "notes.doc").write_text("notes")
    if status == 2:
        assert run(["catalogue", "add", "archive"]) == 0
        capsys.readouterr()
    assert run(["catalogue", *words]) == status
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
