"""Rejection: the fast kernel against a plain reading of its definition; stars spared by our own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.cube.reject import ALONG_X, ALONG_Y, IRAF, MEAN, MEDIAN, NO_DIRECTION, reject, slice_direction
from musedeep.kernels.cube.reject_stars import reject_sparing_stars

SHAPE = (3, 5, 6)


def make_rows(seed, mean_rows, outliers):
    """Sorted rows of a small box: values, bad flags, variances, offsets of cells."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean_rows, SHAPE).ravel()
    start = np.concatenate([[0], np.cumsum(counts)])
    values = rng.normal(size=start[-1]).astype("f4")
    hit = rng.random(values.size) < outliers
    values[hit] += rng.uniform(3, 100, hit.sum()).astype("f4")
    return values, rng.random(values.size) < 0.05, rng.uniform(0.5, 2, values.size).astype("f4"), start


def plain(values, bad, variances, start, direction, kind, crsigma):
    """The definition, voxel by voxel."""
    nz, ny, nx = SHAPE
    flags = np.zeros(values.size, bool)
    for z, y, x in np.ndindex(SHAPE):
        rows = []
        for dz, dy, dx in np.ndindex(3, 3, 3):
            zz, yy, xx = z + dz - 1, y + dy - 1, x + dx - 1
            if not (0 <= zz < nz and 0 <= yy < ny and 0 <= xx < nx):
                continue
            own = (dz, dy, dx) == (1, 1, 1)
            if not own and ((direction == ALONG_X and yy == y) or (direction == ALONG_Y and xx == x)):
                continue
            c = (zz * ny + yy) * nx + xx
            rows += [i for i in range(start[c], start[c + 1]) if not bad[i]]
        if not rows:
            continue
        sample = values[rows].astype(float)
        if kind == MEDIAN:
            centre = np.median(sample)
            spread = np.median(np.abs(sample - centre))
        elif kind == MEAN:
            centre, spread = sample.mean(), sample.std(ddof=1) if sample.size > 1 else 0.0
        else:
            centre, spread = sample.mean(), np.sqrt(variances[rows].astype(float).sum()) / sample.size
        c = (z * ny + y) * nx + x
        own_rows = slice(start[c], start[c + 1])
        flags[own_rows] = values[own_rows] > centre + crsigma * spread
    return flags


@given(
    seed=st.integers(0, 2**31),
    mean_rows=st.sampled_from([0.3, 1.0, 4.0, 15.0]),
    direction=st.sampled_from([NO_DIRECTION, ALONG_X, ALONG_Y]),
    kind=st.sampled_from([IRAF, MEAN, MEDIAN]),
    crsigma=st.sampled_from([1.0, 3.0, 10.0]),
)
@settings(deadline=None, max_examples=120)
def test_flags_are_those_of_the_definition(seed, mean_rows, direction, kind, crsigma):
    values, bad, variances, start = make_rows(seed, mean_rows, 0.05)
    flags = np.zeros(values.size, np.uint8)
    sample = np.where(bad, np.float32(np.nan), values)
    core = np.array([0, SHAPE[0], 0, SHAPE[1]])
    reject(values, sample, variances, start, SHAPE, core, direction, kind, crsigma, flags)
    expected = plain(values, bad, variances, start, direction, kind, crsigma)
    # the order of the sums of means decides where a value equals its threshold
    assert (flags.astype(bool) != expected).sum() <= (0 if kind == MEDIAN else 1)


@pytest.mark.parametrize(
    ("angle", "direction"),
    [
        (0, ALONG_X),
        (4.9, ALONG_X),
        (180, ALONG_X),
        (-2, ALONG_X),
        (90, ALONG_Y),
        (267, ALONG_Y),
        (45, 0),
        (-33, 0),
        (6, 0),
    ],
)
def test_direction_of_slices(angle, direction):
    assert slice_direction(angle) == direction


def test_a_star_is_spared_and_a_cosmic_ray_beside_it_is_not():
    shape = (5, 15, 15)
    _, y, x = np.indices(shape)
    star = 3000 * np.exp(-4 * np.log(2) * ((y - 7) ** 2 + (x - 7) ** 2) / 2.3**2)
    rng = np.random.default_rng(1)
    n = 4  # exposures, one row in every voxel of each
    values = (star[..., None] + rng.normal(size=(*shape, n)) * 4).astype("f4")
    values[2, 7, 7, 1] += 20000
    values[2, 3, 3, 2] += 100
    flags = np.zeros(values.size, np.uint8)
    start = np.arange(0, values.size + 1, n)
    exposure = np.tile(np.arange(n, dtype="u2"), values.size // n)
    flat = values.ravel()
    core = np.array([0, 5, 0, 15])
    reject_sparing_stars(flat, flat, np.full(flat.size, 16, "f4"), exposure, start, shape, core, 10.0, flags)
    found = {tuple(int(v) for v in p) for p in np.argwhere(flags.reshape(values.shape))}
    assert found == {(2, 7, 7, 1), (2, 3, 3, 2)}
