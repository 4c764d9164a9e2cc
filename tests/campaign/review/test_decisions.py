"""Decisions: into records and the plan, together or not at all, and never over what somebody else has written."""

import os

import pytest

from musedeep.campaign.review import decisions
from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.decisions import Conflict, Wish, decide, redo_of, seen
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, REVIEW, Decision, ReviewRecord, read_record, write_record
from musedeep.selection.campaign.plan_file import read_plan

KEY = "FIELD-001/v1"


@pytest.fixture
def campaign(plan):
    return Campaign(plan)


def wish(campaign, action, **words):
    """As of a page that was opened just now."""
    review, plan = seen(campaign, campaign.item(KEY))
    return Wish(action, **({"by": "A. Reviewer", "review_seen": review, "plan_seen": plan} | words))


def do(campaign, action, **words):
    decide(campaign, campaign.item(KEY), wish(campaign, action, **words))
    return campaign.item(KEY)


def everything(campaign):
    """Contents of the plan and of all review records."""
    files = [campaign.plan_path, *campaign.folder.glob("products/*/*/review.json")]
    return {path: path.read_bytes() for path in files}


def test_states_and_history(campaign):
    assert campaign.item(KEY).state == "to review"
    assert do(campaign, "accept").state == "accepted"
    assert do(campaign, "comment", text="  nice\n\x1b[1mfield ").state == "accepted"
    assert do(campaign, "certify").state == "certified"
    assert do(campaign, "reject", text="waves").state == "rejected"
    with pytest.raises(MusedeepError, match="is rejected; reopen it first"):
        do(campaign, "certify")
    assert do(campaign, "reopen").state == "to review"
    item = do(campaign, "certify", by="B")
    record = read_record(ReviewRecord, item.folder / REVIEW)
    assert record.state == "certified" and record == item.review
    assert [one.action for one in record.history] == ["accept", "comment", "certify", "reject", "reopen", "certify"]
    assert record.history[1].text == "nice [1mfield" and record.history[-1].by == "B"
    assert record.history[0].date.endswith("Z") and "T" in record.history[0].date
    assert not (campaign.folder / "products/FIELD-002/v1" / REVIEW).exists()
    # the cascade has made it again
    do(campaign, "accept")
    record = campaign.item(KEY).review
    again = Decision(date="2026-11-29T00:00:00Z", by="musedeep", action="made again", text="without one")
    write_record(record.model_copy(update={"history": [*record.history, again]}), item.folder / REVIEW)
    assert campaign.item(KEY).state == "to review"


def test_exclude_goes_into_the_plan_and_back(campaign):
    item = campaign.item(KEY)
    name, before = item.product.exposures[1].name, campaign.plan_path.read_bytes()
    do(campaign, "certify")
    item = do(campaign, "exclude", exposure=name, text="doubled stars")
    assert item.state == "to review"
    assert item.review.redo == [f"without {name}: alignment, combination and quality control"]
    target = next(one for one in read_plan(campaign.plan_path).targets if one.name == "FIELD-001")
    assert name not in target.products[0].inputs and target.rejected[0].by == "A. Reviewer"
    for action in ("accept", "certify"):
        with pytest.raises(MusedeepError, match=f"FIELD-001 has to be made again first: without {name}"):
            do(campaign, action)
    assert do(campaign, "include", exposure=name).review.redo == []
    assert campaign.plan_path.read_bytes() == before
    assert do(campaign, "accept").state == "accepted"


def test_method(campaign):
    item = do(campaign, "method", method="crowded", text="it is a globular cluster")
    assert item.review.redo[0].startswith("by the crowded method: sky and flux calibration of all exposures")
    assert item.review.history[-1].text == "crowded: it is a globular cluster"
    assert [one.method for one in read_plan(campaign.plan_path).targets] == ["crowded", "standard"]
    assert redo_of(campaign.item("FIELD-002/v1").product, campaign.target("FIELD-002")) == []


