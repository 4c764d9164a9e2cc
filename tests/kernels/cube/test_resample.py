"""Resampling: flux, linearity, partition, against a plain sum over all pairs of rows and voxels."""

import tracemalloc
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.graph.combine.plan import Field
from musedeep.reduction.cube.box import COLUMNS, Box, ExposureGeometry, Reader, combine_box
from musedeep.reduction.cube.scan import LINES_PER_BIN
from musedeep.workspace import Workspace
from tests.makers.boxes import GRID, STEP, how

METHODS = ("nearest", "linear", "quadratic", "renka", "drizzle", "lanczos")


def make_exposures(seed, n_exposures=3, n=2500):
    """Random rows over the grid, as readers of combine_box, and the geometries."""
    rng = np.random.default_rng(seed)
    readers, geometries = [], []
    for k in range(n_exposures):
        xi, eta = np.deg2rad(rng.uniform(-7, 7, n) * STEP), np.deg2rad(rng.uniform(-6, 6, n) * STEP)
        columns = {
            "xpos": (np.arctan2(xi, -eta) % (2 * np.pi)).astype("f4"),
            "ypos": -np.arctan(np.hypot(xi, eta)).astype("f4"),
            "lambda": rng.uniform(6999.4, 7006.8, n).astype("f4"),
            "data": rng.normal(100, 5, n).astype("f4"),
            "stat": rng.uniform(1, 4, n).astype("f4"),
            "dq": np.where(rng.random(n) < 0.02, 256, 0).astype("i4"),
        }
        readers.append(Reader(k, n, partial(blocks_of, columns, n)))
        geometries.append(ExposureGeometry(np.deg2rad(-20.0), (0.0, 0.0), 1.0, 1.0 + k, 600.0, f"exposure {k}"))
    return geometries, readers


