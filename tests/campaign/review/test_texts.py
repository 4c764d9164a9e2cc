"""Numbers and times as pages show them."""

import pytest

from musedeep.campaign.review.texts import number_text, time_text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (600, "10 min"), (3600, "1.0 h"), (36_000, "10.0 h"), (5e6, "1389 h")],
)
def test_time(seconds, said):
    assert time_text(seconds) == said


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [(None, 2, "\N{EN DASH}"), (float("nan"), None, "\N{EN DASH}"), (1.005, 2, "1.00"), (300.0, None, "300"),
     (3.1e-20, None, "3.1e-20"), (-22.43219, None, "-22.43")],
)  # fmt: skip
def test_number(value, digits, said):
    assert number_text(value, digits) == said
