"""The cube of one exposure as bands of planes, one after the other: it is never in memory as a whole.

1. `row_survey` has found where rows lie.
2. The planes are divided into bands: as thick as the memory allows, so that few rows are read for two of them.
3. Each band is a box of the engine that makes cubes (`box.combine_box`): its rows are read, cosmic rays rejected, and
   the rest resampled. Threads work on one band each.
4. Bands come in the order of their wavelengths. The bits of a voxel do not depend on bands or threads.

For a part of the field (`around`), only the rows near it are read.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import local
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.reject import ALONG_X
from musedeep.processors import available_processors
from musedeep.progress import Progress, Silent
from musedeep.reduction.cube.box import Blocks, Box, Reader, Resampling, combine_box
from musedeep.reduction.cube.field_grid import FieldGrid
from musedeep.reduction.cube.row_survey import RowSurvey
from musedeep.reduction.rows.source import READERS
from musedeep.storage.pixel_tables.table import ROWS_AT_ONCE, Rows, RowSource, row_count, split_ranges
from musedeep.threads import results_in_order
from musedeep.workspace import Workspace

BYTES_PER_ROW: Final = 90
"""Of a band: its columns and what sorts them, and some rows as they are read (see `graph.combine.plan`)."""

BYTES_PER_VOXEL: Final = 72

THICKNESSES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
"""Planes of a band: with more, memory grows and hardly any row is saved from being read twice."""

EDGE: Final = 4
"""Voxels around a part of the field whose values are not those of the whole field: rows beyond count to the edge."""

BAND_MEMORY: Final = 768 << 20
"""Working memory of all threads together [bytes]."""


@dataclass(frozen=True)
class Planes:
    """A band of a cube.

    Attributes
    ----------
    first : number of its first plane, from 0
    data, stat : float32 (planes, lines, columns), NaN where there are no data
    rows, rejected : rows in the band, and those of them rejected as cosmic rays
    """

    first: int
    data: NDArray[np.float32]
    stat: NDArray[np.float32]
    rows: int
    rejected: int


def resampling(
    method: str = "drizzle",
    pixfrac: tuple[float, float, float] = (0.8, 0.8, 0.8),
    crtype: str = "median",
    crsigma: float = 15.0,
    *,
    loop_distance: int = 1,
    critical_radius: float = 1.25,
    slice_direction: int = ALONG_X,
    wavelengths: tuple[float, float] = (0.0, np.inf),
) -> Resampling:
    """How rows of one exposure become voxels; the defaults are those of muse_scipost 2.8.7.

    Parameters
    ----------
    slice_direction : see `kernels.cube.reject.slice_direction`; along x in pixels of the field
    wavelengths : limits of the rows that count [Angstrom]
    """
    return Resampling(
        method, pixfrac, loop_distance, critical_radius, crtype, crsigma, "reference", slice_direction,
        *wavelengths, use_weight_column=False, exposure_map=False, list_rejected=False,
    )  # fmt: skip


def planes_of(
    survey: RowSurvey,
    grid: FieldGrid,
    how: Resampling,
    *,
    memory: int = BAND_MEMORY,
    workers: int | None = None,
    planes: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Iterator[Planes]:
    """The cube of an exposure, band by band.

    Parameters
    ----------
    survey : RowSurvey, of the rows of all IFUs, corrected as they are to be
    grid : FieldGrid, of all of them
    how : Resampling
    memory : working memory of all threads [bytes]
    workers : threads; at most READERS by default
    planes : (first, last), optional, only the planes first to last - 1
    progress : of planes

    Raises
    ------
    MusedeepError
        A good row has a value or variance that is not finite.
    """
    yield from _bands(survey, grid, how, memory, workers, planes or (0, grid.shape[0]), None, progress or Silent())


def planes_around(
    survey: RowSurvey,
    grid: FieldGrid,
    how: Resampling,
    lines: tuple[int, int],
    columns: tuple[int, int],
    *,
    memory: int = BAND_MEMORY,
    workers: int | None = None,
    planes: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Iterator[Planes]:
    """A part of the field, lines [first, last) and columns [first, last) of the grid, band by band.

    Only the rows that lie near it are read. The voxels are those of `planes_of`, bit by bit.
    """
    nz, ny, nx = grid.shape
    (y0, y1), (x0, x1) = lines, columns
    outer_y, outer_x = slice(max(0, y0 - EDGE), min(ny, y1 + EDGE)), slice(max(0, x0 - EDGE), min(nx, x1 + EDGE))
    part = grid.cut(slice(0, nz), outer_y, outer_x)
    near = _around(part)
    wanted = (slice(None), slice(y0 - outer_y.start, y1 - outer_y.start), slice(x0 - outer_x.start, x1 - outer_x.start))
    for band in _bands(survey, part, how, memory, workers, planes or (0, nz), near, progress or Silent()):
        yield replace(band, data=band.data[wanted], stat=band.stat[wanted])


def _around(part: FieldGrid) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of a part of the field, see `_extent`."""
    _, ny, nx = part.shape
    if not part.native:
        (x, y, _), (dx, dy) = part.start, part.grid.scale[:2]
        return (x - 0.75 * dx, x + (nx - 0.25) * dx), (y - 0.75 * dy, y + (ny - 0.25) * dy)
    g = part.grid
    px, py = np.array([-0.25, nx + 0.75]) - g.crpix[0], np.array([-0.25, ny + 0.75])[:, None] - g.crpix[1]
    xi, eta = np.deg2rad(g.cd[0] * px + g.cd[1] * py), np.deg2rad(g.cd[2] * px + g.cd[3] * py)
    slack = 1e-8
    return (float(xi.min()) - slack, float(xi.max()) + slack), (float(eta.min()) - slack, float(eta.max()) + slack)


