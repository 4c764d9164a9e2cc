"""One box of the combined cube: read its rows, reject outliers, resample.

A box is all that a task knows: a range of planes, a range of lines, all columns (or those of a piece of the field).
Boxes do not depend on each other, and the value of a voxel does not depend on the box it is computed in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.cube import reject, resample
from musedeep.kernels.cube.drizzle import CellRows, Voxels, Weights
from musedeep.kernels.cube.reject_stars import reject_sparing_stars
from musedeep.kernels.cube.sorting import Rows, sort_by_cell
from musedeep.kernels.cube.voxels import (
    Choice,
    CubeGrid,
    PlacedRows,
    Pointing,
    TableRows,
    place_rows,
)
from musedeep.reduction.cube.grid import Grid
from musedeep.workspace import Workspace

COLUMNS = ("xpos", "ypos", "lambda", "data", "stat", "dq")

Blocks = Callable[[Sequence[str], Callable[[str, int, Any], NDArray]], Iterator[tuple[Rows, NDArray[np.int64]]]]
"""Takes names of columns, and what gives arrays to read into (`Workspace.array`); yields the columns of some rows, and
the ranges (int64 (n, 2)) they came from, until it has yielded all."""


@dataclass(frozen=True)
class Box:
    """Planes [z0, z1) and lines [y0, y1) of the cube, counted from 0."""

    z0: int
    z1: int
    y0: int
    y1: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """As a tuple."""
        return self.z0, self.z1, self.y0, self.y1

    def grown(self, margin: int, shape: tuple[int, int, int]) -> "Box":
        """The box with a margin on all sides, cut at the edges of the cube."""
        nz, ny, _ = shape
        return Box(
            max(0, self.z0 - margin), min(nz, self.z1 + margin), max(0, self.y0 - margin), min(ny, self.y1 + margin)
        )


@dataclass(frozen=True)
class Resampling:
    """How rows become voxels: the parameters of manual 9.14.3 that a box needs."""

    method: str
    pixfrac: tuple[float, float, float]
    loop_distance: int
    critical_radius: float
    crtype: str
    crsigma: float
    rejection: str
    slice_direction: int
    lambda_low: float
    lambda_high: float
    use_weight_column: bool
    exposure_map: bool
    list_rejected: bool

    @property
    def margin(self) -> int:
        """Voxels around a box whose rows the box needs: those that reach into it, and their neighbours."""
        reach = 0 if self.method == "nearest" else self.loop_distance
        return reach + (1 if self.crsigma > 0 else 0)

    @property
    def keep_bad(self) -> bool:
        """Whether rows with dq != 0 matter (as candidates, for the flags of the combined table)."""
        return self.list_rejected or self.method == "nearest"


@dataclass(frozen=True)
class ExposureGeometry:
    """What the projection of one exposure needs.

    Attributes
    ----------
    declination : float, of the pointing [rad]
    shift : (float, float), pointing minus reference position [deg]
    name : str, file name, for messages
    scale : float, see `kernels.cube.voxels.Pointing`
    """

    declination: float
    shift: tuple[float, float]
    flux_scale: float
    weight: float
    seconds: float
    name: str
    scale: float = 0.0


@dataclass
class BoxResult:
    """Voxels of a box, and which rows it rejected.

    Attributes
    ----------
    data, stat : float32 (planes, lines, nx)
    number : uint16, like data, or None, exposures that contributed
    seconds : float32, like data, or None
    rejected : int64 (n, 2) or None, exposure and row of every rejected row of the box itself (not of its margin)
    n_rows, n_read, n_rejected : int
        Rows of the box itself (margin left out), rows read for it, rows of the box rejected.
    """

    data: NDArray[np.float32]
    stat: NDArray[np.float32]
    number: NDArray[np.uint16] | None
    seconds: NDArray[np.float32] | None
    rejected: NDArray[np.int64] | None
    n_rows: int
    n_read: int
    n_rejected: int


@dataclass(frozen=True)
class Reader:
    """Reads the rows of an exposure that may lie in a box.

    Attributes
    ----------
    number : int, of the exposure
    n_rows : int, how many rows it reads
    blocks : Blocks, reads them
    """

    number: int
    n_rows: int
    blocks: Blocks


def _row_numbers(local: NDArray[np.int32], ranges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row numbers in the table of indices into the concatenation of `ranges`."""
    lengths = ranges[:, 1] - ranges[:, 0]
    ends = np.cumsum(lengths)
    which = np.searchsorted(ends, local, side="right")
    return ranges[which, 0] + (local - (ends[which] - lengths[which]))


