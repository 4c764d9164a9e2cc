"""Exposures of tables without files: ESO's columns, others by a mapping, and tables that say nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from astropy.table import MaskedColumn, Table

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.archive_table import read_table
from musedeep.selection.catalogue.exposure import Exposure

REAL = Path(__file__).parents[4] / "shared/data/real/ic4406.sqlite"
MUSERED = """table: raw
name: ARCFILE
category: DPR_CATG
type: DPR_TYPE
mode: INS_MODE
date_obs: DATE_OBS
mjd: MJD_OBS
exposure_time: EXPTIME
object: OBJECT
target: OBS_TARG_NAME
ob_name: OBS_NAME
template_start: TPL_START
temperature: INS_TEMP7_VAL
"""


def archive(n=3):
    names = [f"MUSE.2016-10-02T03:0{k}:05.678" for k in range(n)]
    return Table(
        {
            "DP_ID": names, "dp_cat": ["SCIENCE"] * n, "dp_type": ["OBJECT"] * n, "dp_tech": ["IFU"] * n,
            "ob_id": [200419123] * n, "exposure": MaskedColumn([1500.0] * n, mask=[False] * (n - 1) + [True]),
            "prog_id": ["094.A-0205(B)"] * n, "ra": [53.1] * n, "dec": [-27.8] * n, "ins_mode": ["WFM-AO-N"] * n,
        }
    )  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".ecsv", ".vot", ".xml"])
def test_answers_of_the_archive(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    kind = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}.get(ending, "votable")
    archive().write(path, format=kind)
    found = list(read_table(path))
    assert all(isinstance(one, Exposure) for one in found) and len(found) == 3
    first, last = found[0], found[-1]
    assert isinstance(first, Exposure) and isinstance(last, Exposure)
    assert (first.name, first.tag, first.ob_id) == ("MUSE.2016-10-02T03:00:05.678", "OBJECT", "200419123")
    assert first.date_obs == "2016-10-02T03:00:05.678" and first.mode == "WFM-AO-N"
    assert first.exposure_time == 1500.0 and last.exposure_time != last.exposure_time


def test_a_mapping_of_ones_own(tmp_path):
    table = archive(1)
    table.rename_column("exposure", "seconds")
    table.write(tmp_path / "a.csv", format="ascii.csv")
    (tmp_path / "map.yaml").write_text("name: dp_id\nexposure_time: seconds\ntype: dp_type\ncategory: dp_cat\n")
    (one,) = read_table(tmp_path / "a.csv", tmp_path / "map.yaml")
    assert isinstance(one, Exposure) and one.run == "" and one.tag == "OBJECT"


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("name: dp_id\nexposure: exposure\n", "unknown key 'exposure'; did you mean exposure_time"),
        ("name: dpid\n", "no column dpid, which .* names; did you mean DP_ID"),
        ("object: prog_id\n", "no column that names exposures or gives their time"),
        ("- a\n", "mapping of columns has the keys"),
    ],
)
def test_mappings_that_are_wrong(tmp_path, mapping, said):
    archive(1).write(tmp_path / "a.csv", format="ascii.csv")
    (tmp_path / "map.yaml").write_text(mapping)
    with pytest.raises(MusedeepError, match=said):
        list(read_table(tmp_path / "a.csv", tmp_path / "map.yaml"))


def test_rows_that_are_no_exposures_say_why(tmp_path):
    table = archive(3)
    table["dp_type"] = ["OBJECT", "CUBE", "SKY"]
    table["ra"] = ["53", "54", "east"]
    table.write(tmp_path / "a.csv", format="ascii.csv")
    good, kind, number = read_table(tmp_path / "a.csv")
    assert isinstance(good, Exposure)
    assert isinstance(kind, str) and "row 2: DPR CATG SCIENCE with DPR TYPE CUBE is no raw type" in kind
    assert isinstance(number, str) and "row 3: ra is east, no number" in number


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "no column that names exposures"),
        ("a.vot", "<x>", "cannot be read as votable"),
        ("a.txt", "x", "has one of the endings"),
        ("a.sqlite", "no database", "no SQLite database that can be read"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(MusedeepError, match=said):
        list(read_table(tmp_path / name))
    with pytest.raises(MusedeepError, match=r"no such table|has one of"):
        list(read_table(tmp_path / f"no{name}"))


def test_which_table_of_a_database(tmp_path):
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE frames (dp_id TEXT)")
        database.execute("INSERT INTO frames VALUES ('MUSE.2016-10-02T03:00:05.678')")
    with pytest.raises(MusedeepError, match="name one with the key 'table' of --columns: frames"):
        list(read_table(path))
    (tmp_path / "map.yaml").write_text("table: frames\nname: dp_id\n")
    (one,) = read_table(path, tmp_path / "map.yaml")
    assert isinstance(one, Exposure) and one.tag == ""


@pytest.mark.skipif(not REAL.exists(), reason="the real database is not there")
def test_the_real_frames(tmp_path):
    (tmp_path / "map.yaml").write_text(MUSERED)
    found = list(read_table(REAL, tmp_path / "map.yaml"))
    exposures = [one for one in found if isinstance(one, Exposure)]
    # the other twelve are static calibrations
    assert (len(found), len(exposures)) == (155, 143)
    tags = [one.tag for one in exposures]
    assert {tag: tags.count(tag) for tag in set(tags)} == {
        "BIAS": 44, "DARK": 5, "FLAT": 33, "ILLUM": 5, "SKYFLAT": 4, "STD": 1, "ARC": 45, "OBJECT": 6,
    }  # fmt: skip
    # the nights that a careful person has noted, of calibrations in the morning too
    with closing(sqlite3.connect(f"file:{REAL}?mode=ro&immutable=1", uri=True)) as database:
        nights = dict(database.execute("SELECT ARCFILE, night FROM raw WHERE night IS NOT NULL"))
    assert all(one.night == nights[f"{one.name}.fits"] for one in exposures)
