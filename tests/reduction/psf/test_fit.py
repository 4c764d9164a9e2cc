"""The fit of one profile to many stars in many bins."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.field.moffat import nodes, render
from musedeep.reduction.psf.fit import fit_profiles


def stars(fwhm, beta, integrated, seed, noise):
    rng = np.random.default_rng(seed)
    local = np.empty((fwhm.size, 3, 4))
    local[..., 0] = rng.uniform(50.0, 500.0, local.shape[:2])
    local[..., 1] = rng.uniform(-5.0, 5.0, local.shape[:2])
    local[..., 2:] = 9.0 + rng.uniform(-0.5, 0.5, (*local.shape[:2], 2))
    out = np.empty((fwhm.size, 3, 19, 19))
    render(local, fwhm, beta, *nodes(integrated), out)
    return local, out + noise * rng.normal(size=out.shape)


@settings(max_examples=15)
@given(
    width=st.floats(2.5, 5.0), slope=st.floats(-0.8, 0.8), beta=st.floats(1.8, 4.0), tilt=st.floats(-0.6, 0.6),
    integrated=st.booleans(), seed=st.integers(0, 100),
)  # fmt: skip
def test_lines_without_noise_are_found(width, slope, beta, tilt, integrated, seed):
    line = np.linspace(-0.5, 0.5, 6)
    local, values = stars(width + slope * line, beta + tilt * line, integrated, seed, 0.0)
    design = np.zeros((6, 2, 4))
    design[:, 0, :2] = design[:, 1, 2:] = np.vander(line, 2)
    first = local + [5.0, 1.0, 0.4, -0.3]
    fit = fit_profiles(values, np.ones_like(values), design, np.array([0.0, 3.5, 0.0, 2.5]), first, integrated)
    assert np.allclose(fit.coefficients, [slope, width, tilt, beta], atol=2e-4)
    assert np.allclose(fit.local, local, atol=1e-2)


def test_stars_and_bins_without_data_change_nothing():
    line = np.linspace(-0.5, 0.5, 5)
    local, values = stars(3.5 - 0.4 * line, 2.6 + 0.2 * line, True, 1, 1.0)
    design = np.zeros((5, 2, 4))
    design[:, 0, :2] = design[:, 1, 2:] = np.vander(line, 2)
    weights = np.ones_like(values)
    start = np.array([0.0, 3.0, 0.0, 2.5])
    whole = fit_profiles(values, weights, design, start, local, True)
    weights[:, 1] = 0.0
    weights[2, 0] = 0.0
    some = fit_profiles(np.where(weights > 0, values, np.nan), weights, design, start, local, True)
    assert np.abs(some.coefficients - whole.coefficients).max() < 0.3
    assert np.isnan(some.excess()[0][1]) and np.isfinite(some.excess()[0][[0, 2]]).all()
    assert 0.9 < some.scatter < 1.1
    assert np.isfinite(some.of_bins()[0]).all()
    weights[3] = 0.0
    fewer = fit_profiles(values, weights, design, start, local, True)
    assert np.isnan(fewer.of_bins()[0][3]).all() and np.isfinite(fewer.of_bins()[0][2]).all()


def test_errors_are_those_of_repeated_noise():
    flat = np.ones(4)
    design = np.broadcast_to(np.eye(2), (4, 2, 2))
    off = []
    for seed in range(60):
        local, values = stars(3.5 * flat, 2.6 * flat, True, seed, 2.0)
        fit = fit_profiles(values, np.full_like(values, 0.25), design, np.array([3.4, 2.5]), local, True)
        bins, errors = fit.of_bins()
        off.append((bins[:, 0] - 3.5) / errors[:, 0])
        assert 0.9 < fit.scatter < 1.1
    assert 0.85 < np.std(off) < 1.15
