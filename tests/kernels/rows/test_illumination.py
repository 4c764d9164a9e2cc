"""Division by a twilight cube, resampled slices, and cosmic rays found by gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.ccd.cosmic_gaps import flag_cosmics
from musedeep.kernels.rows.illumination import correct_rows, count_flag
from musedeep.kernels.slices.slit_image import resample_slice


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 2.0), st.integers(1, 4))
def test_nearest_pixel_and_linear_in_wavelength(seed, factor, n_planes):
    rng = np.random.default_rng(seed)
    cube = rng.uniform(0.8, 1.2, (n_planes, 6, 9)).astype("f4")
    cube[0, 0, 0] = 0.0
    start, step = np.array([-4.0, 10.0, 5000.0]), np.array([1.0, 1.0, 250.0])
    n = 300
    x, y = (rng.uniform(a, b, n).astype("f4") for a, b in ((-6, 6), (8, 17)))
    wavelength = rng.uniform(4800, 6200, n).astype("f4")
    data, stat = rng.uniform(1, 2, n).astype("f4"), np.ones(n, "f4")
    before = data.copy()
    factors, number = rng.uniform(0.9, 1.1, 48), rng.integers(1, 49, n)
    factors[number[0] - 1] = factor
    origin = (rng.integers(0, 1 << 20, n) << 6 | number).astype("i4")
    correct_rows(x, y, wavelength, origin, data, stat, factors, cube, start, step)
    i = np.clip(np.floor(x.astype(float) + 4.5), 0, 8).astype(int)
    j = np.clip(np.floor(y.astype(float) - 9.5), 0, 5).astype(int)
    planes = 5000.0 + 250.0 * np.arange(n_planes)
    expected = np.array([np.interp(w, planes, cube[:, b, a]) for w, a, b in zip(wavelength, i, j, strict=True)])
    total = factors[number - 1] / np.where(expected > 0, expected, 1.0)
    assert data == pytest.approx(before * total, rel=1e-5)
    assert stat == pytest.approx(total**2, rel=1e-5)


def test_without_planes_only_the_factor_counts():
    data, stat = np.ones(3, "f4"), np.ones(3, "f4")
    place, origin = np.zeros(3, "f4"), np.full(3, 7, "i4")
    factors = np.where(np.arange(48) == 6, 1.5, 2.5)
    nothing = np.ones((0, 1, 1), "f4"), np.zeros(3), np.ones(3)
    correct_rows(place, place, place, origin, data, stat, factors, *nothing)
    assert data.tolist() == [1.5] * 3 and stat.tolist() == [2.25] * 3


def test_flags_are_counted():
    dq = np.array([[0, 4096, 32], [4096 | 512, 0, 8192]], "i4")
    assert count_flag(dq, 4096) == 2 and count_flag(dq, 1) == 0


def test_resampled_slice_keeps_a_smooth_spectrum():
    rng = np.random.default_rng(0)
    x, z = np.meshgrid(np.arange(5.0), np.arange(0, 40, 0.97))
    x = (x + rng.uniform(-0.3, 0.3, x.shape)).ravel().astype("f4")
    wavelength = (5000 + 1.25 * z).ravel().astype("f4")
    data = (2.0 * wavelength + 100 * np.rint(x)).astype("f4")
    dq = np.zeros(data.size, "i4")
    dq[::50], data[::50] = 256, 1e9
    out = np.zeros((39, 6), "f4")
    resample_slice(x, wavelength, data, dq, 0.0, 5000.0, 1.25, out)
    truth = 2.0 * (5000 + 1.25 * np.arange(39))[:, None] + 100 * np.arange(5)
    assert (out[:, 5] == 0).all()
    # a step of wavelength is worth 2.5
    assert np.abs(out[1:-1, :5] - truth[1:-1]).max() < 2.0


def test_cosmic_rays_are_found_and_lines_are_not():
    rng = np.random.default_rng(3)
    image = rng.normal(20.0, 4.0, (300, 200)).astype("f4")
    # an emission line covers whole rows: no gap in the values
    image += (400.0 * np.exp(-0.5 * ((np.arange(300) - 150.0) / 1.1) ** 2))[:, None].astype("f4")
    places = rng.integers(5, 130, 40), rng.integers(5, 195, 40)
    image[places] += 500.0
    known = np.zeros(image.shape, "i4")
    known[10, 10], image[10, 10] = 256, 3000.0
    found = flag_cosmics(image, known, (40, 15), 2, 5.8)
    hit = np.zeros(image.shape, bool)
    hit[places] = True
    hit[10, 10] = False
    assert (found & hit).sum() >= 0.9 * hit.sum()
    assert (found & ~hit).sum() <= 10
    assert not found[10, 10]
    assert not flag_cosmics(np.full((50, 50), 7.0, "f4"), np.zeros((50, 50), "i4"), (40, 15), 2, 5.8).any()
