"""Raw images: what comes out is what went in, with the stated noise."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.instrument import N_COLUMNS, N_ROWS
from musedeep.simulate.detector import RAW_SHAPE, Detector, raw_position
from musedeep.simulate.effects import Effects

QUIET = Effects(cosmic_rays=False, hot_pixels=False, dead_pixels=False, dark_current=False, bias_slope=False)


@pytest.fixture(scope="module")
def detector():
    return Detector.drawn(1, 5, QUIET)


def quadrants(raw: np.ndarray) -> list[np.ndarray]:
    """Ports 1 to 4, borders included."""
    upper, right = RAW_SHAPE[0] // 2, RAW_SHAPE[1] // 2
    return [raw[:upper, :right], raw[:upper, right:], raw[upper:, right:], raw[upper:, :right]]


def test_a_bias_has_the_level_and_the_noise_of_each_port(detector):
    raw = detector.expose(None, 0.0, np.random.default_rng(1))
    assert raw.shape == RAW_SHAPE and raw.dtype == np.uint16
    for block, quadrant in zip(quadrants(raw), detector.quadrants, strict=True):
        assert abs(block.mean() - quadrant.bias_level) < 0.1
        # rounding to whole adu adds 1/12
        expected = np.hypot(quadrant.read_noise / quadrant.gain, np.sqrt(1 / 12))
        assert abs(block.std() / expected - 1.0) < 0.01


def test_photon_noise_gives_the_gain(detector):
    light = np.full((N_ROWS, N_COLUMNS), 20000.0)
    raw = detector.expose(light, 1.0, np.random.default_rng(1))
    for block, quadrant in zip(quadrants(raw), detector.quadrants, strict=True):
        inside = block[100:-100, 100:-100].astype(float) - quadrant.bias_level
        assert abs(inside.mean() / inside.var() / quadrant.gain - 1.0) < 0.01


def test_borders_get_no_light(detector):
    raw = detector.expose(np.full((N_ROWS, N_COLUMNS), 20000.0), 1.0, np.random.default_rng(1))
    dark = raw < 2000
    assert dark[:32].all() and dark[-32:].all() and dark[:, :32].all() and dark[:, -32:].all()
    assert dark[2088:2152].all() and dark[:, 2080:2144].all()
    assert not dark[32:2088, 32:2080].any()


def test_dark_current_and_hot_pixels_grow_with_time():
    effects = replace(QUIET, hot_pixels=True, dark_current=True, read_noise=False, photon_noise=False)
    detector = Detector.drawn(1, 5, effects)
    raw = detector.expose(None, 3600.0, np.random.default_rng(1)).astype(float)
    k = int(np.argmax(detector.hot_rate))
    x, y = raw_position(detector.hot_x[k : k + 1], detector.hot_y[k : k + 1])
    port = detector.quadrants[(2 if x[0] > 2112 else 3) if y[0] > 2120 else (1 if x[0] > 2112 else 0)]
    expected = port.bias_level + (detector.hot_rate[k] + 1.0) / port.gain
    assert abs(raw[y[0] - 1, x[0] - 1] - expected) <= 1.5


def test_saturation_and_16_bits_limit_the_values():
    raw = Detector.drawn(1, 5, QUIET).expose(np.full((N_ROWS, N_COLUMNS), 1e6), 1.0, np.random.default_rng(1))
    assert raw.max() == 65535


def test_cosmic_rays_come_at_their_rate():
    effects = replace(QUIET, cosmic_rays=True, read_noise=False)
    detector = Detector.drawn(1, 5, effects)
    raw = detector.expose(None, 600.0, np.random.default_rng(1))
    hit = 0
    for block, quadrant in zip(quadrants(raw), detector.quadrants, strict=True):
        hit += int((block > quadrant.bias_level + 20).sum())
    assert 1200 < hit < 720 * 12


def test_dead_pixels_see_little_and_are_listed():
    detector = Detector.drawn(1, 5, replace(QUIET, dead_pixels=True))
    table = detector.bad_pixels()
    assert len(table) == 240
    response = detector.response()
    assert np.all(response[detector.dead_y - 1, detector.dead_x - 1] == 0.05)
    assert table["xpos"].min() > 32 and table["xpos"].max() <= 4224 - 32


def test_raw_positions_skip_the_overscan_in_the_middle():
    x, y = raw_position(np.array([1, 2048, 2049, 4096]), np.array([1, 2056, 2057, 4112]))
    assert x.tolist() == [33, 2080, 2145, 4192]
    assert y.tolist() == [33, 2088, 2153, 4208]


def test_the_same_seed_makes_the_same_bits(detector):
    light = np.full((N_ROWS, N_COLUMNS), 10.0)
    one, two = (detector.expose(light, 1.0, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one, two)
