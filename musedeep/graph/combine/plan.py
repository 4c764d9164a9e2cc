"""The plan of a combination: which boxes, how many rows and bytes, how much memory. Plain arithmetic."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.reduction.cube.box import Box, Resampling, outer_columns
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.scan import LINES_PER_BIN, Extent
from musedeep.reduction.cube.share import Ranges

BYTES_PER_ROW = 33
"""A row in a box: five columns and one to sort into, cell, flags, exposure (`musedeep.workspace.Workspace`)."""

BYTES_PER_WAITING_ROW = 29
"""A row that waits for a later window of its box (`reduction.cube.sweep`)."""

BYTES_PER_CARRIED_ROW = 24
"""A row of the lines that two windows share."""

BYTES_PER_READ_ROW = 28
"""Columns as read of the one exposure being read, and their numbers."""

READ_PER_ROW = 2.5
"""Rows read for one row in a box: runs of rows reach beyond it."""

BYTES_PER_CELL = 8 + 8 + 24 + 4 + 4 + 4 + 12
"""Offsets of the sort, sums and outputs, per voxel of a box (without the bits that mark exposures)."""


WINDOW_BYTES = 4 * 1024**3
"""Peak memory of a window of a box at most."""

BOX_BYTES = 32 * 1024**3
"""Memory that a box would take at once, at most: larger ones read fewer rows twice, but lose more where a run is
interrupted."""

LEAST_BOX_BYTES = 24 * 1024**2
"""Boxes of small jobs are made smaller, to keep the processors busy to the end, down to this."""

BOXES_PER_PROCESSOR = 5
"""At least so many, so that the processors finish together."""

READING = 0.15
"""Cost of a row that is read in vain, in rows that are processed: 8 ns of 60, FITS in the page cache."""

SHARED = 0.4
"""Cost of a row that two windows share, likewise: it is moved, and counted once more for the rejection."""

SHORTER = (1, 4, 16)
"""So many times the boxes are tried: in short ones few rows wait."""

MOST_CELLS = 2**31 - 2**24
"""Voxels of a box, margins included: they have numbers of 32 bits."""

FEW_PER_PROCESSOR = 16
"""Where there are fewer boxes than this, it matters that all processors have the same number of them."""

PLANES = tuple(sorted({round(1.25**k) for k in range(29)}))
"""Thicknesses of a slab that the plan chooses among, 1 to 518; then those beside the best."""


@dataclass(frozen=True)
class BoxTask:
    """One box with the rows it is expected to hold, and its peak memory [bytes].

    It is computed in windows (`reduction.cube.sweep`): at the lines `edges` begin those that are not the first.
    """

    box: Box
    rows: int
    rows_with_margin: int
    peak_bytes: int
    edges: tuple[int, ...] = ()


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
    thickness : float, planes that a segment reaches into
    """

    def __init__(
        self,
        density: NDArray[np.floating],
        grid: Grid,
        how: Resampling,
        n_exposures: int,
        part: Ranges | None = None,
        extent: Extent | None = None,
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
        self.total = float(self.sums[-1, -1])
        below = self.rows_below(0, nz)
        # rows of all planes in segments that begin below a line, and that end there or before
        first, last = (extent.first, extent.last) if extent else (np.diff(below, append=below[-1]),) * 2
        self.begun = np.concatenate([[0.0], np.cumsum(first)[:-1]])
        self.ended = np.cumsum(last) if extent else below
        self.thickness = extent.planes / max(float(extent.first.sum()), 1.0) if extent else 1.0
        self.waiting = np.maximum(self.begun - below, 0.0)

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

    def thick(self, z0: int, z1: int) -> tuple[int, int]:
        """Planes [z0, z1) with their margins."""
        return max(0, z0 - self.how.margin), min(self.grid.shape[0], z1 + self.how.margin)

    def costs(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Memory of a row and of a voxel [bytes] while the last exposure is read, and while voxels are computed."""
        how = self.how
        row = BYTES_PER_ROW + self.more
        words = (self.n_exposures + 63) // 64 * 8 + 6 if how.exposure_map else 0
        return (row + READ_PER_ROW * BYTES_PER_READ_ROW / self.n_exposures, 0.0), (row, float(BYTES_PER_CELL + words))

    @property
    def more(self) -> int:
        """Bytes of a row in columns that are not always there."""
        how = self.how
        return 16 * how.list_rejected + 4 * how.use_weight_column + 6 * how.keep_bad

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
    extent: Extent | None = None,
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
    box_bytes : int, memory that a box would take at once, at most
    part : Ranges, optional, the voxels of a piece; only these are divided
    extent : Extent, optional, of all segments; without it, each is taken to be in a single voxel
    advice : callable, what to do, where a limit of so many bytes would do

    Raises
    ------
    MusedeepError
        The memory limit is too small for a single box of one plane; says which limit would do.

    Notes
    -----
    A slab of planes is cut into boxes of lines, as few as keep the processors busy, and a box into windows that fit the
    memory. Windows share the rows of their margins, and those that are read before they are needed; so only the
    margins of slabs are processed twice. Thick slabs have thin windows. Among the possible numbers of planes, the one
    that costs least (`_cost`) is taken.
    """
    field = Field(density, grid, how, n_exposures, part, extent)
    (first, last), (y_first, y_last) = field.planes, field.lines
    number, ny, nx = last - first, y_last - y_first, field.columns
    below = field.rows_below(first, last)
    total = float(below[y_last] - below[y_first])
    base = BASE_BYTES * (processes + (1 if processes > 1 else 0))
    budget = (memory - base) / parallel
    everything = field.bytes(total, number * ny * nx)
    # boxes of small jobs fit at once, which is faster than windows of them
    target = min(0.9 * budget, box_bytes, WINDOW_BYTES)
    busy = min(BOXES_PER_PROCESSOR * parallel, everything // LEAST_BOX_BYTES)
    boxes = max(busy, math.ceil(everything / box_bytes), 1)
    choices: list[tuple[float, int, int]] = []

    def consider(slabs: set[int], shorter: Sequence[int]) -> None:
        for slab in sorted(slabs):
            for times in shorter:
                each = times * -(-boxes // -(-number // slab))
                cost = _cost(field, slab, target, budget, each)
                if cost is not None:
                    choices.append((cost, slab, each))

    consider({min(p, number) for p in (*PLANES, number if number <= 256 else 1)}, SHORTER)
    if choices:
        best = min(choices)[1]
        consider({p for p in range(best * 8 // 10, best * 5 // 4 + 1, max(best // 16, 1)) if 1 <= p <= number}, SHORTER)
    tasks: list[BoxTask] = []
    for _, slab, each in [*sorted(choices), (0.0, 1, ny)]:
        tasks = _slabs(field, slab, target, each, parallel)
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


def _slab_edges(field: Field, planes: int) -> list[tuple[int, int]]:
    """Slabs of at most so many planes, as few and as equal as can be."""
    first, last = field.planes
    number = -(-(last - first) // planes)
    return [(first + k * (last - first) // number, first + (k + 1) * (last - first) // number) for k in range(number)]


def _cost(field: Field, planes: int, limit: float, most: float, number: int) -> float | None:
    """Work for each row, of slabs of so many planes in so many boxes each: processed, read, shared by windows.

    Windows fit a limit, or have a single line. None if that takes more than `most`, for a slab in the middle, or if a
    slab has no lines for so many boxes.
    """
    (first, last), (y_first, y_last) = field.planes, field.lines
    slabs = _slab_edges(field, planes)
    z0, z1 = slabs[len(slabs) // 2]
    thick = sum(after - before for before, after in (field.thick(*edge) for edge in slabs))
    slab = field.rows_below(*field.thick(z0, z1))
    rows = max(slab[y_last] - slab[y_first], 1.0)
    share = float(slab[-1] - slab[0]) / max(field.total, 1.0)
    processed = read = shared = 0.0
    if number > y_last - y_first:
        return None
    for y0, y1 in pairwise(_ends(field, slab, number)):
        edges, peak = _windows(field, z0, z1, y0, y1, limit)
        if peak > most:
            return None
        before, after = field.before(y0), field.after(y1)
        processed += slab[after] - slab[before]
        read += share * (field.begun[after] - field.ended[before])
        shared += sum(slab[field.after(y)] - slab[field.before(y)] for y in edges)
    deep = thick / (last - first)
    more = (field.thickness - 1.0) * len(slabs) / (last - first)
    return float(((deep * processed) + READING * (deep + more) * read + SHARED * deep * shared) / rows)


def _ends(field: Field, slab: NDArray[np.float64], number: int) -> list[int]:
    """Lines at which boxes begin and end that have a similar number of the rows of a slab, as many as possible."""
    y_first, y_last = field.lines
    low, high = slab[y_first], slab[y_last]
    wanted = low + (high - low) * np.arange(1, number) / number
    found = np.searchsorted(slab[y_first : y_last + 1], wanted) + y_first if high > low else []
    return sorted({y_first, *(int(y) for y in found if y_first < y < y_last), y_last})


def _window_bytes(
    field: Field, z0: int, z1: int, slab: NDArray[np.float64], y0: int, y_end: int
) -> NDArray[np.float64]:
    """Peak memory of a window of a box (of planes [z0, z1), up to line `y_end`) that begins at a line and ends at any.

    Parameters
    ----------
    slab : float64 (ny + 1,), rows below each line, in the planes and their margins

    Returns
    -------
    float64 (y_end - y0,), of windows that end at line y0 + 1 to y_end
    """
    ends = np.arange(y0 + 1, y_end + 1)
    margin, ny = field.how.margin, field.grid.shape[1]
    after, before = np.minimum(ends + margin, ny), field.before(y0)
    z_before, z_after = field.thick(z0, z1)
    rows = slab[after] - slab[before]
    cells = (z_after - z_before) * field.columns * (after - before)
    peak = np.maximum(*(row * rows + cell * cells for row, cell in field.costs()))
    share = float(slab[-1] - slab[0]) / max(field.total, 1.0)
    waiting = np.minimum(share * field.waiting[after], slab[field.after(y_end)] - slab[after])
    carried = slab[after] - slab[np.maximum(ends - margin, before)]
    more = (BYTES_PER_WAITING_ROW + field.more) * waiting + (BYTES_PER_CARRIED_ROW + field.more) * carried
    more[-1] = 0.0  # nothing comes after the last window
    return np.asarray(peak + more)


def _windows(field: Field, z0: int, z1: int, y0: int, y1: int, limit: float) -> tuple[list[int], float]:
    """Windows of a box that fit a limit, or have a single line: where they begin that are not the first; peak memory.

    It is infinite for a box with too many voxels.
    """
    z_before, z_after = field.thick(z0, z1)
    slab = field.rows_below(z_before, z_after)
    if (field.after(y1) - field.before(y0)) * field.columns * (z_after - z_before) > MOST_CELLS:
        return list(range(y0 + 1, y1)), math.inf
    edges = []
    peak = 0.0
    row = max(cost[0] for cost in field.costs())
    while y0 < y1:
        # rows alone fill it up to there
        farthest = int(np.searchsorted(slab, slab[field.before(y0)] + limit / row)) - field.how.margin
        need = _window_bytes(field, z0, z1, slab, y0, y1)[: max(farthest - y0, 1)]
        fits = np.flatnonzero(need <= limit)
        k = int(fits[-1]) if fits.size else 0
        peak = max(peak, float(need[k]))
        y0 += k + 1
        edges.append(y0)
    return edges[:-1], peak


def _slabs(field: Field, planes: int, limit: float, number: int, parallel: int) -> list[BoxTask]:
    """Cut the planes into slabs of so many at most, these into so many boxes, and these into windows within the limit.

    The number of boxes is a multiple of `parallel` where it is larger, so that nobody waits
    for the last one; where it is much larger, that does not matter.
    """
    edges = _slab_edges(field, planes)
    rows = [float(below[-1] - below[0]) for below in (field.rows_below(*edge) for edge in edges)]
    numbers = [number] * len(edges)
    total = sum(numbers)
    if parallel < total < FEW_PER_PROCESSOR * parallel:
        largest = sorted(range(len(edges)), key=lambda k: -rows[k])
        for more in range(-total % parallel):
            numbers[largest[more % len(largest)]] += 1
    return [task for edge, boxes in zip(edges, numbers, strict=True) for task in _boxes(field, *edge, limit, boxes)]


def _boxes(field: Field, z0: int, z1: int, limit: float, number: int) -> list[BoxTask]:
    """Cut a slab into so many boxes, or fewer if it has few lines, with their windows."""
    inner, outer = field.rows_below(z0, z1), field.rows_below(*field.thick(z0, z1))
    found = []
    for y0, y1 in pairwise(_ends(field, inner, number)):
        edges, peak = _windows(field, z0, z1, y0, y1, limit)
        found.append(
            BoxTask(
                box=Box(z0, z1, y0, y1),
                rows=round(inner[y1] - inner[y0]),
                rows_with_margin=round(outer[field.after(y1)] - outer[field.before(y0)]),
                peak_bytes=int(min(peak, 2.0**62)),
                edges=tuple(edges),
            )
        )
    return found
