"""The rendering kernels against plain numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial

from musedeep.kernels.field.forward import add_lines, add_slice, blur_continuum

START, STEP, SIZE = 5000.0, 0.1, 4001
NODES = np.array([4900.0, 5500.0])
OVERSAMPLING = 5


def gauss(sigma: float, oversampling: int) -> np.ndarray:
    half = 90 * oversampling
    t = STEP / oversampling * np.arange(-half, half + 1) / sigma
    return np.exp(-0.5 * t**2) / (sigma * np.sqrt(2.0 * np.pi))


def profiles(oversampling: int) -> np.ndarray:
    return np.array([gauss(1.0, oversampling), gauss(1.3, oversampling)])


def blur(continuum: np.ndarray) -> np.ndarray:
    return blur_continuum(continuum, profiles(1), NODES[0], NODES[1] - NODES[0], START, STEP)


def lines(wavelength, flux, table=None) -> np.ndarray:
    table = np.zeros((SIZE + 1) // 2) if table is None else table
    add_lines(
        table, np.atleast_1d(wavelength), np.atleast_1d(flux), profiles(OVERSAMPLING), OVERSAMPLING, NODES[0],
        NODES[1] - NODES[0], START, STEP,
    )  # fmt: skip
    return table


def test_a_flat_continuum_stays_flat():
    inside = blur(np.full(SIZE, 3.0))[60:-60]
    np.testing.assert_allclose(inside, 3.0, rtol=1e-10)


def test_a_continuum_is_convolved_with_the_profile_of_its_wavelength():
    rng = np.random.default_rng(1)
    continuum = rng.uniform(0.0, 1.0, SIZE)
    out = blur(continuum)
    for m in (200, 1000, 1700):
        at = START + 2 * m * STEP
        w = (at - NODES[0]) / (NODES[1] - NODES[0])
        profile = (1 - w) * profiles(1)[0] + w * profiles(1)[1]
        around = continuum[2 * m - 90 : 2 * m + 91]
        assert abs(out[m] - np.sum(around[::-1] * profile) * STEP) < 1e-10


@settings(max_examples=25)
@given(st.floats(5020.0, 5380.0), st.floats(0.1, 100.0))
def test_a_line_keeps_its_flux_and_its_place(wavelength, flux):
    table = lines(wavelength, flux)
    grid = START + 2 * STEP * np.arange(table.size)
    assert abs(table.sum() * 2 * STEP / flux - 1.0) < 1e-4
    assert abs(np.sum(table * grid) / table.sum() - wavelength) < 1e-3


@settings(max_examples=10)
@given(st.lists(st.tuples(st.floats(5020.0, 5380.0), st.floats(0.0, 9.0)), min_size=1, max_size=6))
def test_lines_add_up(values):
    wavelength, flux = np.array(values).T
    together = lines(wavelength, flux)
    one_by_one = np.zeros_like(together)
    for w, f in values:
        lines(w, f, one_by_one)
    np.testing.assert_allclose(together, one_by_one, atol=1e-12)


def slice_image(table, pattern, r_start, r_step, q, left=30.3, right=106.1, tilt=0.002):
    rows = np.arange(300.0)
    wave = np.zeros((6, rows.size))
    wave[0], wave[1], wave[3] = 5030.0 + 1.1 * rows, tilt, 1.1
    image = np.zeros((rows.size, 140))
    add_slice(
        image, np.full(rows.size, left), np.full(rows.size, right), wave, 70.0, 0.6, 75.0, table, START, 2 * STEP,
        pattern, r_start, r_step, q[0], q[1] - q[0],
    )  # fmt: skip
    return image


def test_light_of_a_slice_is_spectrum_times_pattern():
    grid = START + 2 * STEP * np.arange((SIZE + 1) // 2)
    law = Polynomial([5.0, 0.01, 1e-5], domain=[-1, 1])
    r_step = 1.0 / 300.0
    r = np.arange(-180, 181) * r_step
    q = np.array([1 / 5600.0**2, 1 / 4900.0**2])
    pattern = np.array([1.0 + r**2, 2.0 + r**3])
    image = slice_image(law(grid - 5000.0), pattern, r[0], r_step, q)
    for y, column in ((10, 60), (150, 90), (250, 71)):
        wavelength = 5030.0 + 1.1 * y + 0.002 * (column - 70.0)
        place = (column - 68.2) / 75.8
        w = (1 / wavelength**2 - q[0]) / (q[1] - q[0])
        density = (1 - w) * (1 + place**2) + w * (2 + place**3)
        assert abs(image[y, column - 1] / (law(wavelength - 5000.0) * density * 1.1 * 75.0 / 75.8) - 1.0) < 1e-6


def test_half_of_the_light_passes_at_the_edges_and_none_beyond():
    q = np.array([1 / 5600.0**2, 1 / 4900.0**2])
    image = slice_image(np.ones(2001), np.ones((2, 361)), -0.6, 1.0 / 300.0, q, left=30.0, right=106.0, tilt=0.0)
    middle = image[150, 67]
    assert abs(image[150, 29] / middle - 0.5) < 1e-6
    assert abs(image[150, 105] / middle - 0.5) < 1e-6
    assert image[150, 25] < 1e-6 * middle
    assert abs(image[150].sum() / middle - 76.0) < 1e-6
