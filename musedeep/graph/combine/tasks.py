"""What workers do: plain functions of small arguments, so that any worker can take any of them.

Bulk data never travel through the scheduler: a task reads its rows from the pixel tables, and writes its
voxels into the cube files of the work directory, at places no other task writes to. A task that runs
twice writes the same bytes twice.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import get_ident
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musedeep.allocation import return_large_arrays
from musedeep.errors import MusedeepError
from musedeep.graph.workers.records import Work, measured
from musedeep.reduction.cube.box import COLUMNS, Blocks, Box, Reader, combine_box, outer_columns
from musedeep.reduction.cube.grid import Limits
from musedeep.reduction.cube.job import CUBE, MAP, REJECTED, Exposure, Job, geometry
from musedeep.reduction.cube.scan import (
    VOXEL_SEGMENT,
    Nothing,
    exposure_limits,
    locate_segments,
    row_density,
    select_ranges,
)
from musedeep.storage.cubes.cube_fits import CubeFile
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from musedeep.storage.pixel_tables.open import table_format
from musedeep.storage.pixel_tables.open_tables import OpenTables
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, SEGMENT, PixelTable, Rows, read_blocks, row_count
from musedeep.storage.stores import scratch
from musedeep.workspace import Workspace

_tables = OpenTables()
_workspaces: dict[int, Workspace] = {}


def forget() -> None:
    """Close the tables that are kept open in this process, and give back the memory kept for boxes."""
    _tables.forget()
    _workspaces.clear()


def keep_open(exposures: Sequence[Exposure], tables: Sequence[PixelTable]) -> None:
    """Have tables that are open in this process, in which tasks will run."""
    for exposure, table in zip(exposures, tables, strict=True):
        _tables.keep(exposure.paths, table)


@lru_cache(maxsize=4)
def load_job(path: str, fingerprint: str) -> Job:
    """The job in a work directory; the fingerprint keeps a reused directory from giving an old one."""
    return Job.from_json(Path(path).read_text())


def _save(path: Path, write: Callable[[BinaryIO], object]) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(unfinished, "wb") as stream:
        write(stream)
    os.replace(unfinished, path)


# Indexes and segments are kept without the header of numpy's own format: their types are known, and Python 3.11 cannot
# always parse a header while another thread does (gh-106905).


def _index_path(work: str, number: int) -> Path:
    """Where the index of an exposure is kept."""
    return Path(work) / f"index-{number:05d}"


def _segments_path(work: str, number: int) -> Path:
    """Where the voxel ranges of an exposure's segments are kept."""
    return Path(work) / f"segments-{number:05d}"


def segments(work: str, number: int) -> NDArray[Any]:
    """The voxel ranges of an exposure's segments, VOXEL_SEGMENT (n,), mapped from the file that `locate` has made."""
    path = _segments_path(work, number)
    if not path.stat().st_size:  # nothing to map
        return np.empty(0, VOXEL_SEGMENT)
    return np.asarray(np.memmap(path, VOXEL_SEGMENT, "r"))  # without what makes a mapped file slow to look at


@measured
def scan(
    work: str,
    number: int,
    paths: Sequence[str],
    identity: str,
    declination: float,
    shift: tuple[float, float],
    low: float,
    high: float,
) -> tuple[Limits | Nothing, Work]:
    """Index one exposure, keep the index in the work directory, and return its limits."""
    return_large_arrays()
    table = _tables.get(paths, identity)
    index = table.index()
    _save(_index_path(work, number), index.tofile)
    limits = exposure_limits(table, index, declination, shift, low, high)
    # a store brings its index along; of a FITS file all positions and wavelengths are read
    scanned = 0 if table_format(table).endswith("zarr store") else table.n_rows
    counts = {"rows_scanned": scanned, "segments": index.size}
    return limits, Work(table.n_rows, 12 * scanned or index.nbytes, index.nbytes, counts)


@measured
def locate(work: str, number: int, job_path: str, fingerprint: str) -> tuple[NDArray[np.float32], Work]:
    """Find the voxel ranges of an exposure's segments, keep them, and return their density of rows."""
    job = load_job(job_path, fingerprint)
    place = geometry(job.exposures[number], job.reference)
    index = np.fromfile(_index_path(work, number), SEGMENT)
    inside = (index["lambda_max"] >= job.how.lambda_low) & (index["lambda_min"] <= job.how.lambda_high)
    found = locate_segments(index[inside], job.grid, place.declination, place.shift, columns=job.columns)
    _save(_segments_path(work, number), found.tofile)
    density = row_density(found, job.grid)
    return density, Work(0, index.nbytes, found.nbytes, {"segments": index.size, "planes": job.grid.shape[0]})


