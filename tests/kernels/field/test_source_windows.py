"""Sums of rows in windows."""

import numpy as np

from musedeep.kernels.field.source_windows import SUMS, add_to_windows


def test_rows_come_to_their_cells():
    cells = np.full((4, 6), -1, np.int32)
    cells[1, 2], cells[3, 5] = 0, 1
    x, y = np.array([12.4, 12.4, 15.0, 20.0, 12.0], np.float32), np.array([21.4, 21.4, 23.0, 23.0, 20.0], np.float32)
    wavelength = np.array([5010.0, 5030.0, 5010.0, 5010.0, 5010.0], np.float32)
    data = np.arange(1.0, 6.0, dtype=np.float32)
    sums = np.zeros((2, 2, SUMS))
    corner, planes = np.array([10.0, 20.0]), np.array([5000.0, 25.0])
    dq = np.zeros(5, np.int32)
    add_to_windows(x, y, wavelength, data, dq, data, cells, corner, planes, sums)
    assert sums[..., 0].tolist() == [[1, 1], [1, 0]]
    assert sums[..., 1].tolist() == [[1, 3], [2, 0]]
    assert np.allclose(sums[0, 0, 3:], [2.4, 1.4], atol=1e-5)
    dq[0] = 256
    before = sums.copy()
    add_to_windows(x[:1], y[:1], wavelength[:1], data[:1], dq[:1], data[:1], cells, corner, planes, sums)
    assert np.array_equal(sums, before)
