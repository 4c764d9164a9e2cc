"""The plan of a combination: which boxes, how many rows and bytes, how much memory. Plain arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.reduction.cube.box import Box, Resampling, outer_columns
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.scan import LINES_PER_BIN
from musedeep.reduction.cube.share import Ranges

BYTES_PER_ROW = 33
"""A row in a box: five columns and one to sort into, cell, flags, exposure (`musedeep.workspace.Workspace`)."""

BYTES_PER_READ_ROW = 28
"""Columns as read of the one exposure being read, and their numbers."""

READ_PER_ROW = 2.5
"""Rows read for one row in a box: runs of rows reach beyond it."""

BYTES_PER_CELL = 8 + 8 + 24 + 4 + 4 + 4 + 12
"""Offsets of the sort, sums and outputs, per voxel of a box (without the bits that mark exposures)."""


BOX_BYTES = 4 * 1024**3
"""Peak memory of a box at most: larger ones read fewer rows twice, but lose more where a run is interrupted."""

LEAST_BOX_BYTES = 24 * 1024**2
"""Boxes of small jobs are made smaller, to keep the processors busy to the end, down to this."""

BOXES_PER_PROCESSOR = 4
"""At least so many, so that the processors finish together."""

FEW_PER_PROCESSOR = 16
"""Where there are fewer boxes than this, it matters that all processors have the same number of them."""

PLANES = tuple(sorted({round(1.1**k) for k in range(66)}))
"""Thicknesses of a slab that the plan chooses among, 1 to 490."""


@dataclass(frozen=True)
class BoxTask:
    """One box with the rows it is expected to hold and read, and its peak memory [bytes]."""

    box: Box
    rows: int
    rows_with_margin: int
    peak_bytes: int


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the first row is read.

    Attributes
    ----------
    tasks : tuple of BoxTask, in order of wavelength, then line; together they cover the cube once
    rows : int, rows of all exposures in the cube
    rows_processed : int, the same, counting margins as often as they are processed
    rows_read : int, the same, counting all rows that are read, if `with_reads` has counted them
    peak_bytes : int, estimated peak memory of the process tree
    parallel : int, boxes in work at once
    cube_bytes : int, size of DATA and STAT on disk
    """

    tasks: tuple[BoxTask, ...]
    rows: int
    rows_processed: int
    peak_bytes: int
    parallel: int
    cube_bytes: int
    rows_read: int = 0


def with_reads(plan: Plan, reads: ReadRows, margin: int, shape: tuple[int, int, int]) -> Plan:
    """The plan, with the rows that its boxes read of segments like these, margins of so many voxels included."""
    counter = reads.counter()
    return replace(plan, rows_read=round(sum(counter.rows(task.box.grown(margin, shape)) for task in plan.tasks)))


