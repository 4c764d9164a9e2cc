"""The fast drizzle is the slow one, bit by bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.cube import resample
from musedeep.kernels.cube.drizzle import CellRows, Voxels, Weights, two_planes_at_most
from musedeep.kernels.cube.voxels import PIXEL
from tests.makers.boxes import GRID


def box_of_rows(rng, dec, stretch, mean):
    """Columns of `CellRows`, shape and places of `Voxels`: rows all over a box, some beyond its edges."""
    shape = (5, 6, 9)
    n = int(np.prod(shape))
    counts = rng.poisson(mean, n)
    start = np.r_[0, np.cumsum(counts)]
    z, y, x = np.unravel_index(np.repeat(np.arange(n), counts), shape)
    px, py, pz = rng.uniform(-0.5, 0.5, (3, z.size))
    px += np.where(x == 0, -rng.integers(0, 2, z.size), 0)
    degree = GRID.units()[0]
    lines, columns = np.mgrid[0:6, 0:9].astype(float)
    # axes that are not quite straight
    voxel_ra = -(columns - 4) / degree / np.cos(np.deg2rad(dec)) * (1 + 1e-4 * lines)
    voxel_dec = (lines - 3) / degree + 1e-7 * columns
    cosine = np.cos(np.deg2rad(dec + voxel_dec))
    planes = 7000 + 1.25 * np.arange(5) * (1 + stretch * np.arange(5))
    ra = -(x + px - 4) / degree / np.cos(np.deg2rad(dec))
    wave = planes[z] + 1.25 * pz
    number = rng.integers(0, 70, z.size)
    data = np.where(rng.random(z.size) < 0.02, np.nan, rng.normal(size=z.size)).astype("f4")
    return (
        ra.astype("f4"), ((y + py - 3) / degree).astype("f4"), wave.astype("f4"), data,
        rng.uniform(1, 2, z.size).astype("f4"), number.astype("u2"), np.isnan(data).astype("u1"), start,
    ), shape, (voxel_ra, voxel_dec, cosine, planes, np.gradient(planes) / 1.25)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    dec=st.floats(-80, 80),
    stretch=st.sampled_from([0.0, 0.004]),
    pixfrac=st.tuples(*[st.floats(0.05, 0.88)] * 3),
    planes=st.sampled_from([(0, 5), (1, 4), (2, 3)]),
    lines=st.sampled_from([(0, 6), (1, 5), (3, 4)]),
    mean=st.sampled_from([0.5, 4.0]),
    weighted=st.booleans(),
    exposure_map=st.booleans(),
)
def test_same_bits_as_trying_every_voxel(seed, dec, stretch, pixfrac, planes, lines, mean, weighted, exposure_map):
    rng = np.random.default_rng(seed)
    rows, shape, places = box_of_rows(rng, dec, stretch, mean)
    row_weight = rng.uniform(0.5, 2, rows[0].size if weighted else 0).astype("f4")
    weights = rng.uniform(0.5, 2, 70)
    core = (planes[1] - planes[0], lines[1] - lines[0], 9)
    results = []
    # steeper axes than there are: the same voxels, found by trying all
    for factor in (1.0, 1.15):
        turn = factor * np.array([[-1.0, 0.0], [0.0, 1.0]])
        sums, seen = np.zeros((*core, 3)), np.zeros((*core, 2) if exposure_map else (0, 0, 0, 0), np.uint64)
        voxels = Voxels(shape, planes, lines, *places, GRID.units(), turn, np.ones(2))
        kernel = resample.Kernel(resample.DRIZZLE, 1, 1.0, np.array(pixfrac))
        resample.accumulate(CellRows(*rows), voxels, Weights(weights, row_weight), kernel, sums, seen)
        results.append((sums, seen))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert np.isfinite(results[0][0]).all() and (mean < 1 or results[0][0][..., 1].any())
    # voxels made plane by plane are those made of the sums
    filled = []
    seconds = np.arange(1.0, 71.0)
    for all_planes in (True, False):
        data, stat = np.full(core, -1, np.float32), np.full(core, -1, np.float32)
        shape_of_map = core if exposure_map else (0, 0, 0)
        maps = np.zeros(shape_of_map, np.uint16), np.zeros(shape_of_map, np.float32)
        if all_planes:
            resample.finish(*results[0], seconds, data, stat, *maps)
        else:
            turn = np.array([[-1.0, 0.0], [0.0, 1.0]])
            voxels = Voxels(shape, planes, lines, *places, GRID.units(), turn, np.ones(2))
            resample.resample(CellRows(*rows), voxels, Weights(weights, row_weight), kernel, seconds, data, stat, *maps)
        filled.append((data, stat, *maps))
    for one, other in zip(*filled, strict=True):
        np.testing.assert_array_equal(one, other)


def test_planes_reached():
    planes, size = 7000 + 1.25 * np.arange(4), np.ones(4)
    assert two_planes_at_most(planes, size, 0.8, 0.9)
    assert two_planes_at_most(planes, size, 0.8, 1.0)  # a row on the centre of a plane touches both others, no more
    assert not two_planes_at_most(planes, size, 0.8, 1.001)
    assert not two_planes_at_most(planes[::-1].copy(), size, 0.8, 0.5)
    assert not two_planes_at_most(7000 + 0.6 * np.arange(4), 0.48 * size, 0.8, 0.8)
    assert two_planes_at_most(planes[:1], size[:1], 0.8, 1.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), pixfrac=st.tuples(*[st.sampled_from([0.6, 0.9, 1.0])] * 3))
def test_same_bits_up_to_whole_pixels_on_straight_axes(seed, pixfrac):
    rng = np.random.default_rng(seed)
    shape, n = (5, 6, 9), 5 * 6 * 9
    counts = rng.poisson(3.0, n)
    z, y, x = (k.astype(float) for k in np.unravel_index(np.repeat(np.arange(n), counts), shape))
    px, py, pz = rng.uniform(-0.5, 0.5, (3, z.size))
    lines, columns = np.mgrid[0:6, 0:9] * PIXEL
    number, skip = np.zeros(z.size, np.uint16), np.zeros(z.size, np.uint8)
    where = ((x + px) * PIXEL, (y + py) * PIXEL, 7000 + 1.25 * (z + pz), rng.normal(size=z.size), np.ones(z.size))
    rows = CellRows(*(v.astype("f4") for v in where), number, skip, np.r_[0, np.cumsum(counts)])
    units, whole = np.array([1 / PIXEL, 0.8]), ((0, 5), (0, 6))
    results = []
    # steeper axes than there are: the same voxels, found by trying all
    for factor in (1.0, 1.15):
        voxels = Voxels(
            shape, *whole, columns, lines, np.ones((6, 9)), 7000 + 1.25 * np.arange(5.0), np.ones(5), units,
            factor * np.eye(2), np.ones(2),
        )  # fmt: skip
        sums = np.zeros((*shape, 3))
        kernel = resample.Kernel(resample.DRIZZLE, 1, 1.0, np.array(pixfrac))
        weights = Weights(np.ones(1), np.empty(0, np.float32))
        resample.accumulate(rows, voxels, weights, kernel, sums, np.zeros((0, 0, 0, 0), np.uint64))
        results.append(sums)
    np.testing.assert_array_equal(*results)
