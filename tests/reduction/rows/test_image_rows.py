"""Rows of a pixel table that are made where they are read: any part of them is part of the whole."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.rows.image_rows import ImageRows
from musedeep.reduction.rows.slice_map import SliceMap
from musedeep.reduction.rows.source import Correction, all_rows, corrected
from musedeep.storage.pixel_tables.table import REQUIRED

N_ROWS, N_COLUMNS, N_SLICES = 50, 330, 4
LIMITS = 4760.0, 4795.0


def rows_of(seed, limits=LIMITS):
    """Four slices, the second without a trace."""
    rng = np.random.default_rng(seed)
    left = 3.3 + 82.0 * np.arange(N_SLICES)
    trace = np.zeros((N_SLICES, 2, 2))
    trace[:, 0, 0], trace[:, 1, 0] = left, left + 74.6
    trace[:, :, 1] = rng.uniform(-0.02, 0.02, (N_SLICES, 1))
    trace[1] = np.nan
    wavelength = np.zeros((N_SLICES, 3, 2))
    wavelength[:, 0] = 4750.0, 1.25
    wavelength[:, 1, 0] = rng.uniform(-0.02, 0.02, N_SLICES)
    wavelength[:, 2, 0] = rng.uniform(-1e-4, 1e-4, N_SLICES)
    geometry = np.stack([left, np.arange(4.0), rng.uniform(-0.01, 0.01, 4), np.full(4, 75.0)], axis=1)
    image = (
        rng.normal(0, 1, (N_ROWS, N_COLUMNS)).astype("f4"),
        rng.integers(0, 600, (N_ROWS, N_COLUMNS)).astype("i4"),
        rng.uniform(0, 1, (N_ROWS, N_COLUMNS)).astype("f4"),
    )
    where = SliceMap.of(5, trace, wavelength, geometry, N_ROWS)
    return ImageRows(Path("table"), where, image, 0.1, limits)


class Halved(Correction):
    reads = ("lambda", "data", "dq")
    changes = ("data", "dq")

    def apply(self, rows):
        rows["data"] *= 0.5
        rows["dq"][rows["lambda"] > 4780.0] = 1 << 27


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_parts_are_parts_of_the_whole(seed, data):
    image_rows = rows_of(seed)
    table = corrected(image_rows, [Halved()])
    whole = all_rows(table)
    assert table.n_rows == whole["data"].size == image_rows.starts[-1] > 3000
    assert np.array_equal(whole["data"], all_rows(image_rows)["data"] * np.float32(0.5))
    ends = st.integers(0, table.n_rows)
    ranges = np.array([sorted(data.draw(st.tuples(ends, ends))) for _ in range(data.draw(st.integers(1, 4)))])
    names = data.draw(st.lists(st.sampled_from(REQUIRED), min_size=1, unique=True))
    numbers = np.concatenate([np.arange(a, b) for a, b in ranges])
    part = table.read(ranges, names)
    assert list(part) == names
    for name, column in part.items():
        assert np.array_equal(column, whole[name][numbers]), name
    order = np.random.default_rng(seed).permutation(table.n_rows)
    rows = table.complete({name: whole[name][order] for name in ("lambda", "origin")})
    for name in REQUIRED:
        assert np.array_equal(rows[name], whole[name][order]), name


def test_limits_and_cards():
    table = rows_of(1)
    whole = all_rows(table)
    columns = [whole[name] for name in ("xpos", "ypos", "lambda")]
    assert np.array_equal(table.limits(), [(c.min(), c.max()) for c in columns])
    assert LIMITS[0] <= columns[2].min() and columns[2].max() <= LIMITS[1]
    cards = {key.removeprefix("ESO DRS MUSE PIXTABLE "): value for key, value, _ in table.cards()}
    assert cards["LIMITS LAMBDA HIGH"] == columns[2].max() and cards["LIMITS IFU LOW"] == 5
    assert (cards["LIMITS SLICE LOW"], cards["LIMITS SLICE HIGH"]) == (1, 4)
    assert cards["EXP0 IFU05 SLICE03 XOFFSET"] == table.where.offsets[2]
    assert rows_of(1, limits=(1.0, 2.0)).limits().tolist() == [[0.0, 0.0]] * 3


def test_rows_of_the_ccd_that_see_wavelengths():
    where = rows_of(2).where
    first, last = where.ccd_rows(LIMITS, N_COLUMNS)
    counts = where.counts(0.0, LIMITS, N_COLUMNS)
    assert counts[:, first].any() and counts[:, last - 1].any()
    assert not counts[:, :first].any() and not counts[:, last:].any()
    assert 0 < first < last < N_ROWS
    assert where.ccd_rows((1.0, 2.0), N_COLUMNS) == (0, 0)


def test_an_image_of_another_size_is_refused():
    table = rows_of(1)
    image = tuple(values[:-1] for values in table.image)
    with pytest.raises(MusedeepError, match="image of 49 rows, the traces are for 50"):
        ImageRows(Path("table"), table.where, image)
