"""Kernels of corrections of rows, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from musedeep.kernels.rows.corrections import multiply_by_wavelength, shift_positions, stretch, to_native

START, STEP = 4000.0, 5.0
NODES = START + STEP * np.arange(50)
WAVELENGTHS = arrays(np.float32, st.integers(0, 60), elements=st.floats(3900, 4400, width=32))


@given(WAVELENGTHS)
def test_shifts_are_interpolated(wavelength):
    shifts = np.stack([np.sin(NODES / 30.0), np.cos(NODES / 50.0)], axis=1)
    x, y = np.full((2, wavelength.size), 10.0, np.float32)
    shift_positions(x, y, wavelength, shifts, START, STEP)
    for found, axis in ((x, 0), (y, 1)):
        assert found == pytest.approx(10.0 + np.interp(wavelength, NODES, shifts[:, axis]), abs=1e-6)


@given(WAVELENGTHS)
def test_factors_and_their_errors(wavelength):
    curve = np.stack([2.0 + np.sin(NODES / 30.0), 0.01 + 0.001 * np.cos(NODES)], axis=1)
    data, stat = np.full(wavelength.size, 7.0, np.float32), np.full(wavelength.size, 3.0, np.float32)
    multiply_by_wavelength(data, stat, wavelength, curve, START, STEP)
    factor, variance = (np.interp(wavelength, NODES, curve[:, k]) for k in range(2))
    assert data == pytest.approx(7.0 * factor, rel=1e-6)
    assert stat == pytest.approx(factor**2 * (3.0 + 49.0 * variance), rel=1e-6)


def test_stretched_wavelengths_are_rounded_once():
    wavelength = np.linspace(4750, 9350, 1001).astype(np.float32)
    expected = (wavelength.astype(np.float64) * (1 - 4.3e-5)).astype(np.float32)
    stretch(wavelength, 1 - 4.3e-5)
    assert np.array_equal(wavelength, expected)


@given(arrays(np.float32, (2, 30), elements=st.floats(-160, 160, width=32)), st.floats(-180, 180))
def test_native_coordinates(places, angle):
    turn = np.radians(angle)
    matrix = np.radians(0.2 / 3600.0) * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([0.3, -1.2])
    x, y = matrix @ (places.astype(np.float64) - centre[:, None])
    phi, theta = places.copy()
    to_native(phi, theta, centre, matrix)
    expected = np.arctan2(x, -y) % (2.0 * np.pi)
    off = np.abs(phi - expected)
    assert (np.minimum(off, 2.0 * np.pi - off) < 3e-7).all()
    assert theta == pytest.approx(-np.arctan(np.hypot(x, y)), rel=1e-6)


def test_the_reference_point_has_no_direction():
    x, y = np.zeros((2, 1), np.float32)
    to_native(x, y, np.zeros(2), np.eye(2) * 1e-6)
    assert np.isfinite(x).all()
    assert y[0] == 0
