"""Lines on a grid: their flux, their place, and profiles between those of the table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.kernels.sky.line_spectrum import Profiles, add_lines

STEP = 0.1
OFFSETS = np.arange(-75, 76) * STEP


def gaussian(offset, width):
    return np.exp(-0.5 * (offset / width) ** 2) / (width * np.sqrt(2.0 * np.pi))


PROFILES = Profiles(np.array([gaussian(OFFSETS, 1.0), gaussian(OFFSETS, 1.2)]), 5000.0, 1000.0, -7.5, STEP)


@given(st.floats(5000.0, 6000.0), st.floats(0.1, 1e5))
def test_a_line_between_two_profiles(wavelength, flux):
    out = np.zeros(2000)
    start = wavelength - 100.3
    add_lines(np.array([wavelength]), np.array([flux]), PROFILES, start, 0.1, out)
    grid = start + 0.1 * np.arange(out.size)
    part = (wavelength - 5000.0) / 1000.0
    expected = flux * ((1.0 - part) * gaussian(grid - wavelength, 1.0) + part * gaussian(grid - wavelength, 1.2))
    assert np.abs(out - expected).max() < 2e-5 * flux
    assert out.sum() * 0.1 == pytest.approx(flux, rel=1e-5)


def test_beyond_the_profiles_there_is_no_light():
    out = np.zeros(400)
    add_lines(np.array([5010.0]), np.array([1.0]), PROFILES, 4995.0, 0.1, out)
    assert not out[:74].any() and not out[226:].any() and out[150] > 0


def test_lines_add_up_and_may_lie_beyond_the_grid():
    both, one, other = np.zeros(100), np.zeros(100), np.zeros(100)
    places, flux = np.array([4998.0, 5300.0]), np.array([2.0, 3.0])
    add_lines(places, flux, PROFILES, 5000.0, 0.5, both)
    add_lines(places[:1], flux[:1], PROFILES, 5000.0, 0.5, one)
    add_lines(places[1:], flux[1:], PROFILES, 5000.0, 0.5, other)
    np.testing.assert_array_equal(both, one + other)
    assert one[0] == pytest.approx(2.0 * gaussian(2.0, 1.0), rel=1e-4) and not other.any()


def test_profiles_of_one_wavelength():
    out = np.zeros(101)
    single = PROFILES._replace(values=PROFILES.values[:1])
    add_lines(np.array([7000.0]), np.array([1.0]), single, 6995.0, 0.1, out)
    assert out[50] == pytest.approx(gaussian(0.0, 1.0), rel=1e-6)