class Field:
    """Memory and rows of any box of the cube, from the density of rows: an integral image.

    Attributes
    ----------
    part : Ranges, of the piece that is divided, or of the whole cube; planes, lines : those of it
    columns : int, columns of a box, margins included
    """

    def __init__(
        self,
        density: NDArray[np.floating],
        grid: Grid,
        how: Resampling,
        n_exposures: int,
        part: Ranges | None = None,
    ) -> None:
        self.grid, self.how, self.n_exposures = grid, how, n_exposures
        nz, ny, nx = grid.shape
        self.part = part or ((0, nz), (0, ny), (0, nx))
        self.planes, self.lines, columns = self.part
        x0, x1 = outer_columns(columns, how.margin, nx)
        self.columns = x1 - x0
        self.sums = np.zeros((density.shape[0] + 1, density.shape[1] + 1))
        self.sums[1:, 1:] = density.astype(np.float64).cumsum(0).cumsum(1)
        edges = np.minimum(np.arange(density.shape[1] + 1) * LINES_PER_BIN, ny)
        self._at_lines = lambda sums: np.interp(np.arange(ny + 1), edges, sums)

    def rows_below(self, z0: int, z1: int) -> NDArray[np.float64]:
        """Rows of planes [z0, z1) in the lines below each line, float64 (ny + 1,)."""
        rows: NDArray[np.float64] = self._at_lines(self.sums[z1] - self.sums[z0])
        return rows

    def before(self, y: int) -> int:
        """First line of a box that begins at a line, with its margin."""
        return max(0, y - self.how.margin)

    def after(self, y: int) -> int:
        """The line after the last of a box that ends at a line, with its margin."""
        return min(self.grid.shape[1], y + self.how.margin)

    def costs(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Memory of a row and of a voxel [bytes] while the last exposure is read, and while voxels are computed."""
        how = self.how
        row = BYTES_PER_ROW + 16 * how.list_rejected + 4 * how.use_weight_column + 6 * how.keep_bad
        words = (self.n_exposures + 63) // 64 * 8 + 6 if how.exposure_map else 0
        return (row + READ_PER_ROW * BYTES_PER_READ_ROW / self.n_exposures, 0.0), (row, float(BYTES_PER_CELL + words))

    def bytes(self, rows: float, cells: int) -> int:
        """Peak memory of a box that holds so many rows and voxels, margins included."""
        return int(max(row * rows + cell * cells for row, cell in self.costs()))


def memory_advice(need: int) -> str:
    """What to do, where a limit of so many bytes would do."""
    return f"--memory {-(-need // 2**20)}MiB would do"


def make_plan(
    density: NDArray[np.floating],
    grid: Grid,
    how: Resampling,
    n_exposures: int,
    memory: int,
    parallel: int,
    processes: int = 1,
    box_bytes: int = BOX_BYTES,
    *,
    part: Ranges | None = None,
    advice: Callable[[int], str] = memory_advice,
) -> Plan:
    """Divide the cube into boxes.

    Parameters
    ----------
    density : float32 or float64 (planes, bins)
        Rows per plane and bin of lines, of all exposures (`scan.row_density`).
    grid, how : the cube, and what is done to it
    memory : int, limit for the whole process tree [bytes]
    parallel : int, boxes in work at once, in all processes
    processes : int, worker processes (the memory of an idle process counts for each)
    box_bytes : int, peak memory of a box at most, where the limit allows more
    part : Ranges, optional, the voxels of a piece; only these are divided
    advice : callable, what to do, where a limit of so many bytes would do

    Raises
    ------
    MusedeepError
        The memory limit is too small for a single box of one plane; says which limit would do.

    Notes
    -----
    A slab of planes is cut into strips of lines of equal memory. Among the possible numbers of planes, the one
    with the fewest rows processed (margins included) is taken. Boxes take the memory that there is, for any number
    of exposures; less where the whole job is small, so that the processors finish together.
    """
    field = Field(density, grid, how, n_exposures, part)
    nz = grid.shape[0]
    (first, last), (y_first, y_last) = field.planes, field.lines
    number, ny, nx = last - first, y_last - y_first, field.columns
    below = field.rows_below(first, last)
    total = float(below[y_last] - below[y_first])
    base = BASE_BYTES * (processes + (1 if processes > 1 else 0))
    budget = (memory - base) / parallel
    per_line = total / (number * ny)
    everything = field.bytes(total, number * ny * nx)
    target = min(0.9 * budget, box_bytes, max(everything / (BOXES_PER_PROCESSOR * parallel), LEAST_BOX_BYTES))
    margin = how.margin
    choices = []
    for slab in sorted({min(p, number) for p in (*PLANES, number if number <= 256 else 1)}):
        thick = min(slab + 2 * margin, nz)
        height = min(int(target / max(field.bytes(per_line * thick, thick * nx), 1)) - 2 * margin, ny)
        if height >= 1:
            slabs = range(first, last, slab)
            z_cost = sum(min(nz, min(last, z + slab) + margin) - max(0, z - margin) for z in slabs) / number
            strips = range(y_first, y_last, height)
            y_cost = sum(field.after(min(y_last, y + height)) - field.before(y) for y in strips) / ny
            choices.append((z_cost * y_cost, slab))
    tasks: list[BoxTask] = []
    for _, slab in [*sorted(choices), (0.0, 1)]:
        tasks = _slabs(field, slab, target, parallel)
        need = max(task.peak_bytes for task in tasks)
        if need <= budget:
            break
    else:
        would_do = need * parallel + base + 2 * 2**20
        raise MusedeepError(
            f"memory limit {memory / 2**20:.0f} MiB is too small for {parallel} boxes of one plane at once "
            f"({total / number:.3g} rows a plane); {advice(would_do)}"
        )
    largest = sorted((t.peak_bytes for t in tasks), reverse=True)[:parallel]
    return Plan(
        tasks=tuple(tasks),
        rows=round(total),
        rows_processed=sum(t.rows_with_margin for t in tasks),
        peak_bytes=base + sum(largest),
        parallel=parallel,
        cube_bytes=8 * number * ny * (field.part[2][1] - field.part[2][0]),
    )


def _slabs(field: Field, planes: int, limit: float, parallel: int) -> list[BoxTask]:
    """Cut the planes into slabs of so many, and these into strips that fit the limit.

    The number of strips is a multiple of `parallel` where it is larger, so that nobody waits for the last one; where
    it is much larger, that does not matter.
    """
    first, last = field.planes
    edges = [(z0, min(last, z0 + planes)) for z0 in range(first, last, planes)]
    slabs = [_strips(field, *edge, limit) for edge in edges]
    number = sum(len(slab) for slab in slabs)
    if parallel < number < FEW_PER_PROCESSOR * parallel:
        largest = sorted(range(len(slabs)), key=lambda k: -max(task.peak_bytes for task in slabs[k]))
        for more in range(-number % parallel):
            k = largest[more % len(largest)]
            slabs[k] = _strips(field, *edges[k], limit, len(slabs[k]) + 1)
    return [task for slab in slabs for task in slab]


def _strips(field: Field, z0: int, z1: int, limit: float, number: int = 0) -> list[BoxTask]:
    """Cut a slab into as few strips as fit the limit, or so many, of memory as equal as can be, of a line at least."""
    nz, ny, _ = field.grid.shape
    nx, (y_first, y_last) = field.columns, field.lines
    margin = field.how.margin
    thick = min(nz, z1 + margin) - max(0, z0 - margin)
    inner, outer = field.rows_below(z0, z1), field.rows_below(max(0, z0 - margin), min(nz, z1 + margin))
    before = np.maximum(np.arange(ny + 1) - margin, 0)
    after = np.minimum(np.arange(ny + 1) + margin, ny)
    # memory of a strip [y0, y1) is the largest of ends[y1] - begins[y0]
    sides = [tuple(row * outer[y] + cell * thick * nx * y for y in (before, after)) for row, cell in field.costs()]

    def cut(most: float) -> list[int]:
        edges = [y_first]
        while edges[-1] < y_last:
            y0 = edges[-1]
            y1 = min(int(np.searchsorted(ends, begins[y0] + most, side="right")) - 1 for begins, ends in sides)
            edges.append(min(max(y1, y0 + 1), y_last))
        return edges

    edges = cut(limit)
    most = max(len(edges) - 1, number)
    low, high = 0.0, limit
    for _ in range(12):
        middle = (low + high) / 2
        tried = cut(middle)
        if len(tried) - 1 <= most:
            edges, high = tried, middle
        else:
            low = middle
    return [
        BoxTask(
            box=Box(z0, z1, y0, y1),
            rows=round(inner[y1] - inner[y0]),
            rows_with_margin=round(outer[after[y1]] - outer[before[y0]]),
            peak_bytes=field.bytes(outer[after[y1]] - outer[before[y0]], thick * int(after[y1] - before[y0]) * nx),
        )
        for y0, y1 in pairwise(edges)
    ]
