"""The cube of one exposure as bands of planes, one after the other: it is never in memory as a whole.

1. `row_survey` has found where rows lie.
2. The planes are divided into bands: as thick as the memory allows, so that few rows are read for two of them.
3. Each band is a box of the engine that makes cubes (`box.combine_box`): its rows are read, cosmic rays rejected, and
   the rest resampled. Threads work on one band each.
4. Bands come in the order of their wavelengths. The bits of a voxel do not depend on bands or threads.

For a part of the field (`planes_around`), only the rows near it are read.
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
from musedeep.reduction.cube.box import Blocks, Box, BoxResult, ExposureGeometry, Reader, Resampling, combine_box
from musedeep.reduction.cube.field_grid import FieldGrid
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.row_survey import RowSurvey
from musedeep.reduction.cube.scan import locate_segments, select_ranges
from musedeep.reduction.rows.source import READERS
from musedeep.storage.pixel_tables.table import ROWS_AT_ONCE, Rows, RowSource, row_count, split_ranges
from musedeep.threads import results_in_order
from musedeep.workspace import Workspace

BYTES_PER_ROW: Final = 90
"""Of a band: its columns and what sorts them, and some rows as they are read (see `graph.combine.plan`)."""

BYTES_PER_VOXEL: Final = 72

BYTES_PER_RESULT: Final = 8
"""Of a voxel that is made: data and variance."""

THICKNESSES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
"""Planes of a band: with more, memory grows and hardly any row is saved from being read twice."""

EDGE: Final = 4
"""Voxels around a part of the field whose values are not those of the whole field: rows beyond count to the edge."""

BAND_MEMORY: Final = 384 << 20
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
    return _planes(survey, grid, how, memory, workers, planes, progress)


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
    """A part of the field, band by band. Only rows near it are read; the voxels are those of `planes_of`, bit by bit.

    Parameters
    ----------
    survey, grid, how, memory, workers, planes, progress : see `planes_of`; the grid is that of the whole field
    lines, columns : (first, last), lines first to last - 1 of the grid, and columns
    """
    nz, ny, nx = grid.shape
    (y0, y1), (x0, x1) = lines, columns
    outer_y, outer_x = slice(max(0, y0 - EDGE), min(ny, y1 + EDGE)), slice(max(0, x0 - EDGE), min(nx, x1 + EDGE))
    part = grid.cut(slice(0, nz), outer_y, outer_x)
    wanted = (slice(None), slice(y0 - outer_y.start, y1 - outer_y.start), slice(x0 - outer_x.start, x1 - outer_x.start))
    for band in _planes(survey, part, how, memory, workers, planes, progress):
        yield replace(band, data=band.data[wanted], stat=band.stat[wanted])


def _planes(
    survey: RowSurvey,
    grid: FieldGrid,
    how: Resampling,
    memory: int,
    workers: int | None,
    planes: tuple[int, int] | None,
    progress: Progress | None,
) -> Iterator[Planes]:
    parts = [Part(survey, grid.geometry(str(survey.sources[0].path)))]
    bands = bands_of(parts, grid.grid, how, memory=memory, workers=workers, planes=planes, progress=progress)
    del survey, parts  # for all that is held here, the caller may give it up, too
    yield from map(_joined, bands)  # which keeps no band, as a loop would


def _joined(band: Sequence[tuple[Box, BoxResult]]) -> Planes:
    """The strips of a band as one."""
    made = [result for _, result in band]
    if len(made) == 1:
        data, stat = made[0].data, made[0].stat
    else:
        data, stat = (np.concatenate([getattr(one, name) for one in made], axis=1) for name in ("data", "stat"))
    return Planes(band[0][0].z0, data, stat, sum(one.n_rows for one in made), sum(one.n_rejected for one in made))


@dataclass(frozen=True)
class Part:
    """An exposure of a cube: where its rows are, and how they are projected."""

    survey: RowSurvey
    geometry: ExposureGeometry


def bands_of(
    parts: Sequence[Part],
    grid: Grid,
    how: Resampling,
    *,
    memory: int = BAND_MEMORY,
    workers: int | None = None,
    planes: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Iterator[list[tuple[Box, BoxResult]]]:
    """The cube of exposures, band by band; a band comes as boxes, one after the other from its first line to its last.

    Parameters
    ----------
    parts : sequence of Part, the exposures
    memory, workers, planes, progress : see `planes_of`
    """
    workers = workers or min(available_processors(), READERS)
    progress = progress or Silent()
    ny = grid.shape[1]
    first, last = planes or (0, grid.shape[0])
    geometries = [part.geometry for part in parts]
    located = [
        (k, source, locate_segments(segments, grid, g.declination, g.shift, g.scale))
        for k, (part, g) in enumerate(zip(parts, geometries, strict=True))
        for source, segments in zip(part.survey.sources, part.survey.segments, strict=True)
    ]
    offsets = [n for part in parts for n in np.cumsum([0, *(s.n_rows for s in part.survey.sources)])[:-1].tolist()]
    own = local()
    del parts  # the segments are as large again: 50 MB of an exposure of 24 IFUs

    def readers(outer: Box) -> Iterator[Reader]:
        for (k, source, segments), offset in zip(located, offsets, strict=True):
            ranges = select_ranges(segments, *outer.corners)
            if ranges.size:
                yield Reader(k, row_count(ranges), _blocks(source, ranges, offset))

    def compute(ends: tuple[int, int]) -> list[tuple[Box, BoxResult]]:
        if not hasattr(own, "workspace"):
            own.workspace = Workspace()
        made = []
        for y0, y1 in strips:
            box = Box(*ends, y0, y1)
            outer = box.grown(how.margin, grid.shape)
            made.append((box, combine_box(box, grid, how, geometries, list(readers(outer)), own.workspace)))
        return made

    share = memory // (workers + 1)
    # bands that are made, wait, are in use, and are put together
    most = share // (2 * (workers + 2)) // (ny * grid.shape[2] * BYTES_PER_RESULT)
    thick, number = _division([segments for *_, segments in located], grid, how, share, min(last - first, max(most, 1)))
    strips = list(pairwise(np.linspace(0, ny, number + 1).astype(int).tolist()))
    bands = [(z, min(z + thick, last)) for z in range(first, last, thick)]
    progress.begin(last - first, "planes")

    def told(band: list[tuple[Box, BoxResult]]) -> list[tuple[Box, BoxResult]]:
        progress.advance(band[0][0].z1 - band[0][0].z0, rows=sum(result.n_rows for _, result in band))
        return band

    with ThreadPoolExecutor(workers) as pool:
        yield from map(told, results_in_order(pool, workers, compute, bands))
    progress.stop()


def _division(
    located: Sequence[NDArray[Any]], grid: Grid, how: Resampling, memory: int, planes: int
) -> tuple[int, int]:
    """Planes of a band that takes so much memory [bytes] where rows lie densest, and strips of lines to cut it into.

    `planes` is the largest number of planes.
    """
    nz, ny, nx = grid.shape
    rows = np.zeros(nz)
    for segments in located:
        middle = np.clip((segments["z0"] + segments["z1"]) // 2, 0, nz - 1)
        rows += np.bincount(middle, segments["stop"] - segments["start"], minlength=nz)
    # segments at the edges of slices span many planes
    starts = np.arange(0, nz, 16)
    dense = np.percentile(np.add.reduceat(rows, starts) / np.diff(starts, append=nz), 95)
    per_line = (float(dense) * BYTES_PER_ROW) / ny + nx * BYTES_PER_VOXEL
    margin, best = how.margin, (math.inf, 1, max(ny // (2 * how.margin + 1), 1))
    for thick in sorted({min(p, planes) for p in THICKNESSES}):
        lines = int(memory / (per_line * (thick + 2 * margin)))
        lines = ny if lines >= ny else lines - 2 * margin
        if lines < 1:
            break
        cost = (1 + 2 * margin / thick) * (1 + (2 * margin / lines if lines < ny else 0))
        best = min(best, (cost, thick, math.ceil(ny / lines)))
    return best[1], best[2]


def _blocks(source: RowSource, ranges: NDArray[np.int64], offset: int) -> Blocks:
    """Reads the rows of ranges, some at a time; their numbers count from `offset`."""

    def blocks(
        names: Sequence[str], array: Callable[[str, int, Any], NDArray[Any]]
    ) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
        for part in split_ranges(ranges, ROWS_AT_ONCE):
            yield source.read(part, names), part + offset

    return blocks
