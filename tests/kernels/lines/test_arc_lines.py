"""Arc lines: Gaussians that are put in come out, alone and beside others; what is no line is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.lines.arc_lines import (
    COMPONENTS,
    WINDOW,
    central_spectrum,
    detect,
    fit_column,
    fit_found,
    follow_line,
)

ROWS, COLUMNS = 120, 60


def spectrum(centres, fluxes, sigma=0.95, background=0.0, rows=ROWS):
    """Gaussians sampled at rows from 1."""
    y = np.arange(1.0, rows + 1)[:, None]
    t = (y - np.asarray(centres)) / sigma
    return background + (np.asarray(fluxes) * np.exp(-0.5 * t * t) / (sigma * np.sqrt(2 * np.pi))).sum(1)


def image(values, columns=COLUMNS, variance=25.0):
    """The same in every column, with flags and variances."""
    data = np.repeat(np.asarray(values, np.float32)[:, None], columns, 1)
    return data, np.zeros(data.shape, np.int32), np.full(data.shape, variance, np.float32)


def fit(data, dq, stat, expected, others=(), sigma=1.1, free=True, column=0):
    """One column: error, then shift, width, background, shift of others, fluxes."""
    p, work = np.empty(COMPONENTS + 4), np.empty((3, COMPONENTS + 4, COMPONENTS + 4))
    others = np.array(others, float)
    error = fit_column(
        data, dq, stat, column, expected, others, others.size, sigma, free, WINDOW, p, np.empty((4, 60)), work
    )
    return error, p


@settings(max_examples=60)
@given(
    st.floats(40.0, 80.0), st.floats(300.0, 1e5), st.floats(0.75, 1.4), st.floats(-20.0, 200.0), st.floats(-0.8, 0.8)
)
def test_a_line_comes_back(centre, flux, sigma, background, off):
    error, p = fit(*image(spectrum([centre], [flux], sigma, background)), centre + off)
    assert centre + off + p[0] == pytest.approx(centre, abs=2e-4)
    assert p[1] == pytest.approx(sigma, rel=1e-3) and p[2] == pytest.approx(background, abs=0.5)
    assert p[4] == pytest.approx(flux, rel=2e-3)
    # photon-less noise of 5 in each row (Cramer-Rao for a Gaussian)
    expected = 5.0 * np.sqrt(4.0 * np.sqrt(np.pi) * sigma**3) / flux
    assert error == pytest.approx(expected, rel=0.1)


def test_errors_are_those_of_the_noise():
    rng = np.random.default_rng(4)
    data, dq, stat = image(spectrum([60.3], [2000.0]), 400, 30.0)
    data += rng.normal(0.0, np.sqrt(30.0), data.shape).astype(np.float32)
    found = np.array(
        [(fit(data, dq, stat, 60.0, column=c)[0], fit(data, dq, stat, 60.0, column=c)[1][0]) for c in range(400)]
    )
    assert (found[:, 1] - 0.3).std() == pytest.approx(found[:, 0].mean(), rel=0.15)
    assert abs((found[:, 1] - 0.3).mean()) < 4 * found[:, 0].mean() / 20


@settings(max_examples=40)
@given(st.floats(2.2, 8.5), st.floats(0.05, 3.0), st.floats(-0.02, 0.02), st.booleans())
def test_a_neighbour_does_not_move_a_line(distance, share, error_of_distance, below):
    distance = -distance if below else distance
    data = image(spectrum([60.2, 60.2 + distance], [8000.0, 8000.0 * share]))
    error, p = fit(*data, 60.0, [distance + error_of_distance])
    assert 60.0 + p[0] == pytest.approx(60.2, abs=0.003)
    assert error < 0.05


def test_a_width_that_is_held_stays():
    _, p = fit(*image(spectrum([60.2], [8000.0], 1.0)), 60.0, sigma=0.887, free=False)
    assert p[1] == 0.887 and p[0] == pytest.approx(0.2, abs=5e-3)


def test_flagged_pixels_do_not_count():
    data, dq, stat = image(spectrum([60.2], [8000.0]))
    data[63, 0], dq[63, 0] = 1e6, 512
    assert fit(data, dq, stat, 60.0)[1][0] == pytest.approx(0.2, abs=1e-3)
    dq[58:61, 0] = 4096
    assert np.isnan(fit(data, dq, stat, 60.0)[0])


@pytest.mark.parametrize("values", [np.zeros(ROWS), np.full(ROWS, 1e5), np.full(ROWS, np.nan)])
def test_no_line_is_found_where_there_is_none(values):
    data, dq, stat = image(values)
    out = np.empty((COLUMNS, 4))
    assert follow_line(data, dq, stat, 30, 60.0, np.empty(0), 0, 1.0, True, (0, COLUMNS - 1), WINDOW, out) == 0
    assert np.isnan(out).all()


def test_a_bent_line_is_followed_to_both_ends():
    rng = np.random.default_rng(1)
    x = np.arange(COLUMNS)
    centres = 60.0 + 0.03 * (x - 30) + 4e-4 * (x - 30) ** 2
    data = np.stack([spectrum([c], [900.0]) for c in centres], 1)
    data = (data + rng.normal(0, 4.0, data.shape)).astype(np.float32)
    dq, stat = np.zeros(data.shape, np.int32), np.full(data.shape, 16.0, np.float32)
    out = np.empty((50, 4))
    assert follow_line(data, dq, stat, 30, 60.3, np.empty(0), 0, 1.0, True, (5, 54), WINDOW, out) == 50
    pulls = (out[:, 0] - centres[5:55]) / out[:, 1]
    assert np.abs(pulls).max() < 5 and 0.7 < pulls.std() < 1.3


def test_lines_are_detected_above_the_others_noise():
    rng = np.random.default_rng(2)
    places = [20.0, 45.3, 70.0, 76.0, 100.6]
    values = spectrum(places, [9e4, 3e4, 5e4, 4e4, 10.0]) + rng.normal(0, 3.0, ROWS)
    data, dq, stat = image(values, 4, 9.0)
    dq[10, :] = 512
    dq[44, 1] = 512
    signal, ratio = central_spectrum(data, dq, stat, slice(0, 4))
    found = detect(signal, ratio, 1.0)
    assert found.shape[0] == 4
    assert np.abs(found[:, 1] - places[:4]).max() < 0.6
    fitted = np.empty((4, 4))
    fit_found(data, dq, stat, 0, found[:, 1], 1.0, WINDOW, fitted)
    assert np.abs(fitted[:2, 0] - places[:2]).max() < 0.01
    assert found[0, 2] == pytest.approx(9e4 / (0.95 * np.sqrt(2 * np.pi)), rel=0.01)
    assert detect(signal, ratio, 50.0).shape == (0, 4)
