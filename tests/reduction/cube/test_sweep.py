"""Windows of a box have its bits; every row is read once."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.rows.segments import segment_boxes
from musedeep.reduction.cube.box import Box, ExposureGeometry, Reader, combine_box
from musedeep.reduction.cube.scan import locate_segments, ranges_of_segments, select_segments, window_ranges
from musedeep.reduction.cube.sweep import Sweep
from musedeep.storage.pixel_tables.table import SEGMENT, row_count, set_boxes
from musedeep.workspace import Workspace
from tests.makers.boxes import GRID, STEP, how

DECLINATION = np.deg2rad(-20.0)
N = 1500
SHORT = 10


@dataclass
class Table:
    """Rows of an exposure in memory; counts how often each is read."""

    columns: dict
    segments: np.ndarray
    times: np.ndarray = field(default_factory=lambda: np.zeros(N, int))

    def reader(self, number, ranges):
        def blocks(names, array):
            # some at a time, as tables do
            for part in np.array_split(ranges, 3) if ranges.shape[0] > 3 else [ranges]:
                which = np.concatenate([np.arange(*r) for r in part])
                self.times[which] += 1
                yield {name: self.columns[name][which] for name in names}, part

        return Reader(number, row_count(ranges), blocks)


def make_table(seed, in_runs_of):
    """Random rows over the grid, sorted along its lines in runs of so many."""
    rng = np.random.default_rng(seed)
    xi, eta = np.deg2rad(rng.uniform(-7, 7, N) * STEP), np.deg2rad(rng.uniform(-6.4, 6.4, N) * STEP)
    order = np.concatenate([k + np.argsort(eta[k : k + in_runs_of]) for k in range(0, N, in_runs_of)])
    xi, eta = xi[order], eta[order]
    columns = {
        "xpos": (np.arctan2(xi, -eta) % (2 * np.pi)).astype("f4"),
        "ypos": -np.arctan(np.hypot(xi, eta)).astype("f4"),
        "lambda": rng.uniform(6999.4, 7006.8, N).astype("f4"),
        "data": rng.normal(100, 5, N).astype("f4"),
        "stat": rng.uniform(1, 4, N).astype("f4"),
        "dq": rng.choice([0, 0, 0, 0, 0, 0, 0, 256, 32], N).astype("i4"),
        "weight": rng.uniform(0.5, 1, N).astype("f4"),
    }
    edges = np.append(np.arange(0, N, SHORT), N)
    boxes = np.empty((edges.size - 1, 6), np.float32)
    segment_boxes(columns["xpos"], columns["ypos"], columns["lambda"], edges, True, boxes)
    index = np.empty(boxes.shape[0], SEGMENT)
    index["start"], index["stop"] = edges[:-1], edges[1:]
    set_boxes(index, boxes)
    return Table(columns, locate_segments(index, GRID, DECLINATION, (0.0, 0.0)))


def windows_of(box, edges, options, tables, geometries, columns=None):
    """The results of all windows."""
    outer = box.grown(options.margin, GRID.shape)
    windows = [Box(box.z0, box.z1, a, b) for a, b in pairwise((box.y0, *edges, box.y1))]
    ends = [window.grown(options.margin, GRID.shape).y1 for window in windows]
    chosen = [select_segments(t.segments, outer.z0, outer.z1, outer.y0, outer.y1) for t in tables]
    ranges = [window_ranges(one, ends) for one in chosen]
    width = GRID.shape[2] if columns is None else min(GRID.shape[2], columns[1] + options.margin) - max(
        0, columns[0] - options.margin
    )  # fmt: skip
    sweep, workspace = Sweep(outer, box.y1, width), Workspace()
    results = []
    for k, window in enumerate(windows):
        readers = [t.reader(n, r[k]) for n, (t, r) in enumerate(zip(tables, ranges, strict=True)) if r[k].size]
        results.append(combine_box(window, GRID, options, geometries, readers, workspace, columns, sweep))
    return results


def check(box, edges, options, tables, columns=None):
    geometries = [ExposureGeometry(DECLINATION, (0.0, 0.0), 1.0, 1.0 + k, 600.0, f"{k}") for k in range(len(tables))]
    outer = box.grown(options.margin, GRID.shape)
    readers = []
    for number, table in enumerate(tables):
        table.times[:] = 0
        chosen = select_segments(table.segments, outer.z0, outer.z1, outer.y0, outer.y1)
        if chosen.size:
            readers.append(table.reader(number, ranges_of_segments(chosen)))
    one = combine_box(box, GRID, options, geometries, readers, columns=columns)
    read = [table.times.copy() for table in tables]
    parts = windows_of(box, edges, options, tables, geometries, columns)
    for name in ("data", "stat", "number", "seconds"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        np.testing.assert_array_equal(joined.view(np.uint8), getattr(one, name).view(np.uint8))
    for name in ("n_rows", "n_rejected", "n_read"):
        assert sum(getattr(part, name) for part in parts) == getattr(one, name)
    if options.list_rejected:
        rejected = [tuple(row) for part in parts for row in part.rejected]
        assert sorted(rejected) == sorted(map(tuple, one.rejected))
    for table, before in zip(tables, read, strict=True):
        assert before.max(initial=0) <= 1
        np.testing.assert_array_equal(table.times, 2 * before)
    return one


@pytest.mark.parametrize("method", ["nearest", "linear", "drizzle", "lanczos"])
@pytest.mark.parametrize("rejection", ["none", "reference", "stars"])
def test_windows_have_the_bits_of_the_box(method, rejection):
    crsigma = {"none": 0.0, "reference": 3.0, "stars": 0.5}[rejection]
    options = how(method, crsigma, list_rejected=crsigma > 0, use_weight_column=method == "drizzle")
    options = replace(options, rejection="stars" if rejection == "stars" else "reference")
    tables = [make_table(k, runs) for k, runs in enumerate((N, 40, 300))]
    for edges in ((6,), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (4, 8)):
        one = check(Box(0, 6, 0, 12), edges, options, tables)
    assert np.isfinite(one.data).any()
    assert one.n_rejected or not crsigma
    check(Box(2, 5, 3, 10), (5, 6, 9), options, tables)
    check(Box(2, 5, 3, 10), (5, 6, 9), options, tables, columns=(4, 9))


@given(
    seed=st.integers(0, 1000), runs=st.lists(st.integers(10, N), min_size=1, max_size=3),
    cuts=st.sets(st.integers(1, 11), max_size=6), z=st.tuples(st.integers(0, 5), st.integers(1, 6)),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_any_windows(seed, runs, cuts, z):
    box = Box(z[0], min(6, z[0] + z[1]), 0, 12)
    check(box, sorted(cuts), how("drizzle", 3.0), [make_table(seed + k, n) for k, n in enumerate(runs)])


def test_an_exposure_that_ends_before_the_last_window_and_one_that_begins_late():
    tables = [make_table(7, N), make_table(8, N)]
    for table, keep in zip(tables, (slice(None, 60), slice(100, None)), strict=True):
        table.segments = np.sort(np.sort(table.segments, order="start")[keep], order="z0")
    check(Box(0, 6, 0, 12), (3, 5, 8), how("drizzle", 3.0, list_rejected=True), tables)
