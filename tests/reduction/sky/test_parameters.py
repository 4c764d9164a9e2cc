"""Parameters that are pairs of numbers."""

import pytest

from musedeep.reduction.sky.parameters import crsigma_of


@pytest.mark.parametrize(("text", "pair"), [("15.,15.", (15.0, 15.0)), ("10", (10.0, 10.0)), ("5,-1", (5.0, -1.0))])
def test_limits_for_cosmic_rays(text, pair):
    assert crsigma_of(text) == pair


@pytest.mark.parametrize("text", ["", "a,b", "1,2,3"])
def test_what_is_no_pair(text):
    with pytest.raises(ValueError, match="is not one or two numbers"):
        crsigma_of(text)
