"""Rows placed in boxes: each in the one it lies in, whatever the boxes."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.cube.voxels import PIXEL, Choice, CubeGrid, PlacedRows, Pointing, TableRows, place_rows
from musedeep.kernels.rows.projection import spectral_coefficients

SHAPE = (8, 330, 340)


def matrix(angle, step):
    """CD matrix [deg]."""
    turn = np.deg2rad(angle)
    return step * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / 3600


def placed(rows, dec, shift, angle, step, lines, planes=(0, 8), beyond=1, keep_bad=False):
    """Rows of a box and their cells in the cube."""
    n = rows["xpos"].size
    out = [np.empty(n, np.float32) for _ in range(5)] + [np.empty(n, np.uint8), np.empty(n, np.int32)]
    which = np.empty(n, np.int32)
    box = np.array([*planes, *lines, 0, SHAPE[2]])
    table = TableRows(*(rows[name] for name in ("xpos", "ypos", "lambda", "data", "stat", "dq")))
    grid = CubeGrid(
        0.0, 0.0, np.deg2rad(dec), np.linalg.inv(matrix(angle, step)), np.array([170.0, 165.0]),
        spectral_coefficients(0, 1.0, 7000.0, 1.25), np.array(SHAPE),
    )  # fmt: skip
    choice = Choice(4000.0, 10000.0, beyond, keep_bad)
    kept, not_finite = place_rows(
        table, Pointing(np.deg2rad(dec), *shift), grid, box, choice, 2.0, PlacedRows(*out, which)
    )
    assert not_finite == 0
    cell = out[6][:kept].astype(np.int64)
    height = lines[1] - lines[0]
    z, y, x = cell // (height * SHAPE[2]) + planes[0], cell // SHAPE[2] % height + lines[0], cell % SHAPE[2]
    return which[:kept].astype(np.int64), np.stack([z, y, x], axis=1), np.stack(out[:5])[:, :kept]


@settings(max_examples=40, deadline=None)
@given(
    dec=st.floats(-85, 85),
    shift=st.tuples(st.floats(-0.003, 0.003), st.floats(-0.003, 0.003)),
    angle=st.floats(0, 360),
    step=st.sampled_from([0.2, 0.1, 0.025]),
    cuts=st.lists(st.integers(1, 329), max_size=6, unique=True),
    seed=st.integers(0, 2**31),
)
def test_every_row_is_in_one_box(dec, shift, angle, step, cuts, seed):
    """Boxes of lines hold, together, what one box of all lines holds: no row near an edge is overlooked."""
    rng = np.random.default_rng(seed)
    n = 3000
    # most of them close to an edge between two lines; farther out than any MUSE field, too
    x, y = rng.uniform(-20, 360, n), rng.integers(-20, 350, n) - 0.5 + rng.normal(0, rng.choice([1e-3, 0.3], n))
    xi, eta = np.deg2rad(matrix(angle, step) @ np.stack([x - 169, y - 164]) - np.array(shift)[:, None])
    rows = {
        "xpos": (np.arctan2(xi, -eta) % (2 * np.pi)).astype("f4"),
        "ypos": -np.arctan(np.hypot(xi, eta)).astype("f4"),
        "lambda": rng.uniform(6998, 7012, n).astype("f4"),
        "data": rng.normal(size=n).astype("f4"),
        "stat": rng.uniform(1, 2, n).astype("f4"),
        "dq": rng.choice([0, 0, 0, 256, 32], n).astype("i4"),
    }
    ra_step = 1 / max(np.cos(np.deg2rad(dec)), 0.02)
    options = (dec, (shift[0] * ra_step, shift[1]), angle, step)
    whole, cells, values = placed(rows, *options, (0, SHAPE[1]))
    edges = [0, *sorted(cuts), SHAPE[1]]
    parts = [placed(rows, *options, (a, b)) for a, b in pairwise(edges)]
    order = np.argsort(np.concatenate([which for which, _, _ in parts]), kind="stable")
    np.testing.assert_array_equal(np.concatenate([which for which, _, _ in parts])[order], whole)
    np.testing.assert_array_equal(np.concatenate([cell for _, cell, _ in parts])[order], cells)
    np.testing.assert_array_equal(np.concatenate([value for _, _, value in parts], axis=1)[:, order], values)
    assert np.isin(rows["dq"][whole], (0, 32)).all()
    np.testing.assert_array_equal(values[3], 2 * rows["data"][whole])
    with_bad = placed(rows, *options, (0, SHAPE[1]), keep_bad=True)[0]
    np.testing.assert_array_equal(with_bad[np.isin(rows["dq"][with_bad], (0, 32))], whole)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), start=st.tuples(st.floats(-160, 10), st.floats(-160, 140)))
def test_rows_in_pixels_of_the_field(seed, start):
    """Each row of positions in pixels is in the cell that its own position says."""
    rng = np.random.default_rng(seed)
    n = 2000
    x, y = (rng.uniform(-3, size + 2, n) + first for size, first in zip((40, 30), start, strict=True))
    rows = [x, y, rng.uniform(6995, 7055, n), rng.normal(size=n), np.ones(n)]
    table = TableRows(*(v.astype("f4") for v in rows), np.zeros(n, np.int32))
    shape, box = np.array([40, 30, 40]), np.array([5, 30, 3, 20, 0, 40])
    grid = CubeGrid(
        -start[0] * PIXEL, -start[1] * PIXEL, np.deg2rad(start[1] * PIXEL), np.eye(2) / PIXEL, np.ones(2),
        spectral_coefficients(0, 1.0, 7000.0, 1.25), shape,
    )  # fmt: skip
    columns = [np.empty(n, np.float32) for _ in range(5)]
    out = PlacedRows(*columns, np.empty(n, np.uint8), np.empty(n, np.int32), np.empty(n, np.int32))
    kept, _ = place_rows(table, Pointing(0.0, 0.0, 0.0, PIXEL), grid, box, Choice(0.0, 1e4, 1, False), 1.0, out)
    z, y, x = (
        (v.astype(float) - first) / step
        for v, first, step in ((table.wavelength, 7000, 1.25), (table.ypos, start[1], 1), (table.xpos, start[0], 1))
    )
    clear = (np.abs(np.stack([x, y, z]) % 1 - 0.5) > 1e-4).all(axis=0)  # not on an edge between two cells
    iz, iy, ix = (np.floor(v + 0.5).astype(int) for v in (z, y, x))
    inside = (iz >= 5) & (iz < 30) & (iy >= 3) & (iy < 20) & (ix >= -1) & (ix < 41)
    found = out.row[:kept]
    assert set(np.flatnonzero(inside & clear)) == {k for k in found if clear[k]}
    cell = (iz - 5) * 17 * 40 + (iy - 3) * 40 + np.clip(ix, 0, 39)
    sure = clear[found]
    np.testing.assert_array_equal(out.cell[:kept][sure], cell[found][sure])
    np.testing.assert_array_equal(out.ra[:kept], table.xpos[found] * np.float32(PIXEL))
