"""`musedeep simulate campaign`, `catalogue add` and `campaign scan`, one after the other, against the truth."""

import csv
from collections import Counter

import pytest

from musedeep.cli.main import run
from musedeep.quality.record import ProductRecord, write_record
from musedeep.selection.campaign.plan_file import read_plan

CAMPAIGN = """seed: 5
targets:
- {name: Abell 2714, ra: 180.0, dec: -40.0, obs: 8, exposures: 2, sky: true,
   spellings: [Abell 2714, Abell 2714, ACO2714, a 2714 rep],
   defects: [bad seeing, mild seeing, violated constraint, grade D, derotator, rising background, guiding, clouds]}
- {name: once, ra: 10.0, dec: 0.0, obs: 1}
drawn: {targets: 20, exposures: 400}
"""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    place = tmp_path_factory.mktemp("campaign")
    (place / "campaign.yaml").write_text(CAMPAIGN)
    assert run(["simulate", "campaign", str(place / "campaign.yaml"), str(place / "archive"), "--headers-only"]) == 0
    words = ["--programmes", str(place / "archive/programmes.csv"), "--database", str(place / "c.sqlite")]
    assert run(["catalogue", "add", str(place / "archive"), *words]) == 0
    with open(place / "archive/truth/exposures.csv", encoding="utf-8") as file:
        return place, {row["exposure"]: row for row in csv.DictReader(file) if row["type"] == "OBJECT"}


def test_the_selection_is_that_of_a_careful_person(campaign, capsys):
    place, truth = campaign
    plan_file = place / "plan.yaml"
    assert run(["campaign", "scan", str(plan_file), "--database", str(place / "c.sqlite")]) == 0
    said = capsys.readouterr().out
    assert "Abell 2714" in said and "targets get no deep cube" in said
    plan = read_plan(plan_file)
    found = {}
    for target in plan.targets:
        found |= {name: ("keep", "", target.name) for product in target.products for name in product.inputs}
        found |= {one.exposure: ("reject", one.rule, target.name) for one in target.rejected}
        found |= {one.exposure: ("hold", one.rule, target.name) for one in target.undecided}
    assert len(found) > 300
    for name, (what, rule, _) in found.items():
        assert (what, rule) == (truth[name]["decision"], truth[name]["rule"])
    # every target of the plan has the exposures of one true target, and all of them
    members: dict[str, Counter[str]] = {}
    for name, (*_, target) in found.items():
        members.setdefault(target, Counter())[truth[name]["target"]] += 1
    whole = Counter(row["target"] for row in truth.values())
    assert all(len(names) == 1 and whole[name] == n for names in members.values() for name, n in names.items())
    assert "once" in {one.target for one in plan.no_deep_cube}
    assert any(product.sky for target in plan.targets for product in target.products)


def test_a_second_scan_changes_nothing(campaign, capsys):
    place, _ = campaign
    words = [
        "campaign",
        "scan",
        str(place / "again.yaml"),
        "--database",
        str(place / "c.sqlite"),
        "--today",
        "2026-11-28",
    ]
    assert run(words) == 0
    first = (place / "again.yaml").read_bytes()
    assert run(words) == 0
    assert (place / "again.yaml").read_bytes() == first


def test_settings_and_bad_exposures(campaign, capsys):
    place, truth = campaign
    good = next(name for name, row in truth.items() if row["target"] == "Abell 2714" and row["decision"] == "keep")
    (place / "bad.txt").write_text(f"# guiding\n{good}  jumps of the guide star\n")
    words = ["campaign", "scan", str(place / "bad.yaml"), "--database", str(place / "c.sqlite")]
    assert run([*words, "--set", "bad_exposures=bad.txt", "--set", "max_inputs=null"]) == 0
    plan = read_plan(place / "bad.yaml")
    assert plan.settings.max_inputs is None
    remarks = {one.exposure: one for target in plan.targets for one in target.rejected}
    assert (remarks[good].rule, remarks[good].text) == ("list", "jumps of the guide star")
    (place / "bad.txt").write_text("tuesday\n")
    capsys.readouterr()
    assert run(words) == 1
    assert "line 1: tuesday is no name" in capsys.readouterr().err


def test_two_campaigns_in_one_folder(campaign, tmp_path, capsys):
    place, _ = campaign
    words = ["--database", str(place / "c.sqlite")]
    assert run(["campaign", "scan", str(tmp_path / "deep.yaml"), *words]) == 0
    assert run(["campaign", "scan", str(tmp_path / "other.yaml"), *words]) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert run(["campaign", "scan", str(tmp_path / "deep.yml"), *words]) == 1
    error = capsys.readouterr().err
    assert "deep.scan.json: belongs to another plan of this name" in error and error.count("\n") == 1
    # products of another campaign in the folder of this one
    record = ProductRecord(name="a", target="a", category="DATACUBE_DEEP", campaign="shallow")
    (tmp_path / "deep/products/a/v1").mkdir(parents=True)
    write_record(record, tmp_path / "deep/products/a/v1/product.json")
    assert run(["campaign", "scan", str(tmp_path / "deep.yaml"), *words]) == 1
    assert "a product of the campaign shallow, not of deep" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["campaign", "scan", "new.yaml", "--database", "no.sqlite"], 1, "no such catalogue"),
        (["campaign", "scan", "new.yaml", "--set", "max_inpts=3"], 2, "did you mean max_inputs"),
        (
            ["campaign", "scan", "new.yaml", "--set", "max_inputs=1"],
            2,
            "--set max_inputs: 1 is not right; it has to be at least 2",
        ),
        (["campaign", "scan", "new.yaml", "--set", "confirm=file"], 1, "give its name as merges_file"),
        (["simulate", "campaign", "none.yaml", "out"], 1, "no such simulated campaign"),
        (["simulate", "campaign", "wrong.yaml", "out"], 1, "did you mean exposures"),
        (["simulate", "campaign", "empty.yaml", "out"], 1, "no targets"),
        (["simulate", "campaign", "drawn.yaml", "out"], 1, "or --headers-only"),
        (["simulate", "campaign", "idle.yaml", "out", "--headers-only"], 1, "no target is observed in the night 2017"),
        (["simulate", "campaign", "low.yaml", "out", "--headers-only"], 1, "does not stand high in the dark"),
        (["simulate", "campaign", "whenever.yaml", "out"], 1, "need 'nights'"),
    ],
)
def test_what_cannot_be_done(tmp_path, monkeypatch, capsys, words, status, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("drawn: {exposurs: 3}\n")
    (tmp_path / "empty.yaml").write_text("seed: 3\n")
    (tmp_path / "drawn.yaml").write_text("drawn: {targets: 2, exposures: 8}\n")
    (tmp_path / "whenever.yaml").write_text("targets: [{name: a, ra: 1, dec: 0}]\n")
    (tmp_path / "low.yaml").write_text("targets: [{name: a, ra: 200, dec: 0, nights: [2017-11-17]}]\n")
    (tmp_path / "idle.yaml").write_text("nights: [{date: 2017-11-17}]\ntargets: [{name: a, ra: 1, dec: 0}]\n")
    given = {path.name for path in tmp_path.iterdir()}
    assert run(words) == status
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == given
