"""The plan of a combination: which boxes, how many rows and bytes, how much memory. Plain arithmetic."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.recipes.exp_combine_box import Box, Resampling
from musedeep.recipes.exp_combine_grid import Grid
from musedeep.recipes.exp_combine_scan import LINES_PER_BIN

BYTES_PER_SORTED_ROW = 44
"""Working memory of a row in a box: columns twice at most one at a time, offsets, flags, allocator slack."""

BYTES_PER_READ_ROW = 28 + 26
"""Columns as read, and as placed, of the one exposure being read."""

BYTES_PER_CELL = 8 + 8 + 24 + 4 + 4 + 4 + 12
"""Offsets of the sort, sums and outputs, per voxel of a box (without the bits that mark exposures)."""

BASE_BYTES = 330 * 1024**2
"""A process with its libraries and compiled kernels, before any data."""

ROWS_PER_BOX = 16_000_000
"""Rows that a box aims at: larger boxes read fewer margins, smaller ones keep the processors busy at the end."""

PLANES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
"""Thicknesses of a slab that the plan chooses among."""


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
    tasks : tuple of BoxTask
        In order of wavelength, then line; together they cover the cube once.
    rows : int
        Rows of all exposures in the cube.
    rows_processed : int
        The same, counting margins as often as they are processed.
    peak_bytes : int
        Estimated peak memory of the process tree.
    parallel : int
        Boxes in work at once.
    cube_bytes : int
        Size of DATA and STAT on disk.
    """

    tasks: tuple[BoxTask, ...]
    rows: int
    rows_processed: int
    peak_bytes: int
    parallel: int
    cube_bytes: int


def _box_bytes(rows: float, largest: float, cells: int, n_exposures: int, exposure_map: bool) -> int:
    """Peak memory of a box [bytes]: `rows` sorted, `largest` rows of one exposure being read."""
    words = (n_exposures + 63) // 64 * 8 + 6 if exposure_map else 0
    return int(rows * BYTES_PER_SORTED_ROW + largest * BYTES_PER_READ_ROW + cells * (BYTES_PER_CELL + words))


class _Density:
    """Rows in any box from the density of rows: an integral image."""

    def __init__(self, density: NDArray[np.float32]) -> None:
        self.sums = np.zeros((density.shape[0] + 1, density.shape[1] + 1))
        self.sums[1:, 1:] = density.astype(np.float64).cumsum(0).cumsum(1)

    def rows(self, z0: int, z1: int, y0: int, y1: int, ny: int) -> float:
        def at(z: int, y: int) -> float:
            if y >= ny:
                return float(self.sums[z, -1])
            b, rest = divmod(y, LINES_PER_BIN)
            share = rest / min(LINES_PER_BIN, ny - b * LINES_PER_BIN)
            return float(self.sums[z, b] + share * (self.sums[z, b + 1] - self.sums[z, b]))

        return at(z1, y1) - at(z1, y0) - at(z0, y1) + at(z0, y0)


