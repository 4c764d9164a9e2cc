"""Quality-control keywords of the recipes on pixel tables: those that are declared are written, and no others."""

import pytest

from musedeep.recipes.registry import named
from tests.makers.quality_keywords import differences, keywords

pytestmark = pytest.mark.reference

STEPS = {
    "standard": ("standard", ["STANDARD ZP"]),
    "create_sky": ("create_sky", []),
    "astrometry": ("astrometry", []),
    "scipost": ("scipost-1", ["SCIPOST RAMAN"]),
    "exp_align": ("exp_align", []),
}
"""Set-of-frames of a step, and the keywords that need filters or adaptive optics."""


@pytest.mark.parametrize("step", STEPS)
def test_quality_keywords_are_declared_and_written(step, second_stage):
    name, elsewhere = STEPS[step]
    made = second_stage.ours(name)
    written = keywords(made.glob("*.fits"))[f"muse_{step}"]
    assert not differences(named(f"muse_{step}"), written, elsewhere)
