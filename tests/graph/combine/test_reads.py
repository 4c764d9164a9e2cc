"""Rows that boxes read, counted at once and one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.graph.combine.reads import ReadRows
from musedeep.reduction.cube.box import Box
from musedeep.reduction.cube.scan import THICK, VOXEL_SEGMENT, select_ranges

SHAPE = (9, 20, 5)


def made_up(seed, n, depth=4):
    rng = np.random.default_rng(seed)
    segments = np.zeros(n, VOXEL_SEGMENT)
    lengths = rng.integers(1, 300, n)
    segments["stop"] = lengths.cumsum()
    segments["start"] = segments["stop"] - lengths
    segments["z0"] = rng.integers(-3, SHAPE[0], n)
    segments["y0"] = rng.integers(-12, SHAPE[1], n)
    segments["z1"] = np.maximum(segments["z0"] + rng.integers(1, depth, n), 1)
    segments["y1"] = np.maximum(segments["y0"] + rng.integers(1, 15, n), 1)
    # some lie across the end of a slice
    segments["z1"][rng.random(n) < 0.1] += 40
    thin = segments["z1"] - segments["z0"] <= THICK
    return segments[np.lexsort((segments["z0"], thin))]


def rows_one_by_one(segments, box):
    """Rows of the segments that reach into a box, a range each, in order."""
    hit = (segments["z1"] > box.z0) & (segments["z0"] < box.z1) & (segments["y1"] > box.y0) & (segments["y0"] < box.y1)
    found = np.sort(segments[hit], order="start")
    return np.concatenate([np.arange(s["start"], s["stop"]) for s in found] or [np.empty(0, int)])


@given(
    st.integers(0, 1000), st.integers(0, 80), st.tuples(*[st.integers(0, 8)] * 2), st.tuples(*[st.integers(0, 19)] * 2)
)
def test_rows_of_a_box_are_those_of_its_segments(seed, n, planes, lines):
    box = Box(min(planes), max(planes) + 1, min(lines), max(lines) + 1)
    parts = [made_up(seed, n), made_up(seed + 1, n // 2)]
    expected = 0
    for part in parts:
        ranges = select_ranges(part, box.z0, box.z1, box.y0, box.y1)
        rows = np.concatenate([np.arange(*r) for r in ranges] or [np.empty(0, int)])
        np.testing.assert_array_equal(rows, rows_one_by_one(part, box))
        assert (ranges[1:, 0] > ranges[:-1, 1]).all()
        expected += rows.size
    counted = ReadRows.of_segments(parts, SHAPE)
    assert counted.counter().rows(box) == pytest.approx(expected, abs=1e-6)
    assert counted.scaled(2.5).counter().rows(box) == pytest.approx(2.5 * expected, abs=1e-6)


def test_repeated_planes_read_as_much_again():
    parts = [made_up(5, 200)]
    once = ReadRows.of_segments(parts, SHAPE)
    period = SHAPE[0] - 1
    again = once.repeated(5 * period, period).counter()
    shifted = []
    for k in range(5):
        part = parts[0].copy()
        part["z0"] += k * period
        part["z1"] += k * period
        shifted.append(part[np.lexsort((part["z0"], part["z1"] - part["z0"] <= THICK))])
    for box in (Box(0, 3, 0, 20), Box(6, 18, 3, 11), Box(10, 11, 0, 1), Box(12, 40, 0, 20)):
        expected = sum(int((r[:, 1] - r[:, 0]).sum()) for r in (select_ranges(p, *vars_of(box)) for p in shifted))
        assert again.rows(box) == pytest.approx(expected)


def vars_of(box):
    return box.z0, box.z1, box.y0, box.y1
