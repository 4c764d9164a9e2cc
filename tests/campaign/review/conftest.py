"""The campaign that tests of the review look at."""

from pathlib import Path

import pytest

from tests.makers.reviewed_campaign import copied, reviewed_campaign


@pytest.fixture(scope="session")
def campaign_of_all(tmp_path_factory):
    return reviewed_campaign(tmp_path_factory.mktemp("reviewed"))


@pytest.fixture
def plan(campaign_of_all, tmp_path) -> Path:
    """The plan of a campaign of two products and three exposures, of the test alone."""
    return copied(campaign_of_all, tmp_path)