def blocks_of(columns, n, names, array):
    """Rows as a table gives them, a third at a time."""
    for first in range(0, n, n // 3):
        last = min(first + n // 3, n)
        yield {m: columns[m][first:last] for m in names}, np.array([[first, last]])


def with_data(readers, change):
    """The readers with other data."""

    def blocks(reader, names, array):
        for columns, ranges in reader.blocks(names, array):
            yield {**columns, "data": change(columns["data"]).astype("f4")}, ranges

    return [Reader(r.number, r.n_rows, partial(blocks, r)) for r in readers]


def whole(how_, seed=1, grid=GRID):
    geometries, readers = make_exposures(seed)
    nz, ny, _ = grid.shape
    return combine_box(Box(0, nz, 0, ny), grid, how_, geometries, readers)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crsigma", [0.0, 3.0])
def test_any_partition_gives_the_same_bits(method, crsigma):
    geometries, readers = make_exposures(5)
    options = how(method, crsigma)
    nz, ny, _ = GRID.shape
    one = combine_box(Box(0, nz, 0, ny), GRID, options, geometries, readers)
    for planes, lines in ((1, 12), (6, 1), (2, 5), (4, 3)):
        for z in range(0, nz, planes):
            for y in range(0, ny, lines):
                box = Box(z, min(nz, z + planes), y, min(ny, y + lines))
                part = combine_box(box, GRID, options, geometries, readers)
                cut = (slice(box.z0, box.z1), slice(box.y0, box.y1))
                for name in ("data", "stat", "number", "seconds"):
                    np.testing.assert_array_equal(getattr(part, name), getattr(one, name)[cut])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rejection", ["reference", "stars"])
def test_columns_of_a_box_have_its_bits(method, rejection):
    geometries, readers = make_exposures(5)
    options = replace(how(method, 3.0 if rejection == "reference" else 0.5), rejection=rejection, list_rejected=True)
    nz, ny, nx = GRID.shape
    box = Box(1, nz, 0, ny - 1)
    one = combine_box(box, GRID, options, geometries, readers)
    for ends in ((0, nx // 3, nx // 3 + 1, nx), (0, nx - 1, nx)):
        rows, rejected = 0, []
        for columns in pairwise(ends):
            part = combine_box(box, GRID, options, geometries, readers, columns=columns)
            for name in ("data", "stat", "number", "seconds"):
                np.testing.assert_array_equal(getattr(part, name), getattr(one, name)[..., slice(*columns)])
            rows += part.n_rows
            rejected += map(tuple, part.rejected)
        assert rows == one.n_rows
        assert sorted(rejected) == sorted(map(tuple, one.rejected))
    assert one.rejected.size


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_field_stays_constant(method):
    geometries, readers = make_exposures(2)
    flat = with_data(readers, lambda data: np.full(data.size, 7.5))
    result = combine_box(Box(0, 6, 0, 12), GRID, how(method), geometries, flat)
    finite = np.isfinite(result.data)
    assert finite.mean() > 0.5
    np.testing.assert_allclose(result.data[finite], 7.5, rtol=2e-6)


def test_memory_of_a_box_is_what_the_plan_says():
    geometries, readers = make_exposures(6, n_exposures=30, n=20_000)
    options = how(crsigma=5.0)
    nz, ny, nx = GRID.shape
    box = Box(0, nz, 0, ny)
    combine_box(box, GRID, options, geometries, readers)  # compiled
    tracemalloc.start()
    result = combine_box(box, GRID, options, geometries, readers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.n_read == 600_000
    expected = Field(np.zeros((nz, -(-ny // LINES_PER_BIN)), np.float32), GRID, options, 30).bytes(
        result.n_read, nz * ny * nx
    )
    assert 0.8 * expected < peak < expected


def test_a_workspace_used_again_changes_nothing():
    workspace = Workspace()
    for seed, method in ((1, "drizzle"), (2, "nearest"), (3, "linear")):
        geometries, readers = make_exposures(seed, n=4000 // seed)
        options = how(method, 3.0)
        for box in (Box(0, 6, 0, 12), Box(1, 3, 2, 9), Box(0, 6, 0, 12)):
            one = combine_box(box, GRID, options, geometries, readers, workspace)
            other = combine_box(box, GRID, options, geometries, readers)
            for name in ("data", "stat", "number", "seconds", "rejected"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(scale=st.floats(0.01, 100), offset=st.floats(-1000, 1000))
@settings(deadline=None, max_examples=20)
def test_drizzle_is_linear(scale, offset):
    geometries, readers = make_exposures(3)
    changed = with_data(readers, lambda data: data * scale + offset)
    a = combine_box(Box(0, 6, 0, 12), GRID, how(), geometries, readers)
    b = combine_box(Box(0, 6, 0, 12), GRID, how(), geometries, changed)
    np.testing.assert_allclose(b.data, a.data * scale + offset, rtol=1e-5, atol=1e-4 * (abs(offset) + scale))


def test_drizzle_is_the_sum_over_all_pairs():
    geometries, readers = make_exposures(4, n_exposures=2, n=400)
    result = combine_box(Box(0, 6, 0, 12), GRID, how(), geometries, readers)
    ra_voxel, dec_voxel, cosine = GRID.voxel_positions(0, 12)
    top, norm = np.zeros(GRID.shape), np.zeros(GRID.shape)
    seen = np.zeros((*GRID.shape, 2), bool)
    for k, reader in enumerate(readers):
        names = ("xpos", "ypos", "lambda", "data", "stat", "dq")
        parts = [part for part, _ in reader.blocks(names, None)]
        c = {name: np.concatenate([part[name] for part in parts]) for name in names}
        r = np.tan(-c["ypos"].astype(float))
        xi, eta = r * np.sin(c["xpos"].astype(float)), -r * np.cos(c["xpos"].astype(float))
        d0 = np.deg2rad(-20.0)
        a = np.arctan2(xi, np.cos(d0) - eta * np.sin(d0))
        d = np.arctan2(np.cos(a) * (np.sin(d0) + eta * np.cos(d0)), np.cos(d0) - eta * np.sin(d0)) - d0
        for i in np.flatnonzero(c["dq"] == 0):
            dx = np.abs(ra_voxel - np.rad2deg(a[i])) * cosine / STEP
            dy = np.abs(dec_voxel - np.rad2deg(d[i])) / STEP
            dz = np.abs(GRID.wavelengths() - float(c["lambda"][i])) / 1.25
            share = [np.clip(np.minimum(0.6, 0.8 - v), 0, None) / 0.6 for v in (dx, dy, dz)]
            w = share[2][:, None, None] * (share[0] * share[1])[None] * (1.0 + k)
            top += w * c["data"][i]
            norm += w
            seen[..., k] |= w > 0
    with np.errstate(invalid="ignore"):
        expected = np.where(norm > 0, top / norm, np.nan)
    # float32 positions: voxels that a pixel just touches differ
    solid = norm > 1e-3
    assert solid.mean() > 0.3
    np.testing.assert_allclose(result.data[solid], expected[solid], rtol=2e-3)
    np.testing.assert_array_equal(result.number[solid], seen.sum(-1)[solid])
    np.testing.assert_allclose(result.seconds[solid], 600.0 * seen.sum(-1)[solid])


def test_all_rows_that_are_not_finite_are_counted():
    geometries, readers = make_exposures(7)
    columns = {name: np.concatenate([part[name] for part, _ in readers[1].blocks((name,), None)]) for name in COLUMNS}
    inside = np.abs(columns["lambda"] - 7003) < 2
    spoilt = np.flatnonzero(inside & (columns["dq"] == 0))[::100]
    columns["data"][spoilt] = np.nan
    readers[1] = Reader(1, inside.size, partial(blocks_of, columns, inside.size))
    assert spoilt[-1] > 2 * inside.size // 3  # in more than one block
    with pytest.raises(MusedeepError, match=f"^exposure 1: {spoilt.size} good rows"):
        combine_box(Box(0, 6, 0, 12), GRID, how(), geometries, readers)


def test_exposure_map_counts_and_nan_agree():
    result = whole(how())
    assert ((result.number == 0) == np.isnan(result.data)).all()
    assert result.number.max() == 3
