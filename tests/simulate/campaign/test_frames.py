"""A campaign with pixels: its files, headers and truth, with tiny images, for the campaign of the documentation."""

import csv
from collections import Counter

import pytest
from astropy.io import fits
from astropy.table import Table

from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.selection.campaign.plan_file import read_plan
from tests.makers.places import ROOT
from tests.makers.tiny_campaigns import make_tiny_campaign

SMALL = ROOT / "docs/howto/campaign-small.yaml"


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    place = tmp_path_factory.mktemp("campaign") / "archive"
    number, obs = make_tiny_campaign(SMALL, place)
    return place, number, obs


def rows(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def headers(place, night="*"):
    found = {}
    for path in sorted(place.glob(f"raw/{night}/*.fits.fz")):
        with fits.open(path) as hdus:
            found[path.name.removesuffix(".fits.fz")] = hdus[0].header
    return found


def kinds(place, night):
    return Counter(header["ESO DPR TYPE"] for header in headers(place, night).values())


def test_each_night_has_what_reduces_it_but_what_is_missing(campaign):
    place, number, _ = campaign
    assert len(headers(place)) == number
    usual = {"BIAS": 3, "FLAT,LAMP": 3, "WAVE": 9, "FLAT,SKY": 3, "STD": 1, "ASTROMETRY": 1}
    assert usual.items() <= kinds(place, "2017-11-17").items()
    assert "FLAT,SKY" not in kinds(place, "2017-11-19") and "WAVE" not in kinds(place, "2017-11-22")
    assert (place / "static/sky_lines.fits").exists() and (place / "programmes.csv").exists()
    assert not list(place.glob("raw/*/.*")) and not (place / ".musedeep-simulation.json").exists()


def test_headers_tell_of_the_ob_and_logs_lie_beside_the_frames(campaign):
    place, _, obs = campaign
    found = headers(place)
    for ob in obs:
        first = ob.exposures[0].date_obs
        (log,) = place.glob(f"raw/*/MUSE.{first}.NL.txt")
        assert f"OB:         {ob.number}" in log.read_text()
        assert (log.parent / f"MUSE.{first}.fits.fz").exists()
        for one in ob.exposures:
            header = found[f"MUSE.{one.date_obs}"]
            assert (header["ESO OBS ID"], header["ESO OBS PROG ID"]) == (ob.number, ob.run)
            assert header["ESO OBS TARG NAME"] == one.name
            assert (header["ESO TPL EXPNO"], header["ESO TPL NEXP"]) == (one.number, len(ob.exposures))
            assert "satellite" not in repr(header)


def test_defects_are_in_the_truth_exactly_where_they_are_asked_for(campaign):
    place, _, _ = campaign
    truth = [row for row in rows(place / "truth/exposures.csv") if row["type"] == "OBJECT"]

    def those(fact):
        return {(row["target"], row["night"]) for row in truth if fact(row)}

    assert those(lambda row: row["satellite"] == "1") == {("LBG field 7", "2017-11-18")}
    assert those(lambda row: float(row["field_rotation"])) == {("LBG field 7", "2017-11-19")}
    assert those(lambda row: float(row["offset_east"]) > 0.4) == {("HDFS 12", "2017-11-17")}
    assert those(lambda row: abs(float(row["lambda_shift"])) > 0.2) == {("HDFS 12", "2017-11-22")}
    assert those(lambda row: row["sky_converges"] == "0") == {("blank field", "2017-11-19")}
    assert those(lambda row: float(row["arc_days"]) > 1.5) == {("HDFS 12", "2017-11-22")}
    assert those(lambda row: int(row["saturated"])) == {("quasar field", n) for n in ("2017-11-18", "2017-11-19")}
    assert those(lambda row: float(row["flux_ratio"]) == 10) == {
        (t, "2017-11-18") for t in ("LBG field 7", "quasar field")
    }
    assert those(lambda row: row["exposure_time"] == "180") == {("LBG field 7", "2017-11-17")}
    assert all(row["twilight"] == "1" for row in truth)
    (drift,) = {row["lambda_shift"] for row in truth if abs(float(row["lambda_shift"])) > 0.2}
    assert float(drift) == pytest.approx(-0.3, abs=1e-3)


def test_flags_of_the_products(campaign):
    place, _, _ = campaign
    flags = {(row["target"], row["method"]): row for row in rows(place / "truth/qcflag.csv")}
    assert {key: row["qcflag"] for key, row in flags.items()} == {
        ("LBG field 7", "standard"): "0010000000",
        ("NGC 2001", "crowded"): "0010000000",
        ("NGC 2001", "standard"): "0010000100",
        ("Orion bar", "standard"): "0000000000",
        ("HDFS 12", "standard"): "0011000011",
        ("blank field", "standard"): "1010001001",
        ("quasar field", "standard"): "0010010000",
    }
    assert all(row["category"] == "DATACUBE_DEEP" for row in flags.values())
    assert flags["LBG field 7", "standard"]["exposures"] == "6"


def test_sources_of_each_target(campaign):
    place, _, _ = campaign
    stars = Table.read(place / "truth/sources-quasar_field.ecsv")
    assert "bright-star" in stars["name"] and abs(stars["dec"].mean() + 22.0) < 0.01
    assert len(Table.read(place / "truth/sources-NGC_2001.ecsv")) == 600
    assert len(Table.read(place / "truth/sources-blank_field.ecsv")) == 0


def test_a_scan_selects_as_a_careful_person_does(campaign, tmp_path, monkeypatch, capsys):
    place, _, _ = campaign
    monkeypatch.chdir(tmp_path)
    assert run(["catalogue", "add", str(place), "--programmes", str(place / "programmes.csv")]) == 0
    assert run(["campaign", "scan", "deep.yaml"]) == 0
    truth = {row["exposure"]: row for row in rows(place / "truth/exposures.csv") if row["type"] == "OBJECT"}
    found = {}
    for target in read_plan(tmp_path / "deep.yaml").targets:
        found |= {name: ("keep", "", target.name) for product in target.products for name in product.inputs}
        found |= {one.exposure: ("reject", one.rule, target.name) for one in target.rejected}
        found |= {one.exposure: ("hold", one.rule, target.name) for one in target.undecided}
    assert {name: one[:2] for name, one in found.items()} == {
        name: (row["decision"], row["rule"]) for name, row in truth.items()
    }
    assert len({(one[2], truth[name]["target"]) for name, one in found.items()}) == 6


def test_the_same_command_makes_what_is_missing_and_another_request_is_refused(campaign, tmp_path):
    place, number, _ = campaign
    frame = sorted(place.glob("raw/2017-11-22/*.fits.fz"))[-1]
    log = sorted(place.glob("raw/2017-11-22/*.NL.txt"))[0]
    before = frame.read_bytes(), log.read_bytes()
    frame.unlink()
    assert make_tiny_campaign(SMALL, place)[0] == number
    assert (frame.read_bytes(), log.read_bytes()) == before
    other = tmp_path / "other.yaml"
    other.write_text(SMALL.read_text().replace("seed: 3\nifus", "seed: 4\nifus"))
    with pytest.raises(MusedeepError, match="seed 3, not 4"):
        make_tiny_campaign(other, place)
