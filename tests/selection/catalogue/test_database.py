"""The database of a catalogue: SQLite and PostgreSQL; facts of several sources; what cannot be opened."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from dataclasses import replace
from glob import glob

import pytest

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.database import Catalogue
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.catalogue.headers import read_file
from musedeep.selection.catalogue.night_log import read_night_log
from musedeep.selection.dates import date_of
from tests.makers.header_files import NIGHT_LOG, raw_header, write_header

POSTGRES = next(iter(sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)), "")


@pytest.fixture(scope="module")
def postgres():
    """URL of a PostgreSQL that runs for these tests alone, on a socket without any port."""
    if not POSTGRES:
        pytest.skip("PostgreSQL is not installed")
    # the server refuses to run as root, whose directories others cannot enter
    place = tempfile.mkdtemp(prefix="musedeep-pg-")
    user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(place, "nobody")
    data = f"{place}/data"

    def call(name, *words):
        subprocess.run([*user, f"{POSTGRES}/{name}", *words], check=True, capture_output=True, cwd="/")

    call("initdb", "-D", data, "-U", "muse", "-A", "trust", "-E", "UTF8")
    call("pg_ctl", "-D", data, "-w", "-l", f"{data}/log", "-o", f"-c listen_addresses='' -k {place} -F", "start")
    try:
        yield f"postgresql+psycopg://muse@/postgres?host={place}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(place)


@pytest.fixture(params=["sqlite", "postgres"])
def catalogue(request, tmp_path):
    if request.param == "sqlite":
        place = str(tmp_path / "catalogue.sqlite")
    else:
        place = request.getfixturevalue("postgres")
        from sqlalchemy import create_engine

        from musedeep.selection.catalogue.tables import METADATA

        engine = create_engine(place)
        METADATA.drop_all(engine)
        engine.dispose()
    with Catalogue.open(place, create=True) as one:
        yield one


def exposure(number=0, **facts):
    mjd = 57000.25 + number / 100
    return Exposure(name=f"MUSE.{date_of(mjd)}", tag="OBJECT", mjd=mjd, date_obs=date_of(mjd), **facts)


def test_what_is_added_comes_back(catalogue):
    many = [exposure(k, ob_id=str(k // 4), ra=10.0 + k, object="étoile") for k in range(1203)]
    added = catalogue.add_exposures(many)
    assert (added.new, added.changed, added.same) == (1203, 0, 0)
    assert str(catalogue.exposures()) == str(many)  # NaN is NaN
    assert [one.name for one in catalogue.exposures(ob_id="7")] == [one.name for one in many[28:32]]
    assert catalogue.exposures(ob_id=["7", "8"], tag="SKY") == []
    again = catalogue.add_exposures(many)
    assert (again.new, again.changed, again.same) == (0, 0, 1203)


def test_sources_complete_each_other(catalogue):
    table = exposure(run="094.A-0205(B)", release_date="2018-01-01", object="by hand")
    header = replace(table, run="", release_date="", object="UDF-10", seeing=0.7)
    for first, second in ((False, True), (True, False)):
        catalogue.add_exposures([header if first else table], from_headers=first)
        added = catalogue.add_exposures([header if second else table], from_headers=second)
        (one,) = catalogue.exposures()
        assert (one.run, one.release_date, one.object, one.seeing) == ("094.A-0205(B)", "2018-01-01", "UDF-10", 0.7)
        assert not added.problems


def test_packed_and_unpacked_are_one_exposure(catalogue, tmp_path):
    paths = [write_header(tmp_path / name, raw_header()) for name in ("a.fits", "b/a.fits")]
    added = catalogue.add_files([read_file(path) for path in paths])
    assert added.new == 1 and not added.problems
    assert {row["path"] for row in catalogue.rows("files")} == {str(path) for path in paths}


def test_a_moved_file_is_the_same_exposure(catalogue, tmp_path):
    path = write_header(tmp_path / "a.fits", raw_header())
    catalogue.add_files([read_file(path)])
    moved = path.rename(tmp_path / "moved.fits")
    added = catalogue.add_files([read_file(moved)])
    assert (added.new, added.changed, added.same) == (0, 0, 1)
    assert [row["path"] for row in catalogue.rows("files")] == [str(moved)]


@pytest.mark.parametrize("together", [True, False])
def test_one_exposure_with_two_contents(catalogue, tmp_path, together):
    first = read_file(write_header(tmp_path / "a.fits", raw_header()))
    second = read_file(write_header(tmp_path / "b.fits", raw_header(EXPTIME=20.0)))
    if together:
        added = catalogue.add_files([first, second])
    else:
        catalogue.add_files([first])
        added = catalogue.add_files([second])
    (problem,) = added.problems
    assert problem.startswith(f"{tmp_path}/b.fits: ") and "exposure_time" in problem and "20.0" in problem
    assert [row["path"] for row in catalogue.rows("files")] == [f"{tmp_path}/a.fits"]
    assert catalogue.exposures()[0].exposure_time == 1500.0


def test_products_are_replaced_when_they_change(catalogue, tmp_path):
    path = tmp_path / "MASTER_BIAS.fits"
    for level, new in ((1.0, 1), (1.0, 0), (2.0, 1)):
        write_header(path, raw_header(ESO_PRO_CATG="MASTER_BIAS", ESO_QC_BIAS_MEDIAN=level, ESO_QC_WORD="x"))
        assert catalogue.add_files([read_file(path)]).products == new
    quality = {row["keyword"]: row["number"] or row["text"] for row in catalogue.rows("quality")}
    assert quality == {"QC BIAS MEDIAN": 2.0, "QC WORD": "x"}


def test_night_logs_and_programmes(catalogue, tmp_path):
    path = tmp_path / "a.NL.txt"
    path.write_text(NIGHT_LOG)
    log = read_night_log(path)
    assert catalogue.add_log(log) and not catalogue.add_log(log)
    (row,) = catalogue.rows("executions")
    assert row["grade"] == "B" and row["container"] == "77"
    assert len(catalogue.rows("constraints", ob_id="200419123")) == 3
    assert [one["night"] for one in catalogue.rows("weather")] == ["2016-10-01"] * 2
    programme = {"run": "094.A-0205", "pi": "BACON", "title": "UDF"}
    assert catalogue.add_programmes([programme]) == 1 and catalogue.add_programmes([programme]) == 0
    assert catalogue.counts()["programmes"] == 1


# what cannot be opened


def refused(place, match, create=False):
    with pytest.raises(MusedeepError, match=match) as error:
        Catalogue.open(place, create)
    assert "\n" not in str(error.value)


def test_no_catalogue(tmp_path):
    refused(tmp_path / "no.sqlite", "no such catalogue; `musedeep catalogue add` makes one")
    refused(tmp_path / "none" / "a.sqlite", "its directory does not exist", create=True)
    assert not list(tmp_path.iterdir())
    refused("oracle7://x", "no database that can be opened")
    refused("postgresql://me:secret@127.0.0.1:1/x", "me:\\*\\*\\*@127.0.0.1")


def test_other_files_and_databases(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_text("no database at all, however long it may be")
    refused(path, "not a database")
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE exposures (a)")
    refused(path, "with other tables, no catalogue", create=True)


def test_a_newer_version(tmp_path):
    path = tmp_path / "a.sqlite"
    Catalogue.open(path, create=True).close()
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE musedeep_catalogue SET version = 7")
    refused(path, "a catalogue of version 7")


def test_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("musedeep.selection.catalogue.database.PATIENCE", 0.05)
    path = tmp_path / "a.sqlite"
    with Catalogue.open(path, create=True) as one:
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MusedeepError, match="another process writes into it"):
            one.add_exposures([exposure()])
        other.rollback()
        other.close()
        assert one.add_exposures([exposure()]).new == 1


def test_read_only(tmp_path):
    path = tmp_path / "a.sqlite"
    Catalogue.open(path, create=True).close()
    # as of a disk that is mounted so: root may write into any file
    with Catalogue.open(f"sqlite:///file:{path}?mode=ro&uri=true") as one:
        assert one.exposures() == []
        with pytest.raises(MusedeepError, match="cannot be written"):
            one.add_exposures([exposure()])
