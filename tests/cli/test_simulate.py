"""`musedeep simulate` from the command line."""

import hashlib
import os
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table

from musedeep.cli.main import run
from musedeep.cli.simulate import parse_ifus
from musedeep.errors import MusedeepError
from musedeep.storage.raw.file import read_raw
from musedeep.storage.set_of_frames import read_set_of_frames
from tests.makers.one_ifu_night import one_ifu_night


def sums(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.glob("*.fits")}


@pytest.fixture(scope="module")
def night():
    """A night of one IFU, as small as it can be, without the scene's own sources."""
    with one_ifu_night() as directory:
        yield directory


@pytest.mark.night
def test_a_night_is_whole(night):
    assert sorted(p.name for p in night.iterdir()) == ["raw", "sof", "static", "truth"]
    assert [p.name for p in night.parent.iterdir()] == ["night"]
    exposures = Table.read(night / "truth" / "exposures.ecsv")
    assert sorted(exposures["file"]) == sorted(p.name for p in (night / "raw").iterdir())
    known = yaml.safe_load((night / "truth" / "night.yaml").read_text())
    assert known["ifus"] == [5] and known["effects"]["sky"] is True
    templates = [fits.getheader(night / "raw" / row["file"]) for row in exposures if row["kind"] == "FLAT"]
    assert [header["ESO TPL EXPNO"] for header in templates] == [1, 2, 3]


@pytest.mark.night
def test_science_frames_carry_what_the_guiding_system_saw(night):
    exposures = Table.read(night / "truth" / "exposures.ecsv")
    for row in exposures:
        with fits.open(night / "raw" / row["file"]) as hdus:
            names = [hdu.name for hdu in hdus]
            if row["kind"] not in ("OBJECT", "SKY"):
                assert names == ["PRIMARY", "CHAN05"]
                continue
            assert names == ["PRIMARY", "CHAN05", "SGS_IMG", "SGS_CUBE", "SGS_DATA"]
            assert hdus["SGS_IMG"].data.shape == (1024, 1024)
            images, table = hdus["SGS_CUBE"].data, hdus["SGS_DATA"]
            assert images.shape == (row["exposure_time"] / 120.0, 1024, 1024) or row["kind"] == "SKY"
            stars = (len(table.columns) - 4) / 10
            assert stars == int(stars) >= 3 and len(table.data) == len(images)


@pytest.mark.night
def test_sets_of_frames_name_raw_frames_and_statics_that_exist(night):
    for path in (night / "sof").iterdir():
        for line in path.read_text().splitlines():
            name, tag = line.split()
            assert "/reduced/" in name or os.path.exists(name), line
            assert tag.isupper()
    frames = read_set_of_frames(night / "sof" / "bias-05.sof")
    assert [tag for _, tag in frames] == ["BIAS"] * 3 + ["BADPIX_TABLE"]


@pytest.mark.night
def test_frames_look_like_what_they_are(night):
    exposures = Table.read(night / "truth" / "exposures.ecsv")
    brightness = {}
    for row in exposures:
        raw = read_raw(night / "raw" / row["file"], 5)
        assert raw.data.shape == (4240, 4224)
        brightness[row["kind"]] = float(np.median(raw.data[1000:3000:7, 100:2000:7]))
    assert brightness["BIAS"] < brightness["DARK"] + 1 < brightness["OBJECT"]
    assert brightness["FLAT"] > 10000 and brightness["SKYFLAT"] > 3000


def test_the_same_seed_makes_the_same_bits_with_another_number_of_workers(tmp_path):
    for name, workers in (("one", "1"), ("two", "2")):
        arguments = ["--ifus", "2,3", "--number", "2", "--workers", workers]
        assert run(["simulate", "frame", "BIAS", str(tmp_path / name), *arguments]) == 0
    assert sums(tmp_path / "one") == sums(tmp_path / "two")


def test_compressed_frames_hold_the_same(tmp_path, capsys):
    for name, more in (("plain", []), ("packed", ["--compress"])):
        assert run(["simulate", "frame", "ARC", str(tmp_path / name), "--ifus", "2", "--lamp", "Ne", *more]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    plain, packed = (read_raw(name, 2) for name in names)
    assert names[1].endswith(".fits.fz") and np.array_equal(plain.data, packed.data)
    assert fits.getheader(names[0])["ESO INS LAMP3 ST"] is True


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["night", "OUT", "--ifus", "0-3"], "1 to 24"),
        (["night", "OUT", "--ifus", "one"], "1,5,11-13"),
        (["night", "OUT", "--mode", "WFM-X"], "WFM-NOAO-N"),
        (["night", "OUT", "--scene", "nothing"], "deep-field"),
        (["night", "OUT", "--scene", "nothing.fits"], "nothing.fits"),
        (["night", "OUT", "--without", "cosmics"], "cosmic_rays"),
        (["frame", "ARC", "OUT", "--lamp", "Th"], "HgCd"),
        (["frame", "NONSENSE", "OUT"], "SKYFLAT"),
        (["frame", "FLAT", "OUT", "--lamp", "Ne"], "ARC_LSF"),
        (["frame", "FLAT", "OUT", "--exposure-time", "5"], "OBJECT"),
        (["frame", "OBJECT", "OUT", "--dec", "60"], "another --dec"),
        (["night", "a name"], "blanks"),
        (["night", "missing/OUT"], "does not exist"),
    ],
)
def test_bad_choices_get_one_line(tmp_path, monkeypatch, capsys, arguments, word):
    monkeypatch.chdir(tmp_path)
    assert run(["simulate", *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert word in error and "Traceback" not in error and len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_is_said_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
    assert run(["simulate", "night", str(tmp_path / "out"), "--ifus", "1-24"]) == 1
    assert "MiB free" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_kept(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert run(["simulate", "frame", "BIAS", str(tmp_path / "out"), "--ifus", "1"]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_ranges_of_ifus():
    assert parse_ifus("1,5,11-13") == (1, 5, 11, 12, 13)
    with pytest.raises(MusedeepError, match="backwards"):
        parse_ifus("5-3")
