"""Spots that are put on an image are found and measured; neighbours, noise and bad pixels do not mislead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.lines.gaussian_fit import fit_gaussian_1d, fit_gaussian_2d
from musedeep.kernels.slices.spots import BACKGROUND, FLUX, XC, XFWHM, YC, YFWHM, find_spots, line_rows, measure_spots

SHAPE = 60, 120


def image_of(spots, background=0.0, noise=0.0, seed=0):
    """Gaussian spots (x, y, flux, sx, sy) on a background with noise, float32."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    out = np.full(SHAPE, background)
    for x0, y0, flux, sx, sy in spots:
        out += flux / (2 * np.pi * sx * sy) * np.exp(-0.5 * ((x - x0) / sx) ** 2 - 0.5 * ((y - y0) / sy) ** 2)
    return (out + np.random.default_rng(seed).normal(0, noise, SHAPE)).astype(np.float32)


def measured(image, places, dq=None, gaussian=True, variance=4.0):
    out = np.empty((len(places), 6))
    at = np.array(places, np.int64)
    flags = np.zeros(SHAPE, np.int32) if dq is None else dq
    stat = np.maximum(image, 0) + np.float32(variance)
    measure_spots(image, flags, stat.astype(np.float32), at[:, 0].copy(), at[:, 1].copy(), gaussian, out)
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.floats(0.8, 1.6), st.floats(0.7, 1.4), st.floats(1e4, 1e6),
    st.floats(-50, 500),
)  # fmt: skip
def test_gaussian_spots_are_measured_exactly(dx, dy, sx, sy, flux, background):
    image = image_of([(40 + dx, 30 + dy, flux, sx, sy)], background)
    found = measured(image, [(40, 30)], variance=0.0)[0]
    assert found[[XC, YC]] == pytest.approx([40 + dx, 30 + dy], abs=2e-3)
    assert found[[XFWHM, YFWHM]] == pytest.approx([2.3548 * sx, 2.3548 * sy], rel=2e-3)
    assert found[FLUX] == pytest.approx(flux, rel=0.02)
    assert found[BACKGROUND] == pytest.approx(background, abs=1e-3 * flux)


@pytest.mark.parametrize("gaussian", [True, False])
def test_noise_scatters_places_as_photons_say(gaussian):
    errors = []
    for seed in range(30):
        image = image_of([(40.3, 30.2, 20000.0, 1.1, 0.9)], 0.0, 3.0, seed)
        found = measured(image, [(40, 30)], gaussian=gaussian)[0]
        errors.append(found[[XC, YC]] - (40.3, 30.2))
    limit = 0.01 if gaussian else 0.03
    assert np.abs(np.mean(errors, 0)).max() < limit / 2
    assert np.std(errors, 0).max() < limit


def test_faint_spots_have_no_place():
    image = image_of([], 5.0, 3.0)
    found = measured(image, [(40, 30), (60, 20)])
    assert np.isnan(found[:, [XC, YC, XFWHM, YFWHM]]).all()
    assert np.abs(found[:, FLUX]).max() < 5 * 3.0 * 11 * 1.5
    assert found[:, BACKGROUND] == pytest.approx(5.0, abs=1.5)


def test_bad_pixels_and_borders():
    image = image_of([(40.0, 30.0, 20000.0, 1.1, 0.9)])
    clean = measured(image, [(40, 30)])[0]
    image[30, 41] = 1e6
    dq = np.zeros(SHAPE, np.int32)
    dq[30, 41] = 512
    found = measured(image, [(40, 30), (5, 30), (40, 55)], dq)
    assert found[0, [XC, YC]] == pytest.approx(clean[[XC, YC]], abs=1e-3)
    assert np.isnan(found[1:]).all()


def three(y=30.0, flux=20000.0):
    return [(x, y, flux, 1.1, 0.9) for x in (20.2, 45.4, 70.1)]


