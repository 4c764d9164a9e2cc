"""The first look at a raw image beside plain numpy."""

import numpy as np
import pytest

from musedeep.kernels.ccd.calibrate import CEILING, scan


@pytest.mark.parametrize("columns", [40, 41])
def test_saturated_pixels_and_histograms_of_quadrants(columns):
    rng = np.random.default_rng(columns)
    raw = rng.choice(np.array([0, 1, 999, 1000, CEILING, CEILING + 1, 65535], np.uint16), (30, columns))
    spans = np.array([(0, 12, 3, 20), (0, 12, 21, columns), (15, 30, 4, 5), (15, 30, 7, 7)])
    histograms = np.zeros((4, 2, 65536), np.int32)
    histograms[0, 0, 999] = 5
    assert scan(raw, spans, histograms) == np.count_nonzero((raw == 0) | (raw > CEILING))
    for k, (y0, y1, x0, x1) in enumerate(spans):
        expected = np.bincount(raw[y0:y1, x0:x1].ravel(), minlength=65536)
        expected[999] += 5 * (k == 0)
        np.testing.assert_array_equal(histograms[k].sum(0), expected)