def test_an_edit_by_hand_has_to_be_made_again_too(campaign):
    text = campaign.plan_path.read_text()
    name = campaign.item(KEY).product.exposures[0].name
    campaign.plan_path.write_text(text.replace(f"- {name}", "- MUSE.2017-06-30T00:00:00.000", 1))
    redo = redo_of(campaign.item(KEY).product, campaign.target("FIELD-001"))
    assert [one.split(": ")[0] for one in redo] == [f"without {name}", "with MUSE.2017-06-30T00:00:00.000"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"action": "accept", "by": "  "}, "give your name"),
        ({"action": "reject"}, "say why you reject it"),
        ({"action": "comment", "text": " \n"}, "write the comment"),
        ({"action": "exclude", "text": "why"}, "say which exposure"),
        ({"action": "exclude", "exposure": "x"}, "say why you exclude it"),
        ({"action": "exclude", "exposure": "../x", "text": "why"}, "is no input of FIELD-001"),
        ({"action": "include", "exposure": "x"}, "was not excluded by a review"),
        ({"action": "method", "method": "crowdd"}, "no method crowdd; choose standard or crowded"),
        ({"action": "delete"}, "no action delete"),
        ({"action": "comment", "text": "a" * 2001}, "at most 2000 characters"),
    ],
)
def test_what_is_refused_changes_nothing(campaign, words, said):
    before = everything(campaign)
    with pytest.raises(MusedeepError, match=said) as error:
        do(campaign, **words)
    assert "\n" not in str(error.value) and everything(campaign) == before


@pytest.mark.parametrize("action", ["comment", "exclude"])
def test_two_tabs(campaign, action):
    name = campaign.item(KEY).product.exposures[0].name
    late = wish(campaign, action, text="late", exposure=name)
    do(campaign, "accept")
    before = everything(campaign)
    with pytest.raises(Conflict, match=r"review\.json: was changed after you opened this page; nothing was written"):
        decide(campaign, campaign.item(KEY), late)
    assert everything(campaign) == before


def test_plan_that_an_editor_has_saved_meanwhile(campaign, monkeypatch):
    name = campaign.item(KEY).product.exposures[0].name
    late = wish(campaign, "exclude", text="late", exposure=name)
    saved = campaign.plan_path.read_text() + "\n# mine\n"
    campaign.plan_path.write_text(saved)
    with pytest.raises(Conflict, match=r"deep\.yaml: was changed"):
        decide(campaign, campaign.item(KEY), late)
    # saved between the look and the writing
    last, looks = decisions._compare, []

    def compare(path, known):
        looks.append(path)
        if len(looks) == 3:
            campaign.plan_path.write_text(saved + "# again\n")
        last(path, known)

    monkeypatch.setattr(decisions, "_compare", compare)
    with pytest.raises(Conflict, match=r"deep\.yaml: was changed"):
        do(campaign, "exclude", text="late", exposure=name)
    assert campaign.plan_path.read_text() == saved + "# again\n"
    assert not list(campaign.folder.glob("products/*/*/review.json"))
    assert not list(campaign.plan_path.parent.glob(".*.part"))
    # what does not concern the plan is not stopped by it
    monkeypatch.undo()
    late = wish(campaign, "accept")
    campaign.plan_path.write_text(saved)
    decide(campaign, campaign.item(KEY), late)


def test_all_or_nothing(campaign, monkeypatch):
    """If a record cannot be written, the plan is as before."""
    name = campaign.item(KEY).product.exposures[0].name
    do(campaign, "accept")
    before = everything(campaign)

    def full(record, path):
        raise MusedeepError(f"{path}: disk full")

    monkeypatch.setattr(decisions, "write_record", full)
    with pytest.raises(MusedeepError, match="disk full"):
        do(campaign, "exclude", text="why", exposure=name)
    assert everything(campaign) == before


def test_older_versions_change_no_plan(campaign):
    item = campaign.item(KEY)
    second = item.folder.with_name("v2")
    second.mkdir()
    write_record(item.product.model_copy(update={"version": 2, "supersedes": "1"}), second / PRODUCT)
    assert [one.key for one in campaign.newest()] == ["FIELD-001/v2", "FIELD-002/v1"]
    with pytest.raises(MusedeepError, match="has a newer version"):
        do(campaign, "method", method="crowded")
    assert do(campaign, "comment", text="old").review.history


def test_rights_of_the_plan_stay(campaign):
    os.chmod(campaign.plan_path, 0o640)
    do(campaign, "method", method="crowded")
    assert campaign.plan_path.stat().st_mode & 0o777 == 0o640


def test_a_spoiled_record_is_not_accepted(campaign):
    (campaign.item(KEY).folder / "quality.json").write_text("{}x")
    assert "quality.json" in campaign.item(KEY).trouble
    with pytest.raises(MusedeepError, match=r"quality\.json"):
        do(campaign, "accept")
    (campaign.item(KEY).folder / REVIEW).write_text("[")
    with pytest.raises(MusedeepError, match=r"review\.json"):
        do(campaign, "comment", text="x")
    assert (campaign.item(KEY).folder / REVIEW).read_text() == "["
