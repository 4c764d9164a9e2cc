"""Sorting by cell is a stable sort of every column."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.cube.sorting import sort_by_cell
from musedeep.workspace import Workspace


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 200), min_size=1, max_size=5),
    n_cells=st.integers(1, 90),
)
def test_sorted_as_by_a_stable_sort(seed, lengths, n_cells):
    rng = np.random.default_rng(seed)
    n, ends = sum(lengths), np.cumsum(lengths)
    cell = rng.integers(0, n_cells, n).astype("i4")
    columns = {"data": rng.normal(size=n).astype("f4"), "stat": np.arange(n, dtype="f4"), "bad": np.arange(n) % 3}
    columns["bad"] = columns["bad"].astype("u1")
    numbers = 7 + 2 * np.arange(len(lengths))
    rows = {name: column.copy() for name, column in columns.items()} | {"cell": cell.copy()}
    exposures = [(int(number), int(end)) for number, end in zip(numbers, ends, strict=True)]
    ordered, start = sort_by_cell(rows, exposures, n_cells, Workspace())
    order = np.argsort(cell, kind="stable")
    assert not rows and start.dtype == np.int64
    np.testing.assert_array_equal(start, np.r_[0, np.cumsum(np.bincount(cell, minlength=n_cells))])
    for name, column in columns.items():
        np.testing.assert_array_equal(ordered[name], column[order])
        assert ordered[name].dtype == column.dtype
    np.testing.assert_array_equal(ordered["exposure"], np.repeat(numbers, lengths)[order])