def _load(
    readers: Sequence[Reader],
    exposures: Sequence[ExposureGeometry],
    grid: Grid,
    how: Resampling,
    outer: Box,
    ends_x: tuple[int, int],
    workspace: Workspace,
) -> tuple[Rows, list[tuple[int, int]]]:
    """Rows of all exposures in a box, one exposure after the other; its number, and the row after its last, for each.

    Only rows in the columns of `ends_x` [first, last) are taken.

    Every column is one array from the start, of the length of all that is read: what is not filled takes no memory.
    """
    names = COLUMNS + (("weight",) if how.use_weight_column else ())
    total = sum(reader.n_rows for reader in readers)
    types = dict.fromkeys(("ra", "dec", "wavelength", "data", "stat"), np.float32) | {"bad": np.uint8, "cell": np.int32}
    if how.list_rejected:
        types["row"] = np.int64
    if how.use_weight_column:
        types["weight"] = np.float32
    out: Rows = {name: workspace.array(name, total, dtype) for name, dtype in types.items()}
    cube = CubeGrid(
        *grid.offset, np.deg2rad(grid.crval[1]), grid.inverse_cd(), np.array(grid.crpix[:2]), grid.spectral(),
        np.array(grid.shape),
    )  # fmt: skip
    corners = np.array([*outer.corners, *ends_x])
    choice = Choice(how.lambda_low, how.lambda_high, how.loop_distance, how.keep_bad)
    ends = []
    filled = 0
    for reader in readers:
        geometry = exposures[reader.number]
        wrong = 0
        for columns, ranges in reader.blocks(names, workspace.array):
            n = columns["xpos"].size
            local = workspace.array("local", n, np.int32)
            room = slice(filled, filled + n)
            table = TableRows(*(columns[name] for name in COLUMNS))
            placed = PlacedRows._make([*(out[name][room] for name in PlacedRows._fields[:-1]), local])
            pointing = Pointing(geometry.declination, *geometry.shift, geometry.scale)
            kept, not_finite = place_rows(table, pointing, cube, corners, choice, geometry.flux_scale, placed)
            wrong += not_finite
            room = slice(filled, filled + kept)
            if how.list_rejected:
                out["row"][room] = _row_numbers(local[:kept], ranges)
            if how.use_weight_column:
                out["weight"][room] = columns["weight"][local[:kept]]
            filled += kept
        if wrong:
            raise MusedeepError(
                f"{geometry.name}: {wrong} good rows (dq = 0) with NaN or infinite data or stat between "
                f"{grid.wavelengths()[outer.z0]:.1f} and {grid.wavelengths()[outer.z1 - 1]:.1f} Angstrom; "
                "flag them in the dq column or reduce the exposure again"
            )
        ends.append((reader.number, filled))
    return {name: column[:filled] for name, column in out.items()}, ends


def outer_columns(columns: tuple[int, int] | None, margin: int, nx: int) -> tuple[int, int]:
    """Columns [first, last) with a margin, cut at the edges of the cube; all of them for None."""
    return (max(0, columns[0] - margin), min(nx, columns[1] + margin)) if columns else (0, nx)


