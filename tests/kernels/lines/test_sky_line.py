"""A sky line lies where it was put, with and without lines beside it; clipping finds what does not belong."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from musedeep.kernels.lines.sky_line import fit_line
from musedeep.kernels.rows.row_spectrum import add_rows, clip_rows, spectrum_of

GRID = np.arange(6295.0, 6305.01, 0.1)


def spectrum(centre, neighbours=(), sigma=1.1, peak=200.0, background=10.0):
    out = background + peak * np.exp(-0.5 * ((GRID - centre) / sigma) ** 2)
    for offset, ratio in neighbours:
        out += ratio * peak * np.exp(-0.5 * ((GRID - centre - offset) / sigma) ** 2)
    return out


NOTHING = np.empty(0), np.empty(0)


@pytest.mark.parametrize("shift", [-0.4, -0.03, 0.0, 0.2])
def test_a_lone_line(shift):
    flux = spectrum(6300.304 + shift)
    found = fit_line(GRID, flux, flux / 300, 6300.304, *NOTHING)
    assert found.centre - 6300.304 == pytest.approx(shift, abs=1e-6)
    assert found.sigma == pytest.approx(1.1, abs=1e-5) and found.background == pytest.approx(10, abs=1e-4)
    # photons of a Gaussian line say where it is to sigma / sqrt(n)
    assert found.error == pytest.approx(1.1 / np.sqrt(300 * 200 * 1.1 * np.sqrt(2 * np.pi) / 0.1), rel=0.2)


def test_lines_beside_it_pull_a_lone_gaussian_but_not_the_whole_model():
    beside = np.array([-2.4, 6.6]), np.array([0.027, 0.094])
    flux = spectrum(6300.304, list(zip(*beside, strict=True)))
    alone = fit_line(GRID, flux, flux / 300, 6300.304, *NOTHING)
    assert 0.01 < abs(alone.centre - 6300.304) < 0.04
    both = fit_line(GRID, flux, flux / 300, 6300.304, *beside)
    assert both.centre == pytest.approx(6300.304, abs=2e-4)
    # bands vary: a common factor takes care of it
    flux = spectrum(6300.304, [(o, 1.3 * r) for o, r in zip(*beside, strict=True)])
    varied = fit_line(GRID, flux, flux / 300, 6300.304, *beside)
    assert varied.centre == pytest.approx(6300.304, abs=1e-3)
    assert varied.neighbours == pytest.approx(1.3, abs=0.02)


def test_no_line_no_fit():
    assert fit_line(GRID, np.full(GRID.size, 10.0), np.ones(GRID.size), 6300.3, *NOTHING) is None
    assert fit_line(GRID, np.full(GRID.size, np.nan), np.ones(GRID.size), 6300.3, *NOTHING) is None


def test_rows_share_their_value_among_two_bins():
    rng = np.random.default_rng(1)
    wavelength = rng.uniform(5000, 5010, 5000).astype("f4")
    data = (3.0 + 2.0 * (wavelength - 5000)).astype("f4")
    stat = np.full(5000, 4.0, "f4")
    sums = np.zeros((4, 12))
    use = np.ones(5000, bool)
    add_rows(wavelength, data, stat, use, 5000.0, 1.0, sums)
    assert sums[0].sum() == pytest.approx(5000)
    mean, variance = spectrum_of(sums)
    scatter = sums[3] / sums[0]
    assert scatter[1:10] == pytest.approx(4.0)
    assert mean[1:10] == pytest.approx(3.0 + 2.0 * np.arange(1, 10), abs=0.1)
    # sum of w**2 over (sum of w)**2, of weights of a triangle
    assert variance[1:10] == pytest.approx(4.0 * (2 / 3) / sums[0, 1:10], rel=0.1)
    data[:3] += 50.0
    data[3] -= 50.0
    assert clip_rows(wavelength, data, 5000.0, 1.0, mean[:11], scatter[:11], 5.0, 5.0, use) == 4
    assert use.sum() == 4996 and not use[:4].any()
    assert clip_rows(wavelength, data, 5000.0, 1.0, mean[:11], scatter[:11], 5.0, 5.0, use) == 0


@pytest.mark.parametrize("seed", range(12))
def test_the_fit_is_where_a_general_optimiser_ends(seed):
    """Noisy lines, faint and bright, with and without neighbours: the same minimum as that of scipy."""
    rng = np.random.default_rng(seed)
    offsets, ratios = (np.array([-2.4, 1.0, 6.6]), np.array([0.03, 0.3, 0.1])) if seed % 2 else NOTHING
    truth = spectrum(
        6300.3 + rng.uniform(-0.5, 0.5), list(zip(offsets, 1.2 * ratios, strict=True)), rng.uniform(0.8, 1.5),
        rng.uniform(5, 500), rng.uniform(0, 50),
    )  # fmt: skip
    variance = 0.1 + truth / 100
    flux = truth + rng.normal(size=GRID.size) * np.sqrt(variance)
    found = fit_line(GRID, flux, variance, 6300.3, offsets, ratios)

    def residuals(p):
        height, centre, sigma, background, factor = p
        model = spectrum(centre, list(zip(offsets, factor * ratios, strict=True)), sigma, height, background)
        return np.append((model - flux) / np.sqrt(variance), (factor - 1.0) / 0.3)

    start = [found.peak * 1.2, found.centre + 0.1, found.sigma * 0.9, found.background + 1.0, 1.0]
    best = least_squares(residuals, start, x_scale=[found.peak, 0.1, 0.1, 1.0, 0.1], ftol=1e-12, xtol=1e-12)
    mine = [found.peak, found.centre, found.sigma, found.background, found.neighbours]
    assert np.sum(residuals(mine) ** 2) <= 2 * best.cost * (1 + 1e-6)
    assert found.centre == pytest.approx(best.x[1], abs=1e-5)
    covariance = np.linalg.inv(best.jac.T @ best.jac)
    assert found.error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-3)
