"""What a campaign will take, from what recipes declare."""

import pytest

from musedeep.campaign.cascade.forecast import ROWS, expect, scaled
from musedeep.errors import MusedeepError
from musedeep.graph.forecast.rates import Rates
from musedeep.recipes.registry import declared
from tests.makers.made_up_campaign import make_campaign


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    return make_campaign(tmp_path_factory.mktemp("campaign") / "c").request()


def test_the_tasks_of_a_plan_are_counted(request_):
    found = expect(request_, request_.products(), Rates())
    assert (found.nights, found.exposures, found.products) == (2, 4, 1) and not found.problems
    tasks = {name: step.tasks for name, step in found.steps.items()}
    assert tasks["bias"] == tasks["flat"] == tasks["wavecal"] == tasks["lsf"] == 4
    assert tasks["scibasic"] == 2 * (4 + 2 + 2) and tasks["scipost"] == 4
    assert tasks["twilight"] == tasks["standard"] == tasks["astrometry"] == 2
    assert found.steps["bias"].memory == declared()["muse_bias"].cost.memory
    # a call on one IFU has one of two processors, one on all of them has both
    assert found.steps["bias"].seconds == pytest.approx(4 * declared()["muse_bias"].cost.seconds / 2)
    assert found.steps["scipost"].seconds == pytest.approx(4 * 2 * declared()["muse_scipost"].cost.seconds)
    assert found.passing > 0 and found.disk > 4 * 2 * 100e6


def test_a_campaign_of_another_size(request_):
    small = scaled(request_, request_.products(), 2, 4, Rates())
    plan = expect(request_, request_.products(), Rates())
    for name, step in plan.steps.items():
        assert small.steps[name].tasks == step.tasks
        assert small.steps[name].disk == pytest.approx(step.disk, rel=0.01)
    large = scaled(request_, request_.products(), 24, 125, Rates())
    assert large.nights == 63 and large.steps["scipost"].tasks == 125
    assert large.steps["bias"].tasks == 24 * 63
    assert large.steps["scipost"].seconds == pytest.approx(125 * 24 * declared()["muse_scipost"].cost.seconds)
    rows = 125 * 24 * ROWS
    assert large.steps["exp_combine"].seconds > rows * Rates().box_row / 2


def test_nothing_to_go_by(request_):
    request_.archive.files, before = {}, request_.archive.files
    try:
        with pytest.raises(MusedeepError, match="there is nothing to go by"):
            scaled(request_, request_.products(), 24, 125, Rates())
    finally:
        request_.archive.files = before