def combine_box(
    box: Box,
    grid: Grid,
    how: Resampling,
    exposures: Sequence[ExposureGeometry],
    readers: Sequence[Reader],
    workspace: Workspace | None = None,
    columns: tuple[int, int] | None = None,
) -> BoxResult:
    """Compute one box of the cube.

    Parameters
    ----------
    exposures : sequence of ExposureGeometry, all exposures of the combination
    readers : sequence of Reader, of the exposures that may have rows in the box, in their order
    workspace : Workspace, optional, of the thread, for its next box
    columns : (int, int), optional, only columns [first, last) are made; their bits are those of a box of all

    Raises
    ------
    MusedeepError
        A good row has a value or variance that is not finite.
    """
    workspace = workspace or Workspace()
    outer = box.grown(how.margin, grid.shape)
    # columns beside those that are wanted are made, too, without all that they need, and left out in the end
    x0, x1 = outer_columns(columns, how.margin, grid.shape[2])
    nx = x1 - x0
    wanted = slice(columns[0] - x0, columns[1] - x0) if columns else slice(0, nx)
    shape = (outer.z1 - outer.z0, outer.y1 - outer.y0, nx)
    unsorted, ends = _load(readers, exposures, grid, how, outer, (x0, x1), workspace)
    core_shape = (box.z1 - box.z0, box.y1 - box.y0, nx)
    data, stat = np.full(core_shape, np.nan, np.float32), np.full(core_shape, np.nan, np.float32)
    map_shape = core_shape if how.exposure_map else (0, 0, 0)
    number_map, seconds = np.zeros(map_shape, np.uint16), np.zeros(map_shape, np.float32)
    result = BoxResult(
        data[..., wanted], stat[..., wanted],
        number_map[..., wanted] if how.exposure_map else None, seconds[..., wanted] if how.exposure_map else None,
        np.empty((0, 2), np.int64) if how.list_rejected else None,
        0, sum(reader.n_rows for reader in readers), 0,
    )  # fmt: skip
    if not unsorted["cell"].size:
        return result
    if not unsorted["bad"].any():
        del unsorted["bad"]
    rows, start = sort_by_cell(unsorted, ends, shape[0] * shape[1] * shape[2], workspace)
    n_rows = rows["data"].size
    bad = rows.get("bad", np.zeros(0, np.uint8))
    flags = reject.empty_flags(n_rows)
    planes, lines = (box.z0 - outer.z0, box.z1 - outer.z0), (box.y0 - outer.y0, box.y1 - outer.y0)
    if how.crsigma > 0:
        reach = how.margin - 1
        inner = box.grown(reach, grid.shape)
        core = np.array([inner.z0 - outer.z0, inner.z1 - outer.z0, inner.y0 - outer.y0, inner.y1 - outer.y0])
        sample = np.where(bad == 1, np.float32(np.nan), rows["data"]) if bad.size else rows["data"]
        if how.rejection == "stars":
            reject_sparing_stars(
                rows["data"], sample, rows["stat"], rows["exposure"], start, shape, core, how.crsigma, flags
            )
        else:
            reject.reject(
                rows["data"], sample, rows["stat"], start, shape, core,
                how.slice_direction, reject.rejection_kind(how.crtype), how.crsigma, flags,
            )  # fmt: skip
        del sample
    _count(result, rows, flags, start, shape, planes, lines, wanted)
    skip = flags | bad if bad.size else flags
    seconds_each = np.array([e.seconds for e in exposures], np.float64)
    ra, dec, cosine = grid.voxel_positions(outer.y0, outer.y1, x0, x1)
    voxels = Voxels(
        shape, planes, lines, ra, dec, cosine, grid.wavelengths()[outer.z0 : outer.z1],
        grid.plane_sizes()[outer.z0 : outer.z1], grid.units(), grid.turn(), np.array(grid.scale[:2], np.float64),
    )  # fmt: skip
    cell_rows = CellRows(
        rows["ra"], rows["dec"], rows["wavelength"], rows["data"], rows["stat"], rows["exposure"], skip, start
    )
    if how.method == "nearest":
        far = np.array([np.cos(np.deg2rad(grid.crval[1])) * grid.crval[0], grid.crval[1]]) * grid.units()[0]
        words = (len(exposures) + 63) // 64 if how.exposure_map else 0
        sums = np.zeros((*core_shape, 3), np.float64)
        seen = np.zeros((*core_shape, words) if words else (0, 0, 0, 0), np.uint64)
        resample.nearest(cell_rows, voxels, far, data, stat, sums, seen)
        keep_data, keep_stat = data.copy(), stat.copy()
        resample.finish(sums, seen, seconds_each, data, stat, number_map, seconds)
        data[...], stat[...] = keep_data, keep_stat
    else:
        weights = Weights(
            np.array([e.weight for e in exposures], np.float64), rows.get("weight", np.zeros(0, np.float32))
        )
        radius = how.critical_radius * float(np.linalg.norm(grid.scale))
        kernel = resample.Kernel(
            resample.METHODS[how.method], how.loop_distance, radius, np.array(how.pixfrac, np.float64)
        )
        resample.resample(cell_rows, voxels, weights, kernel, seconds_each, data, stat, number_map, seconds)
    return result


def _count(
    result: BoxResult,
    rows: Rows,
    flags: NDArray[np.uint8],
    start: NDArray[np.int64],
    shape: tuple[int, int, int],
    planes: tuple[int, int],
    lines: tuple[int, int],
    columns: slice,
) -> None:
    """Rows and rejected rows of the box without its margin: contiguous for each plane, but for margins of columns."""
    _, ny, nx = shape
    found = []
    for z in range(*planes):
        cells = (z * ny + np.arange(*lines)) * nx
        first, last = start[cells[0]], start[cells[-1] + nx]
        result.n_rows += int((start[cells + columns.stop] - start[cells + columns.start]).sum())
        hits = np.flatnonzero(flags[first:last].view(np.bool_)) + first  # looks at many at a time
        if columns != slice(0, nx):
            column = (np.searchsorted(start, hits, side="right") - 1) % nx
            hits = hits[(column >= columns.start) & (column < columns.stop)]
        result.n_rejected += hits.size
        if result.rejected is not None and hits.size:
            found.append(np.stack([rows["exposure"][hits].astype(np.int64), rows["row"][hits]], axis=1))
    if found:
        result.rejected = np.concatenate(found)
