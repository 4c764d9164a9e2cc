"""Edits of the plan's text: what is wanted, nothing else, and a rescan keeps it."""

import copy

import pytest
import yaml

from musedeep.campaign.review.plan_text import PlanText
from musedeep.errors import MusedeepError
from musedeep.selection.campaign.plan_file import Settings, read_memory, read_plan, write_plan
from musedeep.selection.campaign.scan import scan
from tests.makers.campaign_exposures import candidate


@pytest.fixture
def exposures():
    return [candidate() for _ in range(4)] + [candidate("étoile", ra=9.0) for _ in range(2)]


@pytest.fixture
def path(exposures, tmp_path):
    path = tmp_path / "deep.yaml"
    write_plan(path, scan("test", exposures, Settings(), "2026-11-28")[0], [one.name for one in exposures])
    return path


def opened(path):
    return PlanText(path, path.read_bytes())


def lines_that_differ(before, after):
    old, new = before.splitlines(), after.splitlines()
    return [one for one in old if one not in new], [one for one in new if one not in old]


def test_exclude_changes_these_lines_only(path, exposures):
    name = exposures[1].name
    text = (
        path.read_text()
        .replace(f"- {name}", f"- {name}  # doubtful")
        .replace("obs: 4", "obs: 4  # of mine\n\n    # ours")
    )
    path.write_text(text)
    plan = opened(path)
    assert plan.exclude("UDF-10", name, 'doubled: "stars" # yes', "Å. Ö", "2026-11-29") == ["UDF-10"]
    gone, new = lines_that_differ(text, plan.text)
    assert gone == [f"    - {name}  # doubtful"]
    assert [one.strip() for one in new] == [
        "rejected:", f"- exposure: {name}", "rule: review", "text: 'doubled: \"stars\" # yes'", "by: Å. Ö",
        "date: '2026-11-29'",
    ]  # fmt: skip
    remark = plan.target_of("UDF-10").rejected[0]
    assert (remark.exposure, remark.text, remark.by) == (name, 'doubled: "stars" # yes', "Å. Ö")


def test_back_again_is_the_same_text(path, exposures):
    before, plan = path.read_text(), opened(path)
    for one in exposures[:3]:
        plan.exclude("UDF-10", one.name, "why", "me", "2026-11-29")
    plan.set_method("UDF-10", "crowded")
    for one in (exposures[1], exposures[0], exposures[2]):
        assert plan.include("UDF-10", one.name) == ["UDF-10"]
    plan.set_method("UDF-10", "standard")
    assert plan.text == before


def test_rescan_keeps_it(path, exposures):
    """Exclusion and method are a person's work, so that the next scan keeps both; and the next but one."""
    plan = opened(path)
    plan.exclude("UDF-10", exposures[1].name, "doubled", "A. Reviewer", "2026-11-29")
    plan.set_method("UDF-10", "crowded")
    path.write_text(plan.text)
    for _ in range(2):
        now = scan("test", exposures, Settings(), "2026-11-29", read_plan(path), read_memory(path))[0]
        target = next(one for one in now.targets if one.name == "UDF-10")
        assert target.method == "crowded" and target.products[0].inputs == [exposures[k].name for k in (0, 2, 3)]
        assert [(one.exposure, one.rule, one.text, one.by) for one in target.rejected] == [
            (exposures[1].name, "review", "doubled", "A. Reviewer")
        ]
        write_plan(path, now, [one.name for one in exposures])
    plan = opened(path)
    plan.include("UDF-10", exposures[1].name)
    path.write_text(plan.text)
    now = scan("test", exposures, Settings(), "2026-11-29", read_plan(path), read_memory(path))[0]
    target = next(one for one in now.targets if one.name == "UDF-10")
    assert not target.rejected and len(target.products[0].inputs) == 4


def test_exposure_of_two_products_leaves_both(path, exposures):
    content = yaml.safe_load(path.read_text())
    target = next(one for one in content["targets"] if one["name"] == "UDF-10")
    target["products"].append(copy.deepcopy(target["products"][0]) | {"name": "best"})
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    plan = opened(path)
    assert plan.exclude("best", exposures[0].name, "why", "me", "2026-11-29") == ["UDF-10", "best"]
    assert plan.set_method("best", "crowded") == ["UDF-10", "best"]
    # it comes back into the one that asks for it, and into others that are named
    text = plan.text
    assert plan.include("best", exposures[0].name) == ["best"]
    assert [len(one.inputs) for one in plan.target_of("best").products] == [3, 4]
    plan = PlanText(path, text.encode())
    assert plan.include("best", exposures[0].name, ["UDF-10", "gone"]) == ["UDF-10", "best"]
    assert [len(one.inputs) for one in plan.target_of("best").products] == [4, 4]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("products:", "products: &p", 1).replace("runs:", "runs:  # x"), ""),
        (
            lambda text: text.replace(
                "  state: ready\n", "  state: |\n    ready\n\n  comment: >\n    two\n    lines\n"
            ),
            "",
        ),
        (lambda text: text + "merges: []\n", ""),
        (lambda text: text.replace("\n", "\r\n"), ""),
        (lambda text: text.replace("  method: standard\n", ""), ""),
        (lambda text: text.replace("  method: standard\n", "  method: standard\n  rejected: []\n"), ""),
        (lambda text: yaml.safe_dump(yaml.safe_load(text), default_flow_style=True), "edit the plan by hand"),
        (lambda text: "targets: [", "is no plan any more"),
        (lambda text: text.replace("targets:", "tragets:"), "is no plan any more"),
        (lambda text: text.replace("- name: UDF-10\n    category", "- name: other\n    category"), "no product UDF-10"),
    ],
)
def test_other_forms_of_a_plan(path, exposures, change, said):
    """It is edited as asked, or refused in one line."""
    path.write_bytes(change(path.read_text()).encode())
    if said:
        with pytest.raises(MusedeepError, match=said) as error:
            opened(path).exclude("UDF-10", exposures[1].name, "why", "me", "2026-11-29")
        assert "\n" not in str(error.value)
        return
    plan = opened(path)
    plan.exclude("UDF-10", exposures[1].name, "why", "me", "2026-11-29")
    plan.set_method("UDF-10", "crowded")
    path.write_bytes(plan.text.encode())
    target = next(one for one in read_plan(path).targets if one.name == "UDF-10")
    assert target.method == "crowded" and len(target.products[0].inputs) == 3 and len(target.rejected) == 1


def test_what_is_not_possible(path, exposures):
    plan, before = opened(path), path.read_text()
    for action, said in (
        (
            lambda: plan.exclude("UDF-10", "MUSE.2000-01-01T00:00:00.000", "why", "me", "2026-11-29"),
            "is no input of UDF-10",
        ),
        (lambda: plan.include("UDF-10", exposures[0].name), "was not excluded by a review"),
        (lambda: plan.set_method("UDF-10", "standard"), "is standard already"),
    ):
        with pytest.raises(MusedeepError, match=said):
            action()
    assert plan.text == before
    plan.exclude("étoile", exposures[4].name, "why", "me", "2026-11-29")
    with pytest.raises(MusedeepError, match="the only input of étoile; reject the product instead"):
        plan.exclude("étoile", exposures[5].name, "why", "me", "2026-11-29")
