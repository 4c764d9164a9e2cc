"""Calibrated images of raw frames: what is left out changes nothing in the rest."""

import numpy as np
import pytest

from musedeep.reduction.image.combine import BLOCK_ROWS, Calibration, combine, measure_all
from musedeep.reduction.parameters import AVERAGE, CombineParameters, OverscanParameters
from musedeep.storage.raw.frames import open_raw_frame
from tests.makers.raw_frames import extension, raw_image, write_raw

OVERSCAN = OverscanParameters()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    directory = tmp_path_factory.mktemp("raw")
    light = np.random.default_rng(1).uniform(0, 5000, (300, 400))
    # of two exposures at different times, and with a saturated pixel
    light[40, 50] = 1e6
    paths = [write_raw(directory / f"{k}.fits", [extension(raw_image(light, seed=k))], 10.0 + k) for k in range(2)]
    return measure_all([open_raw_frame(path, 1) for path in paths], OVERSCAN)


@pytest.mark.parametrize("number", [1, 2])
def test_some_rows_are_those_of_the_whole(measured, number):
    how = AVERAGE
    calibration = Calibration(variance=(9.0, 9.0, 9.0, 9.0))
    whole = combine(measured[:number], OVERSCAN, calibration, how)
    some = combine(measured[:number], OVERSCAN, calibration, how, rows=(140, 160))
    for name in ("data", "dq", "stat"):
        one, other = getattr(whole, name), getattr(some, name)
        assert np.array_equal(one[140:160], other[140:160]), name
        assert not other[: 140 - 4 * BLOCK_ROWS].any() and not other[160 + 4 * BLOCK_ROWS :].any()
    assert whole.dq[40, 50] == 4096 and (whole.stat > 0).all()


def test_one_frame_is_what_comes_out_of_any_combination(measured):
    calibration = Calibration(variance=(9.0, 9.0, 9.0, 9.0))
    images = [
        combine(measured[:1], OVERSCAN, calibration, CombineParameters(combine=method))
        for method in ("average", "median", "sigclip")
    ]
    raw = measured[0].frame.read(32, 182)[:, 32:232]
    level = measured[0].levels[0].fit.polynomial(np.arange(33.0, 183.0))
    assert images[0].data[:150, :200] == pytest.approx(raw - level[:, None], abs=1e-3)
    for image in images:
        assert np.array_equal(image.data, images[0].data) and np.array_equal(image.dq, images[0].dq)