@lru_cache(maxsize=2048)
def _segments(work: str, number: int, fingerprint: str) -> NDArray[Any]:
    return segments(work, number)


@measured
def compute_box(
    work: str, fingerprint: str, corners: tuple[int, int, int, int], keep: scratch.Scratch | None = None
) -> tuple[dict[str, Any], Work]:
    """Compute one box and write it into the cube files of the work directory.

    Parameters
    ----------
    keep : Scratch, optional, where chunks of stores are kept on this node

    Returns
    -------
    dict, Work
        rows, read, rejected: numbers of rows; values: voxels that have one; notice: a line for the user, or None; and
        what was moved for them.
    """
    return_large_arrays()
    scratch.use(keep)
    began = time.perf_counter()
    job = load_job(str(Path(work) / "job.json"), fingerprint)
    box = Box(*corners)
    outer = box.grown(job.how.margin, job.grid.shape)
    readers = []
    spent: list[float] = []
    for number, exposure in enumerate(job.exposures):
        found = _segments(work, number, fingerprint)
        ranges = select_ranges(found, outer.z0, outer.z1, outer.y0, outer.y1)
        if ranges.size:
            readers.append(Reader(number, row_count(ranges), _reader(exposure, ranges, spent)))
    select_seconds = time.perf_counter() - began
    result = combine_box(
        box, job.grid, job.how, job.geometries(), readers, _workspaces.setdefault(get_ident(), Workspace()), job.columns
    )
    try:
        plane, line = box.z0 - job.start[0], box.y0 - job.start[1]
        CubeFile.reopen(cube_path(work)).write_box(plane, line, result.data, result.stat)
        if result.number is not None and result.seconds is not None:
            ExposureMapFile.reopen(map_path(work)).write_box(plane, line, result.number, result.seconds)
        if result.rejected is not None:
            _save(rejected_path(work, corners), partial(np.save, arr=result.rejected))
    except OSError as error:
        raise MusedeepError(
            f"{work}: cannot write the cube ({error.strerror}); free space and start again to resume"
        ) from error
    counts = {
        "rows": result.n_rows,
        "read": result.n_read,
        "rejected": result.n_rejected,
        "values": int(np.count_nonzero(np.isfinite(result.data))),
        "notice": scratch.take_notice(),
    }
    columns = outer_columns(job.columns, job.how.margin, job.grid.shape[2])
    row_bytes = sum(COLUMN_TYPES[name].itemsize for name in COLUMNS) + 4 * job.how.use_weight_column
    written = result.data.nbytes + result.stat.nbytes
    if result.number is not None and result.seconds is not None:
        written += result.number.nbytes + result.seconds.nbytes
    details = {
        "rows_read": result.n_read, "rejected": result.n_rejected, "exposures": len(readers),
        "voxels": (outer.z1 - outer.z0) * (outer.y1 - outer.y0) * (columns[1] - columns[0]),
        "select_seconds": select_seconds, "read_seconds": sum(spent),
    }  # fmt: skip
    return counts, Work(result.n_rows, result.n_read * row_bytes, written, details)


def cube_path(work: str) -> Path:
    """The cube in the making."""
    return Path(work) / CUBE


def map_path(work: str) -> Path:
    """The exposure map in the making."""
    return Path(work) / MAP


def rejected_path(work: str, corners: tuple[int, int, int, int]) -> Path:
    """The rows that a box rejected."""
    return Path(work) / REJECTED.format(*corners)


def _reader(exposure: Exposure, ranges: NDArray[np.int64], spent: list[float]) -> Blocks:
    """Reads rows of an exposure, and adds the seconds it took to `spent`."""

    def blocks(
        names: Sequence[str], array: Callable[[str, int, Any], NDArray[Any]]
    ) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
        began = time.perf_counter()
        table = _tables.get(exposure.paths, exposure.identity)
        for block in read_blocks(table, ranges, names, lambda name, n, dtype: array(f"{name} as read", n, dtype)):
            spent.append(time.perf_counter() - began)
            yield block
            began = time.perf_counter()

    return blocks
