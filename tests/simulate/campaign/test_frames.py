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

ONE_NIGHT = """seed: 3
ifus: [7]
small: true
targets: [{name: a, ra: 60, dec: -20, scene: empty, nights: [2017-11-17], exposures: 1, modes: [WFM-AO-N, WFM-NOAO-E]}]
"""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    place = tmp_path_factory.mktemp("campaign")
    text = (ROOT / "docs/howto/campaign-small.yaml").read_text()
    text = text.replace("ifus: [1, 2]\n", "ifus: [1]\n").replace("compress: true\n", "")
    # a strip of one IFU needs more stars for a field without dark sky
    (place / "small.yaml").write_text(text.replace("scene: cluster\n", "scene: cluster\n  stars: 3000\n"))
    number, obs = make_tiny_campaign(place / "small.yaml", place / "archive")
    return place / "archive", number, obs


def rows(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def headers(place, night="*"):
    found = {}
    for path in sorted(place.glob(f"raw/{night}/*.fits")):
        with fits.open(path) as hdus:
            found[path.name.removesuffix(".fits")] = hdus[0].header
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
        assert (log.parent / f"MUSE.{first}.fits").exists()
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
    assert those(lambda row: int(row["saturated"])) == {("quasar field", n) for n in ("2017-11-17", "2017-11-19")}
    assert those(lambda row: float(row["flux_ratio"]) == 10) == {("LBG field 7", "2017-11-18")}
    assert those(lambda row: float(row["flux_ratio"]) < 0.7) == {("quasar field", "2017-11-19")}
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
        ("Orion bar", "standard"): "0000000100",
        ("HDFS 12", "standard"): "0011000011",
        ("blank field", "standard"): "1010001101",
        ("quasar field", "standard"): "0010010000",
    }
    assert all(row["category"] == "DATACUBE_DEEP" for row in flags.values())
    assert flags["LBG field 7", "standard"]["exposures"] == "6"


def test_sources_of_each_target(campaign):
    place, _, _ = campaign
    stars = Table.read(place / "truth/sources-quasar_field.ecsv")
    assert "bright-star" in stars["name"] and abs(stars["dec"].mean() + 22.0) < 0.01
    assert len(Table.read(place / "truth/sources-NGC_2001.ecsv")) == 3000
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


def test_the_same_command_makes_what_is_missing_and_another_request_is_refused(tmp_path):
    (tmp_path / "one.yaml").write_text(ONE_NIGHT)
    place = tmp_path / "archive"
    number, _ = make_tiny_campaign(tmp_path / "one.yaml", place)
    # both modes have calibrations of their own, but the same biases
    modes = Counter(header["ESO INS MODE"] for header in headers(place).values())
    assert modes == {"WFM-AO-N": 25, "WFM-NOAO-E": 22} and sum(modes.values()) == number
    assert {path.name for path in place.glob("raw/*")} == {"2017-11-17", "2017-11-17-WFM-NOAO-E"}
    frame, log = sorted(place.glob("raw/2017-11-17/*.fits"))[-1], next(place.glob("raw/2017-11-17/*.NL.txt"))
    before = frame.read_bytes(), log.read_bytes()
    frame.unlink()
    assert make_tiny_campaign(tmp_path / "one.yaml", place)[0] == number
    assert (frame.read_bytes(), log.read_bytes()) == before
    (tmp_path / "other.yaml").write_text(ONE_NIGHT.replace("seed: 3", "seed: 4"))
    with pytest.raises(MusedeepError, match="seed 3, not 4"):
        make_tiny_campaign(tmp_path / "other.yaml", place)
