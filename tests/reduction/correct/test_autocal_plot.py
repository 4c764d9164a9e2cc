"""The picture of the factors of an autocalibration is drawn, with all IFUs or with one."""

import numpy as np
import pytest

from musedeep.reduction.correct.autocal_plot import draw_factors
from musedeep.reduction.correct.autocalibration import range_limits
from musedeep.storage.calibrations.autocal_factors import AutocalFactors

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("ifus", [1, 24])
def test_picture(tmp_path, ifus):
    limits = range_limits("WFM-AO-N")
    shape = (24, 48, limits.size - 1)
    points, factors, originals = np.zeros(shape, np.int32), np.ones(shape), np.full(shape, np.nan)
    points[:ifus] = 500
    factors[:ifus] += 0.01 * np.random.default_rng(1).standard_normal(factors[:ifus].shape)
    originals[0, 3, 4] = 1.2
    (path,) = draw_factors(AutocalFactors(limits, points, factors, originals), tmp_path, "_0001", False)
    assert path.name == "AUTOCAL_FACTORS_0001.png" and path.read_bytes()[:4] == b"\x89PNG"
