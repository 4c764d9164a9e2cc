"""The plan: boxes cover the cube once, within the memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.graph.combine.plan import BOX_BYTES, make_plan
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.scan import LINES_PER_BIN, VOXEL_SEGMENT, row_density, select_ranges
from tests.makers.boxes import how

MIB = 2**20


def plan_for(shape, rows_per_plane, memory, parallel=2, exposures=10, crsigma=10.0, part=None):
    grid = Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 5000.0), (-5e-5, 0, 0, 5e-5), 1.25, "AWAV")
    bins = -(-shape[1] // LINES_PER_BIN)
    density = np.full((shape[0], bins), rows_per_plane / bins, np.float32)
    return grid, make_plan(density, grid, how(crsigma=crsigma), exposures, memory, parallel, part=part)


@given(
    nz=st.integers(1, 60), ny=st.integers(1, 400), rows=st.floats(0, 5e6), memory=st.integers(700, 8000),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_boxes_cover_the_cube_once_within_memory(nz, ny, rows, memory):
    try:
        grid, plan = plan_for((nz, ny, 300), rows, memory * MIB)
    except MusedeepError as error:
        complaint = str(error)
    else:
        complaint = ""
    if complaint:
        assert "would do" in complaint
        return
    seen = np.zeros(grid.shape[:2], int)
    for task in plan.tasks:
        seen[task.box.z0 : task.box.z1, task.box.y0 : task.box.y1] += 1
    assert (seen == 1).all()
    assert plan.peak_bytes <= memory * MIB
    assert plan.rows == pytest.approx(rows * nz, rel=0.01, abs=1)


@given(nz=st.integers(1, 60), ends=st.tuples(st.floats(0, 1), st.floats(0, 1)), rows=st.floats(0, 1e6))
@settings(deadline=None, max_examples=40)
def test_boxes_of_a_piece_cover_its_planes_once(nz, ends, rows):
    first = int(min(ends) * (nz - 1))
    last = max(first + 1, round(max(ends) * nz))
    grid, plan = plan_for((nz, 100, 300), rows, 2000 * MIB, part=((first, last), (0, 100), (0, 300)))
    seen = np.zeros(grid.shape[:2], int)
    for task in plan.tasks:
        seen[task.box.z0 : task.box.z1, task.box.y0 : task.box.y1] += 1
    assert (seen[first:last] == 1).all()
    assert seen.sum() == (last - first) * 100
    assert plan.peak_bytes <= 2000 * MIB
    assert plan.rows == pytest.approx(rows * (last - first), rel=0.01, abs=1)


@given(
    lines=st.tuples(st.integers(0, 99), st.integers(1, 100)),
    columns=st.tuples(st.integers(0, 99), st.integers(1, 200)),
    rows=st.floats(0, 1e6), memory=st.integers(800, 2000),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_boxes_of_a_piece_of_the_field_cover_its_lines_once(lines, columns, rows, memory):
    (y0, height), (x0, width) = lines, columns
    y1, x1 = min(100, y0 + height), x0 + width
    grid, plan = plan_for((40, 100, 300), rows, memory * MIB, part=((0, 40), (y0, y1), (x0, x1)))
    seen = np.zeros(grid.shape[:2], int)
    for task in plan.tasks:
        seen[task.box.z0 : task.box.z1, task.box.y0 : task.box.y1] += 1
    assert (seen[:, y0:y1] == 1).all()
    assert seen.sum() == 40 * (y1 - y0)
    assert plan.peak_bytes <= memory * MIB
    assert plan.cube_bytes == 8 * 40 * (y1 - y0) * (x1 - x0)
    # bins of lines blur the rows at the ends
    assert plan.rows == pytest.approx(rows * 40 * (y1 - y0) / 100, rel=0.1, abs=rows * 40 * 0.05 + 1)


def test_the_limit_that_would_do_does():
    with pytest.raises(MusedeepError, match="would do") as caught:
        plan_for((8, 320, 320), 1e7, BASE_BYTES + MIB, exposures=125)
    named = int(str(caught.value).split("--memory ")[1].split("MiB")[0])
    _, plan = plan_for((8, 320, 320), 1e7, named * MIB, exposures=125)
    assert plan.tasks


def test_two_gibibytes_do_for_125_full_fields():
    _, plan = plan_for((3681, 320, 320), 125 * 87552, 2048 * MIB, exposures=125)
    assert plan.peak_bytes <= 2048 * MIB
    assert plan.rows_processed < 1.6 * plan.rows


def test_peak_memory_does_not_depend_on_the_number_of_exposures():
    peaks = []
    for exposures in (2, 8, 32, 125):
        _, plan = plan_for((3681, 320, 320), exposures * 87552, 4096 * MIB, exposures=exposures)
        peaks.append(plan.peak_bytes)
        assert plan.rows_processed < 1.6 * plan.rows
    assert max(peaks) < 1.2 * min(peaks)
    assert max(peaks) <= 4096 * MIB


def test_more_memory_makes_fewer_margins():
    processed = []
    for memory in (1, 4, 16):
        _, plan = plan_for((3681, 320, 320), 125 * 87552, memory * 1024 * MIB, exposures=125)
        processed.append(plan.rows_processed / plan.rows)
    assert processed[0] > processed[1] + 0.1
    assert processed[1] > processed[2] + 0.05
    assert max(t.peak_bytes for t in plan.tasks) <= BOX_BYTES


def test_boxes_are_alike_where_the_field_is_uneven():
    """A mosaic: five times the exposures in the middle, nothing at the edges."""
    grid = Grid((400, 960, 960), (1.0, 1.0, 1.0), (0.0, 0.0, 5000.0), (-5e-5, 0, 0, 5e-5), 1.25, "AWAV")
    lines = np.interp(np.arange(120), [0, 10, 40, 60, 80, 110, 119], [0, 1e4, 1e4, 5e4, 1e4, 1e4, 0])
    density = np.tile(lines.astype(np.float32), (400, 1))
    plan = make_plan(density, grid, how(), 275, 4096 * MIB, 2, box_bytes=512 * MIB)
    middle = [t for t in plan.tasks if t.box.z0 > 0 and t.box.z1 < 400]
    peaks = [t.peak_bytes for t in middle]
    assert max(peaks) < 1.5 * min(peaks)
    assert max(peaks) <= 512 * MIB
    heights = [t.box.y1 - t.box.y0 for t in middle]
    assert max(heights) > 2 * min(heights)
    assert sum(t.rows for t in plan.tasks) == pytest.approx(density.sum(dtype=float), rel=1e-3)


def test_many_processors_share_the_limit():
    _, plan = plan_for((3681, 320, 320), 125 * 87552, 4096 * MIB, parallel=16, exposures=125)
    assert plan.peak_bytes <= 4096 * MIB
    assert max(t.peak_bytes for t in plan.tasks) < 4096 * MIB / 16


def test_density_counts_every_row():
    segments = np.zeros(2, VOXEL_SEGMENT)
    segments["start"], segments["stop"] = [0, 100], [100, 300]
    segments["z0"], segments["z1"] = [0, 2], [2, 5]
    segments["y0"], segments["y1"] = [0, 8], [8, 40]
    grid = Grid((5, 40, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 5000.0), (-5e-5, 0, 0, 5e-5), 1.25, "AWAV")
    density = row_density(segments, grid)
    assert density.sum() == pytest.approx(300)
    assert density[0].sum() == pytest.approx(50)
    np.testing.assert_array_equal(select_ranges(segments, 0, 5, 0, 40), [[0, 300]])
    np.testing.assert_array_equal(select_ranges(segments, 3, 4, 0, 40), [[100, 300]])
    assert select_ranges(segments, 0, 1, 20, 30).size == 0
