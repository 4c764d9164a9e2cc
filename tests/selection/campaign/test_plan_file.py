"""The plan as a file: written, read, and edited into nonsense."""

import errno
from pathlib import Path

import pytest
import yaml

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.plan_file import Settings, memory_of, read_memory, read_plan, write_plan
from musedeep.selection.campaign.scan import scan
from tests.makers.campaign_exposures import candidate


@pytest.fixture
def plan():
    exposures = [candidate(ob_id=str(k // 2)) for k in range(4)] + [
        candidate(image_quality=4.0),
        candidate("étoile", ra=9.0),
    ]
    return scan("test", exposures, Settings(), "2026-11-28")[0]


def test_there_and_back(plan, tmp_path):
    path = tmp_path / "plan.yaml"
    write_plan(path, plan, ["a"])
    assert read_plan(path) == plan
    memory = read_memory(path)
    assert memory is not None and memory.plan == plan and memory.known == ["a"]
    assert "étoile" in path.read_text() and path.read_text().startswith("# Plan of a campaign.")
    assert "deeper" not in path.read_text()  # what says nothing is not written
    memory_of(path).write_text("spoiled")
    assert read_memory(path) is None


def test_a_full_disk_leaves_both_files_as_they_were(plan, tmp_path, monkeypatch):
    path = tmp_path / "plan.yaml"
    write_plan(path, plan, ["a"])
    before = {one: one.read_bytes() for one in tmp_path.iterdir()}
    write = Path.write_text

    def full(self, text, **words):
        if "plan.yaml" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, **words)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MusedeepError, match=r"disk full while writing plan\.yaml"):
        write_plan(path, plan.model_copy(update={"campaign": "other"}), ["a", "b"])
    assert {one: one.read_bytes() for one in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.update(target=1), "unknown key 'target'; did you mean targets"),
        (lambda p: p["targets"][0].update(metod="crowded"), "unknown key 'metod'; did you mean method"),
        (lambda p: p["targets"][0].update(method="crowdd"), "'crowdd' is not right.*did you mean crowded"),
        (lambda p: p["targets"][0].update(group_by="pointings"), "did you mean pointing"),
        (lambda p: p["targets"][0]["products"][0].update(inputs=[]), "product UDF-10 has no inputs"),
        (lambda p: p["targets"][0]["products"][0].pop("inputs"), "key 'inputs' is missing"),
        (lambda p: p["targets"][0]["products"][0]["inputs"].append(3), "inputs.*3 is not right"),
        (lambda p: p["targets"][0]["products"][0]["inputs"].extend(p["targets"][0]["products"][0]["inputs"]), "twice"),
        (lambda p: p["targets"].append(p["targets"][0]), "two targets UDF-10"),
        (lambda p: p["targets"][0]["products"].append(p["targets"][0]["products"][0]), "two products UDF-10"),
        (lambda p: p["settings"].update(max_inputs="many"), "settings.max_inputs: 'many' is not right"),
        (lambda p: p["settings"].update(seeing_factor=-1), "settings.seeing_factor: -1 is not right"),
        (lambda p: p["settings"].update(first_night="soon"), "settings.first_night: 'soon' .* a date as 2014-09-18"),
        (lambda p: p["settings"].update(held_comments=["("]), r"held_comments: .* '\(' is not"),
        (lambda p: p["settings"].update(variants=[{"best_seeing": 0.5}]), r"variants\[0\]: key 'name' is missing"),
        (lambda p: p["settings"].update(variants=[{"name": "a", "best_seeing": 2}]), "best_seeing: 2 .* less than 1"),
        (lambda p: p.pop("campaign"), "key 'campaign' is missing"),
    ],
)
def test_edited_into_nonsense(plan, tmp_path, change, said):
    path = tmp_path / "plan.yaml"
    write_plan(path, plan, [])
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(MusedeepError, match=said) as error:
        read_plan(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "- a", "campaign: [", "campaign: a\ncampaign: b\n"])
def test_no_plan_at_all(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(MusedeepError, match=r"plan\.yaml"):
        read_plan(path)
