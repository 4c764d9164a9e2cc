"""Maps of wavelengths: polynomials between the edges, means of pixels that are read together."""

import numpy as np
import pytest

from musedeep.kernels.slices.wave_map import binned, wavelength_map


def test_pixels_between_the_edges_have_their_wavelength():
    edges = np.stack([np.full(6, 2.5), np.full(6, 7.2)])
    edges[1, 5] = np.nan
    coefficients = np.array([[5000.0, 1.25], [0.5, 0.0]])
    out = np.zeros((6, 10), np.float32)
    wavelength_map(edges, coefficients, out)
    expected = np.zeros((6, 10))
    x, y = np.meshgrid(np.arange(3, 8), np.arange(1, 6))
    expected[:5, 2:7] = 5000.0 + 1.25 * y + 0.5 * x
    np.testing.assert_allclose(out, expected)


def test_binning_takes_the_mean_of_pixels_that_all_lie_in_the_slice():
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    assert binned(values, 1, 1) is values
    assert binned(values, 2, 3) == pytest.approx(np.array([[0.0, 7.0], [16.0, 19.0]]))