def _extent(part: FieldGrid, y0: int, y1: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of lines [y0, y1) of a grid as the boxes of segments have them: pixels, or in the tangent plane [rad].

    Beyond the first and the last column and line of the grid there are none: rows there count to the edge.
    """
    _, ny, nx = part.shape
    before, after = (-np.inf if y0 == 0 else y0 - 0.75), (np.inf if y1 == ny else y1 - 0.25)
    if not part.native:
        (_, y, _), dy = part.start, part.grid.scale[1]
        return (-np.inf, np.inf), (y + before * dy, y + after * dy)
    g, reach = part.grid, 30.0 + 2 * (ny + nx)
    px = np.array([-reach, nx + reach])[None, :] + 1.0 - g.crpix[0]
    py = np.clip(np.array([before, after]), -reach, ny + reach)[:, None] + 1.0 - g.crpix[1]
    xi, eta = np.deg2rad(g.cd[0] * px + g.cd[1] * py), np.deg2rad(g.cd[2] * px + g.cd[3] * py)
    slack = 1e-8
    return (float(xi.min()) - slack, float(xi.max()) + slack), (float(eta.min()) - slack, float(eta.max()) + slack)


def _bands(
    survey: RowSurvey,
    grid: FieldGrid,
    how: Resampling,
    memory: int,
    workers: int | None,
    planes: tuple[int, int],
    near: tuple[tuple[float, float], tuple[float, float]] | None,
    progress: Progress,
) -> Iterator[Planes]:
    workers = workers or min(available_processors(), READERS)
    nz, ny, _ = grid.shape
    waves, step = grid.grid.wavelengths(), grid.grid.step
    geometry = [grid.geometry(str(survey.sources[0].path))]
    own = local()

    def readers(outer: Box) -> list[Reader]:
        # rows beyond the first and last plane count to these
        low = -np.inf if outer.z0 == 0 else waves[outer.z0] - 0.51 * step
        high = np.inf if outer.z1 == nz else waves[outer.z1 - 1] + 0.51 * step
        limits = near if near or outer.y1 - outer.y0 == ny else _extent(grid, outer.y0, outer.y1)
        wanted = survey.ranges((low, high), *(limits or ()))
        return [
            Reader(0, row_count(ranges), _blocks(source, ranges))
            for source, ranges in zip(survey.sources, wanted, strict=True)
            if ranges.size
        ]

    def compute(ends: tuple[int, int]) -> Planes:
        if not hasattr(own, "workspace"):
            own.workspace = Workspace()
        parts = []
        for y0, y1 in strips:
            box = Box(*ends, y0, y1)
            outer = box.grown(how.margin, grid.shape)
            parts.append(combine_box(box, grid.grid, how, geometry, readers(outer), own.workspace))
        data, stat = (np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("data", "stat"))
        return Planes(ends[0], data, stat, sum(p.n_rows for p in parts), sum(p.n_rejected for p in parts))

    thick, number = _division(survey, grid, how, memory // (workers + 1), planes)
    strips = list(pairwise(np.linspace(0, ny, number + 1).astype(int).tolist()))
    first, last = planes
    bands = [(z, min(z + thick, last)) for z in range(first, last, thick)]
    progress.begin(last - first, "planes")
    with ThreadPoolExecutor(workers) as pool:
        for band in results_in_order(pool, workers, compute, bands):
            progress.advance(band.data.shape[0], rows=band.rows)
            yield band
    progress.stop()


def _division(
    survey: RowSurvey, grid: FieldGrid, how: Resampling, memory: int, planes: tuple[int, int]
) -> tuple[int, int]:
    """Planes of a band that takes so much memory [bytes] where rows lie densest, and strips of lines to cut it into."""
    nz, ny, nx = grid.shape
    rows = np.zeros(nz)
    start = grid.grid.wavelengths()[0]
    for segments in survey.segments:
        middle = 0.5 * (segments["lambda_min"].astype(np.float64) + segments["lambda_max"])
        places = np.clip((middle - start) / grid.grid.step, 0, nz - 1).astype(np.int64)
        rows += np.bincount(places, segments["stop"] - segments["start"], minlength=nz)
    # segments at the edges of slices span many planes
    starts = np.arange(0, nz, 16)
    dense = np.percentile(np.add.reduceat(rows, starts) / np.diff(starts, append=nz), 95)
    per_line = (float(dense) * BYTES_PER_ROW) / ny + nx * BYTES_PER_VOXEL
    margin, best = how.margin, (math.inf, 1, max(ny // (2 * how.margin + 1), 1))
    for thick in sorted({min(p, planes[1] - planes[0]) for p in THICKNESSES}):
        lines = int(memory / (per_line * (thick + 2 * margin)))
        lines = ny if lines >= ny else lines - 2 * margin
        if lines < 1:
            break
        cost = (1 + 2 * margin / thick) * (1 + (2 * margin / lines if lines < ny else 0))
        best = min(best, (cost, thick, math.ceil(ny / lines)))
    return best[1], best[2]


def _blocks(source: RowSource, ranges: NDArray[np.int64]) -> Blocks:
    """Reads the rows of ranges, some at a time."""

    def blocks(
        names: Sequence[str], array: Callable[[str, int, Any], NDArray[Any]]
    ) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
        for part in split_ranges(ranges, ROWS_AT_ONCE):
            yield source.read(part, names), part

    return blocks
