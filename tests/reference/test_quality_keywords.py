"""Quality-control keywords of the recipes on pixel tables: those that are declared are written, and no others."""

import pytest

from musedeep.recipes.registry import named
from tests.makers.quality_keywords import differences, keywords

pytestmark = [pytest.mark.reference, pytest.mark.modes]

STEPS = {
    "standard": ("standard", ["STANDARD ZP"]),
    "create_sky": ("create_sky", []),
    "astrometry": ("astrometry", []),
    "scipost": ("scipost-1", ["SCIPOST RAMAN"]),
    "exp_align": ("exp_align", ["EXPALIGN EXPTIME"]),
}
"""Set-of-frames of a step, and the keywords that need filters, adaptive optics, or exposure maps."""


@pytest.mark.parametrize("step", STEPS)
def test_quality_keywords_are_declared_and_written(step, second_stage):
    name, elsewhere = STEPS[step]
    if step == "exp_align" and second_stage.night.narrow:
        pytest.skip("the strips share three stars in the narrow field, which are too few")
    made = second_stage.ours(name)
    written = keywords(made.glob("*.fits"))[f"muse_{step}"]
    if step == "exp_align":  # the preview has the keywords of the image that it begins with
        written = {keyword for keyword in written if not keyword.startswith("SCIPOST")}
    assert not differences(named(f"muse_{step}"), written, elsewhere)
