"""From a finished product to a valid delivery, by quality control, review and delivery themselves."""

import pytest

from musedeep.campaign.delivery.log import read_log
from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.decisions import Wish, decide, seen
from musedeep.campaign.validate.validate import validate
from musedeep.cli.main import run
from musedeep.quality.assess import assess
from musedeep.quality.record import read_record
from tests.makers.certified_campaign import know_astrometry
from tests.makers.finished_campaign import finished_campaign

pytest.importorskip("matplotlib")


def test_judged_certified_and_delivered(tmp_path, capsys):
    made = finished_campaign(tmp_path, exposures=3, shape=(8, 40, 40))
    folder = made.products[0]
    know_astrometry(folder / "DATACUBE_DEEP.fits")
    assert run(["campaign", "deliver", str(made.plan)]) == 0
    assert "1 products are not certified: `musedeep campaign review" in capsys.readouterr().out
    quality = assess(folder)
    campaign = Campaign(made.plan)
    (item,) = campaign.items()
    decide(campaign, item, Wish("certify", "A. Reviewer", "good", "", "", *seen(campaign, item)))
    assert run(["campaign", "deliver", str(made.plan)]) == 0
    place = made.folder / "delivery/FIELD-001/v1"
    assert [one.line for one in validate(sorted(place.glob("*.fits")))] == []
    pictures = sorted(place.glob("*.png"))
    assert len(pictures) == 1 + 3 and all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    (log,) = place.glob("*.log")
    facts = read_log(log).facts
    assert facts["QCFLAG"] == [quality.flag] and facts["certified"][0].endswith("by A. Reviewer")
    assert len(read_log(log).raws) == len(read_record(type(made.record), folder / "product.json").used) == 3
