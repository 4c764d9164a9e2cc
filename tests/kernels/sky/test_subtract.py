"""Subtraction of tabulated spectra: splines hit their nodes, rows of others stay."""

import numpy as np
from scipy.ndimage import spline_filter1d

from musedeep.kernels.sky.subtract import subtract_linear, subtract_tables


def origin_of(ifu, number, n):
    return np.full(n, 5 << 24 | 300 << 11 | ifu << 6 | number, np.int32)


def test_a_spline_follows_a_line():
    step, start = 0.3125, 5000.0
    knots = start - step + step * np.arange(203)
    curve = np.exp(-0.5 * ((knots - 5030.0) / 1.05) ** 2)
    tables = np.zeros((48, 203), np.float32)
    tables[6] = spline_filter1d(1000.0 * curve, 3, mode="nearest")
    wavelength = np.linspace(5001.0, 5060.0, 999).astype(np.float32)
    data = np.zeros(wavelength.size, np.float32)
    subtract_tables(wavelength, origin_of(3, 7, 999), 3, tables, start, step, data)
    expected = 1000.0 * np.exp(-0.5 * ((wavelength.astype(np.float64) - 5030.0) / 1.05) ** 2)
    # 1e-4 of the peak
    assert np.abs(data + expected).max() < 0.1


def test_rows_of_other_ifus_and_no_slice_stay():
    tables = np.ones((48, 12), np.float32)
    wavelength, data = np.full(3, 5001.0, np.float32), np.full(3, 10.0, np.float32)
    origin = np.concatenate([origin_of(3, 7, 1), origin_of(4, 7, 1), origin_of(3, 0, 1)])
    subtract_tables(wavelength, origin, 3, tables, 5000.0, 0.5, data)
    assert data.tolist() == [9.0, 10.0, 10.0]


def test_beyond_the_ends_the_value_is_that_of_the_end():
    tables = np.zeros((48, 7), np.float32)
    tables[0] = spline_filter1d(np.array([1.0, 1, 2, 3, 4, 5, 5]), 3, mode="mirror")
    wavelength, data = np.array([4000.0, 9000.0], np.float32), np.zeros(2, np.float32)
    subtract_tables(wavelength, origin_of(1, 1, 2), 1, tables, 5000.0, 1.0, data)
    np.testing.assert_allclose(data, [-1.0, -5.0], atol=1e-5)


def test_a_spectrum_is_linear_between_its_nodes_and_constant_beyond():
    nodes, values = np.array([5000.0, 5001.0, 5003.0]), np.array([1.0, 3.0, -1.0])
    wavelength = np.array([5002.0, 4000.0, 5000.25, 6000.0, 5001.0, 5000.0], np.float32)
    data = np.zeros(6, np.float32)
    subtract_linear(wavelength, nodes, values, data)
    np.testing.assert_allclose(-data, np.interp(wavelength, nodes, values))
