"""A campaign as its reviewers see it."""

import pytest

from musedeep.campaign.review.campaign import Campaign, median
from musedeep.errors import MusedeepError
from musedeep.quality.record import (
    QUALITY,
    REVIEW,
    Decision,
    QualityRecord,
    ReviewRecord,
    Score,
    read_record,
    write_record,
)


def test_what_has_changed_is_read_again(plan):
    campaign = Campaign(plan)
    item = campaign.item("FIELD-001/v1")
    assert campaign.item("FIELD-001/v1") is item
    assert (item.state, item.failed, item.seconds, item.limit) == ("to review", ["HISTO_17"], 4500.0, 24.5)
    done = Decision(date="2026-11-29T00:00:00Z", by="x", action="accept")
    write_record(ReviewRecord(history=[done]), item.folder / REVIEW)
    assert campaign.item("FIELD-001/v1").state == "accepted"
    done = Decision(date="2026-11-29T00:00:00Z", by="x", action="comment", text="later")
    write_record(ReviewRecord(history=[*campaign.item("FIELD-001/v1").review.history, done]), item.folder / REVIEW)
    assert campaign.item("FIELD-001/v1").state == "accepted"
    plan.write_text(plan.read_text().replace("method: standard", "method: crowded"))
    target = campaign.target("FIELD-001")
    assert target is not None and target.method == "crowded" and campaign.target("other") is None
    plan.write_text("targets: [")
    assert campaign.target("FIELD-001") is None
    with pytest.raises(MusedeepError, match="is no plan any more"):
        campaign.plan()


def test_a_record_that_cannot_be_read_is_told(plan):
    campaign = Campaign(plan)
    folder = campaign.item("FIELD-002/v1").folder
    (folder / QUALITY).write_text('{"unknown": 1}')
    item = campaign.item("FIELD-002/v1")
    assert "quality.json: unknown" in item.trouble and item.product.exposures and not item.quality.scores
    (folder / "product.json").write_text("")
    assert campaign.item("FIELD-002/v1").product.name == "FIELD-002"


def test_files_of_the_campaign_only(plan, tmp_path):
    campaign = Campaign(plan)
    path = campaign.item("FIELD-001/v1").product.cube
    assert campaign.within(path) == (campaign.folder / path).resolve()
    (campaign.folder / "link").symlink_to(plan)
    for other in ("", "../deep.yaml", str(plan), "link", "products", "none.fits", "a\0b"):
        assert campaign.within(other) is None, other


def test_no_campaign(plan, tmp_path):
    with pytest.raises(MusedeepError, match=r"none\.yaml: no such plan"):
        Campaign(tmp_path / "none.yaml")
    other = tmp_path / "other.yaml"
    other.write_bytes(plan.read_bytes())
    with pytest.raises(MusedeepError, match="other: no finished product; make them with `musedeep campaign run"):
        Campaign(other)


def test_numbers(plan):
    assert median([]) is None and median([None, 3.0]) == 3.0 and median([4.0, 1.0, None, 2.0, 3.0]) == 2.5
    item = Campaign(plan).item("FIELD-001/v1")
    assert item.value("none", "abmaglim") == 24.5 and item.value("PIXNOISE") is None and item.fwhm == 0.7
    exposures = item.product.exposures
    scores = [Score(name="fwhm", value=0.6 + 0.1 * k, exposure=one.name) for k, one in enumerate(exposures)]
    write_record(QualityRecord(scores=scores), item.folder / QUALITY)
    item = Campaign(plan).item("FIELD-001/v1")
    assert item.fwhm == pytest.approx(0.7) and item.of(exposures[2], "fwhm") == pytest.approx(0.8)
    assert item.of(exposures[2].model_copy(update={"fwhm": 0.55}), "fwhm") == 0.55
    assert item.of(exposures[0], "background") is None
    write_record(QualityRecord(), item.folder / QUALITY)
    assert read_record(QualityRecord, item.folder / QUALITY).flag == ""
    assert Campaign(plan).item("FIELD-001/v1").fwhm is None
