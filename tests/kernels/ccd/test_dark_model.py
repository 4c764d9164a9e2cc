"""The model of a master dark: plane, stripes and glow that are put in come out, and bad pixels are told apart."""

import numpy as np
import pytest

from musedeep.instrument import DQ
from musedeep.kernels.ccd.dark_model import (
    SHAPE,
    block_medians,
    fit_dark_model,
    fit_surface,
    flag_far_pixels,
    glow,
    neighbours,
    plane,
    smooth,
    stripes,
)

QUADRANTS = [(y, x) for y in (slice(0, 2056), slice(2056, 4112)) for x in (slice(0, 2048), slice(2048, 4096))]
Y, X = np.arange(SHAPE[0], dtype=np.float32)[:, None], np.arange(SHAPE[1], dtype=np.float32)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(5).normal(0.0, 1.0, SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def dark(noise):
    """Plane, stripe, and glow of one corner; hot pixels, one of them in the glow."""
    # a steep plane would be taken for a stripe where it is above the level of the rows beside it
    truth = 5.0 + 4e-5 * X - 2e-5 * Y
    distance = np.hypot(X, Y)
    shine = 8.0 * np.clip(1 - (distance / 750.0) ** 2, 0, None) ** 2
    stripe = 3.0 * np.exp(-0.5 * ((Y - 1180.0) / 120.0) ** 2) + 0.0 * X
    data = truth + shine + stripe + noise
    hot = (np.array([100, 2000, 3000]), np.array([50, 3000, 700]))
    data[hot] += 5000.0
    dq = np.zeros(SHAPE, np.int32)
    # the limit for the quadrant flags the bright part of the glow, too
    dq[:400, :400][data[:400, :400] > 11.0] = DQ.HOT
    dq[hot] = DQ.HOT
    model = fit_dark_model(data, dq, np.full(SHAPE, 0.5, np.float32), QUADRANTS)
    return truth, shine, stripe, data, dq, model


def test_plane_and_glow_come_out(dark):
    truth, shine, _, _, dq, model = dark
    assert model.data.dtype == model.stat.dtype == np.float32 and model.dq.dtype == np.int32
    # what the stripe leaves tilts the plane a little
    assert np.abs(model.data - truth)[:, 1000:].max() < 0.15
    corner = np.s_[:740, :740]
    assert np.abs(model.data - truth - shine)[corner].max() < 0.4
    assert (dq[corner] != 0).sum() > 10000
    assert np.abs(model.data - truth - shine)[:200, :200].max() < 0.2


def test_stripes_are_not_in_the_model_but_in_the_variance(dark, noise):
    truth, _, stripe, _, _, model = dark
    assert np.abs(model.data - truth)[1180, 1000:].max() < 0.1 < stripe.max()
    # (mean, not median: the surface is the least-squares one)
    quiet, striped = model.stat[2000:3000, 1000:3000] - 0.5, model.stat[910:1450, 1000:3000] - 0.5
    # variance of a mean under a Gaussian of FWHM 11, 1 / (4 pi sigma²)
    offset = (truth - model.data)[2000:3000, 1000:3000].astype(float)
    expected = 1 / (4 * np.pi * (11 / 2.3548) ** 2) + (offset**2).mean()
    assert quiet.mean() == pytest.approx(expected, rel=0.1)
    assert quiet.mean() < striped.mean() < (stripe[910:1450].astype(float) ** 2).mean() / 20


def test_stripe(noise):
    stripe = np.where((Y >= 900) & (Y < 1459), 2.0 * ((Y - 900) * (1459 - Y) / 280.0**2) ** 3, 0.0) * (1 + X / 4096)
    image = (7.0 + stripe + noise).astype(np.float32)
    (rows, values), (upper, nothing) = stripes(image, np.ones(SHAPE, bool))
    assert rows == slice(900, 1459) and upper == slice(3220, 3899)
    assert np.abs(values - stripe[rows]).max() < 0.45
    assert values.mean() == pytest.approx(stripe[rows].mean(), rel=0.03)
    assert values.min() == nothing.min() == 0.0 and nothing.max() < 0.05


def test_plane_ignores_the_border(noise):
    image = (1.0 + 1e-3 * X + 2e-7 * X * Y + noise).astype(np.float32)
    true = 1.0 + 1e-3 * X + 2e-7 * X * Y
    image[:500] = image[-500:] = image[:, :500] = image[:, -500:] = 1e6
    assert np.abs(plane(image, np.ones(SHAPE, bool)) - true).max() < 0.01
    image[500, 500] = 1e6
    bad = image > 1e5
    assert np.abs(plane(image, ~bad) - true).max() < 0.01
    assert np.abs(plane(image, np.ones(SHAPE, bool)) - true).max() > 0.1
    assert plane(image, np.zeros(SHAPE, bool)) is None


def test_surface():
    rng = np.random.default_rng(2)
    y, x = np.linspace(-1, 1, 61)[:, None], np.linspace(-1, 1, 83)
    truth = (1 + x) * (2 - y) ** 2 + x**3 * y**3
    image, good = truth.copy(), rng.random(truth.shape) < 0.7
    image[~good] = np.nan
    np.testing.assert_allclose(fit_surface(image, good, 3).image(), truth, atol=1e-9)
    assert np.abs(fit_surface(image, good, 2).image() - truth).max() > 0.01
    assert fit_surface(image, np.zeros(truth.shape, bool), 3) is None


def test_glow_is_positive_and_near(noise):
    corner = noise[:851, :851] * 0.1 - 0.5
    assert glow(corner, np.ones(corner.shape, bool)).max() < 0.1
    light = 2.0 * np.exp(-np.hypot(X, Y)[:851, :851] / 300)
    found = glow((light + corner + 0.5).astype(np.float32), np.ones(corner.shape, bool))
    assert found.min() == 0.0 and (found[np.hypot(X, Y)[:851, :851] > 750] == 0).all()
    # what is left of the light at 750 pixels ends there, a step that a polynomial rounds off
    assert np.abs(found - light)[:600, :300].max() < 0.3


def test_flags():
    rng = np.random.default_rng(3)
    left = rng.uniform(-1, 1, (60, 80)).astype(np.float32)
    left[10, 10], left[20, 20] = 9.0, -9.0
    # limits are about 5 * 0.5 and 3 * 0.5: three in a row, and one alone
    left[30, 30:33], left[40, 40] = 2.0, 2.0
    left[50, 20:23] = -2.0
    left[30, 60] = 0.0
    dq = np.zeros(left.shape, np.int32)
    dq[[29, 31, 30, 30], [60, 60, 59, 61]] = 512
    flag_far_pixels(left, dq, [np.s_[:, :40], np.s_[:, 40:]])
    assert dq[10, 10] == DQ.HOT and dq[20, 20] == DQ.BAD_COLUMN
    assert dq[30, 31] == DQ.HOT and dq[30, 30] == dq[30, 32] == dq[40, 40] == 0
    assert dq[50, 21] == DQ.DARK and dq[30, 60] in (DQ.HOT, DQ.DARK)
    assert (dq != 0).sum() == 9


def test_smooth_leaves_bad_pixels_out():
    image, good = np.full((60, 70), 3.0, np.float32), np.ones((60, 70), bool)
    image[30, 30], good[30, 30] = 1e6, False
    np.testing.assert_allclose(smooth(image, good), 3.0, rtol=1e-5)
    assert (smooth(image, np.zeros_like(good)) == 0).all()
    spot = np.zeros((61, 61), np.float32)
    spot[30, 30] = 1.0
    found = smooth(spot, np.ones(spot.shape, bool))
    assert found[30, 30] / found[30, 35] == pytest.approx(2 ** ((5 / 5.5) ** 2), rel=1e-3)
    assert found[30, 41] > 0 == found[30, 42]


def test_small_helpers():
    mask = np.zeros((5, 6), bool)
    mask[2, 2] = mask[0, 0] = True
    expected = np.zeros((5, 6), int)
    for y, x in ((1, 2), (3, 2), (2, 1), (2, 3), (0, 1), (1, 0)):
        expected[y, x] += 1
    np.testing.assert_array_equal(neighbours(mask), expected)
    image = np.arange(50.0 * 60, dtype=np.float32).reshape(50, 60)
    assert block_medians(image)[0, 0] == np.median(image[:23, :23])
    assert block_medians(image)[-1, -1] == np.median(image[46:, 46:])


def test_what_a_model_needs():
    with pytest.raises(ValueError, match="expected"):
        fit_dark_model(np.zeros((10, 10), np.float32), np.zeros((10, 10), np.int32), np.zeros((10, 10), np.float32), [])
    empty = np.zeros(SHAPE, np.float32)
    assert fit_dark_model(empty, np.ones(SHAPE, np.int32), empty, QUADRANTS) is None
