"""Particles and digitisation."""

import numpy as np

from musedeep.kernels.ccd.detector import add_tracks, digitise


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_a_track_leaves_its_charge_along_its_way():
    image = np.zeros((60, 60))
    add_tracks(image, one(20.0), one(10.0), one(np.pi / 2), one(15.0), one(4000.0), np.ones((1, 8)))
    assert abs(image.sum() - 4000.0) < 1e-9
    rows, columns = np.nonzero(image)
    assert set(columns) == {20} and rows.min() == 10 and rows.max() == 25


def test_charge_beyond_the_edge_is_lost():
    image = np.zeros((60, 60))
    add_tracks(image, one(55.0), one(30.0), one(0.0), one(9.0), one(900.0), np.ones((1, 8)))
    assert abs(image.sum() - 450.0) < 20.0


def test_values_are_level_plus_charge_over_gain_within_the_range():
    out = np.empty((1, 4), np.uint16)
    electrons = np.array([[0.0, 120.0, 1e6, -1e6]])
    digitise(electrons, np.zeros((1, 4), np.float32), 1.2, 1000.0, one(3.0), 65535.0, out)
    assert out.tolist() == [[1003, 1103, 65535, 0]]
