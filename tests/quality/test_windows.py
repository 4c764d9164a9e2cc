"""Noise in windows."""

import numpy as np
import pytest

from musedeep.quality.windows import local_limit, local_noise, windows
from musedeep.reduction.cube.depth import limiting_magnitude


def test_windows_cover_a_field_once():
    seen = np.zeros((75, 100), int)
    for window in windows((75, 100), 20):
        seen[window] += 1
    assert (seen == 1).all()


def test_gradients_do_not_widen_noise_in_windows():
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, 2.0, (160, 160))
    gradient = np.linspace(-1.5, 1.5, 160)[:, None] + noise
    gradient[:, :3] = np.nan
    everywhere = np.ones(noise.shape, bool)
    assert local_noise(gradient, everywhere, 20) == pytest.approx(2.0, rel=0.1)
    limits = (4750.0, 9350.0)
    flat = local_limit(noise, 4.0, limits, 40)
    assert flat == pytest.approx(limiting_magnitude(noise, 4.0, limits), abs=0.15)
    assert limiting_magnitude(gradient, 4.0, limits) < flat - 0.6
    assert local_limit(gradient, 4.0, limits, 40) > flat - 0.4


def test_empty_fields_tell_nothing():
    nothing = np.full((40, 40), np.nan)
    assert (
        np.isnan(local_noise(nothing, np.ones((40, 40), bool), 10))
        and local_limit(nothing, 4.0, (5e3, 9e3), 20) is None
    )