def test_three_spots_are_found_in_order():
    found = np.empty((3, 2))
    assert find_spots(image_of(three(30.4), 2.0, 1.0), 30.0, 8, 84, 2.2, found)
    assert found[:, 0] == pytest.approx([20.2, 45.4, 70.1], abs=0.05)
    assert found[:, 1] == pytest.approx([30.4] * 3, abs=0.05)


@pytest.mark.parametrize(
    "spots",
    [
        three()[:2],
        [*three(), (33.0, 30.0, 20000.0, 1.1, 0.9)],
        [*three(), *three(37.0, 15000.0)],
        [*three()[:2], (70.1, 30.0, 500.0, 1.1, 0.9)],
        three(33.0),
        [],
    ],
    ids=["two", "four", "next line", "one faint", "off the line", "none"],
)
def test_other_than_three_spots_is_no_line(spots):
    found = np.empty((3, 2))
    assert not find_spots(image_of(spots, 2.0, 1.0), 30.0, 8, 84, 2.2, found)


def test_a_faint_neighbour_does_not_matter():
    found = np.empty((3, 2))
    assert find_spots(image_of([*three(), *three(37.0, 600.0)], 2.0, 1.0), 30.0, 8, 84, 2.2, found)
    # neither does a window beyond the CCD crash
    assert not find_spots(image_of(three()), 3.0, 8, 84, 2.2, found)


def test_rows_of_lines():
    y = np.arange(1.0, 201.0)
    coefficients = np.array([[5000.0, 1.25, 1e-5], [2e-3, 0.0, 0.0]])
    centre = 300.0 + 0.01 * y
    rows = line_rows(coefficients, centre, np.array([5100.0, 5200.0, 4000.0, 9000.0]))
    expected = 5000.0 + 1.25 * rows[:2] + 1e-5 * rows[:2] ** 2 + 2e-3 * (300.0 + 0.01 * rows[:2])
    assert expected == pytest.approx([5100.0, 5200.0], abs=1e-3)
    assert np.isnan(rows[2:]).all()


def test_fits_agree_with_scipy():
    from scipy.optimize import curve_fit

    rng = np.random.default_rng(3)
    position = np.linspace(0.0, 1.0, 30)

    def model(x, b, a, c, s):
        return b + a * np.exp(-0.5 * ((x - c) / s) ** 2)

    values = model(position, 3.0, 100.0, 0.45, 0.1) + rng.normal(0, 2.0, 30)
    p = np.array([0.0, 90.0, 0.5, 0.15])
    assert fit_gaussian_1d(position, values, p)
    assert p == pytest.approx(curve_fit(model, position, values, [0, 90, 0.5, 0.15])[0], rel=1e-4)
    y, x = np.mgrid[:11, :11].astype(float)

    def surface(place, b, a, x0, y0, sx, sy):
        return b + a * np.exp(-0.5 * ((place[0] - x0) / sx) ** 2 - 0.5 * ((place[1] - y0) / sy) ** 2)

    window = surface((x, y), 5.0, 300.0, 5.2, 4.7, 1.3, 0.9) + rng.normal(0, 5.0, (11, 11))
    p = np.array([0.0, 250.0, 5.0, 5.0, 1.1, 1.1])
    assert fit_gaussian_2d(window, np.ones((11, 11), bool), p)
    expected = curve_fit(surface, (x.ravel(), y.ravel()), window.ravel(), [0, 250, 5, 5, 1.1, 1.1])[0]
    assert p == pytest.approx(expected, rel=1e-3)


def test_fits_of_nothing_fail():
    assert not fit_gaussian_1d(np.arange(10.0), np.zeros(10), np.array([0.0, 1.0, 5.0, 1.0]))
    assert not fit_gaussian_1d(np.arange(3.0), np.ones(3), np.array([0.0, 1.0, 1.0, 1.0]))
    hollow = -image_of([(5.0, 5.0, 1000.0, 1.0, 1.0)])[:11, :11].astype(float)
    assert not fit_gaussian_2d(hollow, np.ones((11, 11), bool), np.array([0.0, 100.0, 5.0, 5.0, 1.0, 1.0]))
