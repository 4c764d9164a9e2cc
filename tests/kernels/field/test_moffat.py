"""Moffat profiles averaged over spaxels, and the equations of their fit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musedeep.kernels.field.moffat import add_neighbours, equations, nodes, render, scale_radius
from tests.makers.star_cubes import spaxels

WIDTHS, BETAS = st.floats(1.8, 8.0), st.floats(1.4, 6.0)


def image(local, fwhm, beta, integrated=True, size=13):
    out = np.empty((1, 1, size, size))
    render(np.array([[local]], np.float64), np.array([fwhm]), np.array([beta]), *nodes(integrated), out)
    return out[0, 0]


@given(fwhm=WIDTHS, beta=BETAS, x=st.floats(5.0, 7.0), y=st.floats(5.0, 7.0))
def test_agrees_with_a_fine_grid_of_points(fwhm, beta, x, y):
    alpha = scale_radius(fwhm, beta)
    expected = spaxels(13, 13, x, y, fwhm, beta) * np.pi * alpha**2 / (beta - 1.0)
    assert np.abs(image((1.0, 0.0, x, y), fwhm, beta) - expected).max() < 3e-3


@given(fwhm=WIDTHS, beta=BETAS)
def test_falls_to_half_at_half_of_its_width(fwhm, beta):
    assert np.isclose((1.0 + (0.5 * fwhm / scale_radius(fwhm, beta)) ** 2) ** -beta, 0.5)
    sampled = image((4.0, 1.0, 6.0, 6.0), fwhm, beta, integrated=False)
    assert np.isclose(sampled[6, 6], 5.0)


@given(fwhm=WIDTHS, beta=BETAS, integrated=st.booleans(), seed=st.integers(0, 1000))
def test_gradient_is_that_of_the_sum_of_squares(fwhm, beta, integrated, seed):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=(1, 1, 9, 9)), rng.uniform(0.0, 2.0, (1, 1, 9, 9))
    weights[0, 0, 0, 0] = 0.0
    point = np.array([rng.uniform(0.5, 2.0), 0.1, 4.2, 3.9, fwhm, beta])
    arrays = np.empty((1, 1, 6, 6)), np.empty((1, 1, 6)), np.empty((1, 1))

    def square(p):
        local = p[None, None, :4].copy()
        equations(values, weights, local, p[4:5].copy(), p[5:6].copy(), *nodes(integrated), *arrays)
        return float(arrays[2][0, 0])

    numeric = np.empty(6)
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-5
        numeric[i] = (square(point + step) - square(point - step)) / 2e-5
    square(point)
    assert np.allclose(-2.0 * arrays[1][0, 0], numeric, rtol=1e-5, atol=1e-5)
    assert np.allclose(arrays[0][0, 0], arrays[0][0, 0].T)
    assert np.linalg.eigvalsh(arrays[0][0, 0]).min() > -1e-9


def test_light_of_neighbours_is_that_of_the_others():
    local = np.array([[[2.0, 0.0, 4.0, 4.0], [3.0, 0.0, 4.0, 4.0]]])
    corner = np.array([[0, 0], [6, 1]])
    out = np.zeros((1, 2, 9, 9))
    known = np.ones((1, 2), bool)
    add_neighbours(local, corner, known, np.array([3.0]), np.array([2.5]), 50.0, out)
    y, x = np.mgrid[:9, :9]
    q = ((x - 10.0) ** 2 + (y - 5.0) ** 2) / scale_radius(3.0, 2.5) ** 2
    assert np.allclose(out[0, 0], 3.0 * (1.0 + q) ** -2.5)
    known[0, 1] = False
    out[:] = 0.0
    add_neighbours(local, corner, known, np.array([3.0]), np.array([2.5]), 50.0, out)
    assert not out[0, 0].any() and out[0, 1].any()
