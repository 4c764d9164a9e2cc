"""Cubes of the field: weights are overlaps, whatever the rows; voxels without data are flagged."""

import numpy as np
import pytest

from musedeep.instrument import DQ
from musedeep.kernels.field.field_cube import drizzle_rows, finish_cube, white_image

ORIGIN = np.array([-3.0, 2.0, 6800.0])
SHAPE = (5, 6, 8)
STEP, FRACTION = 1.25, 0.6


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-4.5, 6.0, n), rng.uniform(1.0, 9.0, n)
    wave = rng.uniform(6798.0, 6808.0, n)
    return [a.astype(np.float32) for a in (x, y, wave, rng.normal(50, 20, n), rng.uniform(1, 4, n))]


def brute_force(x, y, wave, data, stat, dq):
    """Sums by overlaps of intervals, voxel by voxel."""

    def overlap(place, centre, size):
        low, high = place - 0.5 * FRACTION * size, place + 0.5 * FRACTION * size
        inside = np.minimum(high, centre + 0.5 * size) - np.maximum(low, centre - 0.5 * size)
        return np.maximum(inside, 0.0) / (FRACTION * size)

    sums = np.zeros((*SHAPE, 3))
    for z, plane, line in np.ndindex(SHAPE):
        w = overlap(wave.astype(float), ORIGIN[2] + STEP * z, STEP)
        w = w * overlap(y.astype(float), ORIGIN[1] + plane, 1.0) * overlap(x.astype(float), ORIGIN[0] + line, 1.0)
        w = np.where(dq == 0, w, 0.0)
        sums[z, plane, line] = (w * data).sum(), w.sum(), (w * w * stat).sum()
    return sums


def test_sums_are_overlaps():
    x, y, wave, data, stat = rows()
    dq = np.where(np.arange(x.size) % 7 == 0, 512, 0).astype(np.int32)
    sums = np.zeros((*SHAPE, 3), np.float32)
    drizzle_rows(x, y, wave, data, stat, dq, ORIGIN, STEP, FRACTION, sums)
    assert np.allclose(sums, brute_force(x, y, wave, data, stat, dq), rtol=1e-4, atol=1e-3)
    assert (sums[..., 1] > 0).mean() > 0.5


def test_a_constant_stays_constant():
    x, y, wave, _, stat = rows(3000)
    data = np.full(x.size, 7.0, np.float32)
    sums = np.zeros((*SHAPE, 3), np.float32)
    drizzle_rows(x, y, wave, data, stat, np.zeros(x.size, np.int32), ORIGIN, STEP, FRACTION, sums)
    cube, variance = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    dq = np.empty(SHAPE, np.int32)
    finish_cube(sums, cube, dq, variance)
    assert (dq == 0).all() and cube == pytest.approx(7.0, rel=1e-5) and (variance > 0).all()


def test_missing_voxels():
    sums = np.zeros((*SHAPE, 3), np.float32)
    one = [np.array([v], np.float32) for v in (-3.0, 2.0, 6802.5, 10.0, 3.0)]
    drizzle_rows(*one, np.zeros(1, np.int32), ORIGIN, STEP, FRACTION, sums)
    cube, variance = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    dq, white, white_dq = np.empty(SHAPE, np.int32), np.empty(SHAPE[1:], np.float32), np.empty(SHAPE[1:], np.int32)
    finish_cube(sums, cube, dq, variance)
    # all of the row lies in one voxel
    assert cube[2, 0, 0] == 10.0 and variance[2, 0, 0] == pytest.approx(3.0) and dq[2, 0, 0] == 0
    assert (dq == DQ.MISSING).sum() == dq.size - 1 and (cube[dq != 0] == 0).all()
    white_image(cube, dq, white, white_dq)
    assert white[0, 0] == 10.0 and (white_dq != 0).sum() == white.size - 1