def make_plan(
    density: NDArray[np.float32],
    grid: Grid,
    how: Resampling,
    n_exposures: int,
    memory: int,
    parallel: int,
    processes: int = 1,
    rows_per_box: int = ROWS_PER_BOX,
) -> Plan:
    """Divide the cube into boxes.

    Parameters
    ----------
    density : float32 (planes, bins)
        Rows per plane and bin of lines, of all exposures (`recipes.exp_combine_scan.row_density`).
    grid, how
        The cube, and what is done to it.
    n_exposures : int
    memory : int
        Limit for the whole process tree [bytes].
    parallel : int
        Boxes in work at once, in all processes.
    processes : int
        Worker processes (the memory of an idle process counts for each).
    rows_per_box : int
        Rows a box aims at where memory allows more.

    Returns
    -------
    Plan

    Raises
    ------
    MusedeepError
        The memory limit is too small for a single box of one plane; says which limit would do.

    Notes
    -----
    A slab of planes is cut into strips of lines. Among the possible numbers of planes, the one with the
    fewest rows processed (margins included) is taken.
    """
    nz, ny, nx = grid.shape
    field = _Density(density)
    total = field.rows(0, nz, 0, ny, ny)
    budget = (memory - BASE_BYTES * (processes + (1 if processes > 1 else 0))) / parallel
    target = float(rows_per_box)
    # enough boxes to keep everybody busy, as long as they stay worth their margins
    target = min(target, max(total / (6 * parallel), 500_000.0))
    per_plane = total / nz
    margin = how.margin

    def height_for(planes: int) -> int:
        thick = planes + 2 * margin
        cells_per_line = thick * nx
        per_line = max(per_plane, 1.0) / ny * thick
        by_target = target / max(per_line, 1e-9)
        by_memory = budget / max(
            _box_bytes(per_line, per_line / n_exposures * 2.5, cells_per_line, n_exposures, how.exposure_map), 1
        )
        return int(min(by_target, by_memory * 0.8)) - 2 * margin

    choices = []
    for planes in sorted({min(p, nz) for p in (*PLANES, nz if nz <= 256 else 1)}):
        height = min(height_for(planes), ny)
        if height >= 1:
            height = -(-ny // -(-ny // height))
            z_cost = sum(min(nz, z + planes + margin) - max(0, z - margin) for z in range(0, nz, planes)) / nz
            y_cost = sum(min(ny, y + height + margin) - max(0, y - margin) for y in range(0, ny, height)) / ny
            choices.append((z_cost * y_cost, planes, height))
    tasks: list[BoxTask] = []
    for _, planes, height in [*sorted(choices), (0.0, 1, 1)]:
        tasks = []
        for z0 in range(0, nz, planes):
            tasks += _strips(field, grid, how, n_exposures, z0, min(nz, z0 + planes), height, budget)
        need = max(task.peak_bytes for task in tasks)
        if need <= budget:
            break
    else:
        would_do = need * parallel + BASE_BYTES * (processes + (1 if processes > 1 else 0)) + 2 * 2**20
        raise MusedeepError(
            f"memory limit {memory / 2**20:.0f} MiB is too small for {parallel} boxes of one plane at once "
            f"({per_plane:.3g} rows a plane); --memory {-(-would_do // 2**20)}MiB would do"
        )
    largest = sorted((t.peak_bytes for t in tasks), reverse=True)[:parallel]
    base = BASE_BYTES * (processes + (1 if processes > 1 else 0))
    return Plan(
        tasks=tuple(tasks),
        rows=round(total),
        rows_processed=sum(t.rows_with_margin for t in tasks),
        peak_bytes=base + sum(largest),
        parallel=parallel,
        cube_bytes=grid.n_voxels * 8,
    )


def _task(field: _Density, grid: Grid, how: Resampling, n_exposures: int, box: Box) -> BoxTask:
    ny = grid.shape[1]
    outer = box.grown(how.margin, grid.shape)
    rows = field.rows(outer.z0, outer.z1, outer.y0, outer.y1, ny)
    cells = (outer.z1 - outer.z0) * (outer.y1 - outer.y0) * grid.shape[2]
    return BoxTask(
        box=box,
        rows=round(field.rows(box.z0, box.z1, box.y0, box.y1, ny)),
        rows_with_margin=round(rows),
        peak_bytes=_box_bytes(rows, rows / n_exposures * 2.5, cells, n_exposures, how.exposure_map),
    )


def _strips(
    field: _Density, grid: Grid, how: Resampling, n_exposures: int, z0: int, z1: int, height: int, budget: float
) -> list[BoxTask]:
    """Strips of a slab, halved where the field is so crowded that one would not fit into the budget."""
    ny = grid.shape[1]
    todo = [(y, min(ny, y + height)) for y in range(0, ny, height)][::-1]
    done = []
    while todo:
        y0, y1 = todo.pop()
        task = _task(field, grid, how, n_exposures, Box(z0, z1, y0, y1))
        if task.peak_bytes > budget and y1 - y0 > 1:
            middle = (y0 + y1) // 2
            todo += [(middle, y1), (y0, middle)]
        else:
            done.append(task)
    return done
