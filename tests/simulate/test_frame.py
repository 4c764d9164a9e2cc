"""What a frame shows of the air."""

import numpy as np
import pytest

from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import atmosphere_of


@pytest.mark.parametrize(("mode", "refracted"), [("WFM-AO-N", True), ("WFM-NOAO-E", True), ("NFM-AO-N", False)])
def test_the_narrow_field_mode_has_no_refraction(mode, refracted):
    """The reference corrects none either: its muse_scipost_correct_dar leaves such tables as they are."""
    exposure = Exposure(1, "OBJECT", "2014-12-11T02:26:39.103", 57002.1, 600.0, mode=mode, ra=80.0, dec=-70.0)
    shift = atmosphere_of(exposure, Effects()).refraction(np.array([5000.0, 9000.0]))
    assert (abs(shift[0] - shift[1]) > 0.3) == refracted and shift.any() == refracted
