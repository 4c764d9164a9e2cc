"""How long a combination will take, how much it reads and how much memory it needs, on any number of workers.

The indexes of the exposures given tell where rows lie; the plan of the run follows from them as in a real one
(`graph.plan`), rates tell how long its tasks take (`graph.rates`), and the simulation puts them together. More
exposures, or more wavelengths, are taken to be like those given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from musedeep.graph.combine import run as runs
from musedeep.graph.combine import tasks
from musedeep.graph.combine.exp_combine import Request
from musedeep.graph.combine.plan import Plan, make_plan, with_reads
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.forecast.rates import Rates, box_seconds
from musedeep.graph.forecast.simulation import Machine, SimulatedStage, SimulatedTask, Simulation, simulate, together
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.graph.workers.records import BOXES, COMPLETION, INDEXING, Measured, Recorder
from musedeep.progress import Progress
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.grid import Grid
from musedeep.storage.pixel_tables.table import COLUMN_TYPES

SEGMENT_BYTES = 40
"""A segment in the index of a store."""

POSITION_BYTES = 12
"""Positions and wavelength of a row, which are read of a FITS file for its index."""


@dataclass(frozen=True)
class Survey:
    """What a forecast needs to know of exposures.

    Attributes
    ----------
    density : float64 (planes, bins), see `reduction.cube.scan.row_density`
    rows, rows_scanned, segments : float64 (exposures,): rows, those of them that have to be read for an index, and
        segments, of each exposure
    """

    grid: Grid
    how: Resampling
    density: NDArray[np.float64]
    reads: ReadRows
    rows: NDArray[np.float64]
    rows_scanned: NDArray[np.float64]
    segments: NDArray[np.float64]

    def of_exposures(self, number: int) -> "Survey":
        """As of so many exposures, like those there are."""
        if number == self.rows.size:
            return self
        factor = number / self.rows.size
        rows, scanned, segments = (
            np.full(number, values.mean()) for values in (self.rows, self.rows_scanned, self.segments)
        )
        return replace(
            self, density=self.density * factor, reads=self.reads.scaled(factor), rows=rows, rows_scanned=scanned,
            segments=segments,
        )  # fmt: skip

    def of_planes(self, planes: int) -> "Survey":
        """As of so many planes; more than there are repeat those.

        The first and the last plane are half full, and count as one.
        """
        nz, ny, nx = self.grid.shape
        if planes <= nz:
            return self
        period = max(nz - 1, 1)
        density = np.zeros((planes, self.density.shape[1]))
        for z in range(0, planes, period):
            n = min(nz, planes - z)
            density[z : z + n] += self.density[:n]
        factor = planes / period
        return replace(
            self, grid=replace(self.grid, shape=(planes, ny, nx)), density=density,
            reads=self.reads.repeated(planes, period), rows=self.rows * factor,
            rows_scanned=self.rows_scanned * factor, segments=self.segments * factor,
        )  # fmt: skip


class _Counts(Recorder):
    """Keeps the numbers of the tasks that scan exposures."""

    def __init__(self) -> None:
        super().__init__()
        # rows, those read for the index, segments
        self.scanned: list[tuple[float, float, float]] = []

    def task(self, stage: str, name: str, done: Measured, expected: Mapping[str, float] | None = None) -> None:
        super().task(stage, name, done, expected)
        if name.startswith("scan "):
            work = done.work
            self.scanned.append((work.rows, work.details["rows_scanned"], work.details["segments"]))


def survey_exposures(request: Request, progress: Progress) -> Survey:
    """Index the exposures of a request, in a directory that is gone afterwards.

    Raises MusedeepError for bad input, as `graph.combine.run.make_cube`.
    """
    counts = _Counts()
    scratch = TemporaryDirectory(prefix=f"{runs.WORK}-", dir=runs.existing_part(request.output))
    with scratch as work, runs.executor_for(request.output, request) as executor:
        job, density = runs.survey(request, executor, progress, Path(work), counts)
        numbers = range(len(job.exposures))
        reads = ReadRows.of_segments((tasks.segments(work, k) for k in numbers), job.grid.shape)
    rows, scanned, segments = np.array(counts.scanned, np.float64).T
    return Survey(job.grid, job.how, density, reads, rows, scanned, segments)


@dataclass(frozen=True)
class Forecast:
    """What is to be expected; threads of each worker, the limit for all processes together [bytes].

    `bytes_written` counts the cube, and the exposure map.
    """

    exposures: int
    workers: int
    threads: int
    memory: int
    plan: Plan
    simulation: Simulation
    bytes_written: int


def forecast(survey: Survey, workers: int, threads: int, memory: int, rates: Rates) -> Forecast:
    """What a run will take; MusedeepError if the memory is too small.

    Parameters
    ----------
    workers, threads : worker processes, and boxes at once in each; a single worker lives in the client's process
    memory : limit for all processes together [bytes]
    """
    n = survey.rows.size
    plan = make_plan(survey.density, survey.grid, survey.how, n, memory, workers * threads, workers)
    plan = with_reads(plan, survey.reads, survey.how.margin, survey.grid.shape)
    machine = Machine(
        workers=workers, threads=threads, base_memory=BASE_BYTES,
        start_seconds=rates.start + (rates.cluster if workers > 1 else 0.0), end_seconds=rates.end,
        dispatch_seconds=rates.dispatch, bytes_per_second=rates.storage_bytes_per_second,
    )  # fmt: skip
    indexing = _indexing(survey, rates, workers * threads)
    simulation = simulate([*indexing, _boxes(survey, plan, rates), _completion(survey, rates)], machine)
    written = plan.cube_bytes + (6 * survey.grid.n_voxels if survey.how.exposure_map else 0)
    return Forecast(n, workers, threads, memory, plan, simulation, written)


def _indexing(survey: Survey, rates: Rates, parallel: int) -> list[SimulatedStage]:
    scans, places = [], []
    for rows, scanned, segments in zip(survey.rows, survey.rows_scanned, survey.segments, strict=True):
        seconds = rates.scan + rates.scan_row * scanned + rates.scan_segment * segments
        moved = POSITION_BYTES * scanned or SEGMENT_BYTES * segments
        scans.append(SimulatedTask(seconds, moved, rows=round(rows)))
        places.append(SimulatedTask(rates.locate + rates.locate_segment * segments, SEGMENT_BYTES * segments))
    serial = rates.indexing + rates.exposure * len(scans)
    total = round(survey.rows.sum())
    scan_tasks = together(scans, runs.exposures_together(total, len(scans), parallel, runs.ROWS_PER_SCAN))
    place_tasks = together(places, runs.exposures_together(total, len(scans), parallel, runs.ROWS_PER_LOCATE))
    return [SimulatedStage(INDEXING, scan_tasks, serial, rates.first_scan), SimulatedStage(INDEXING, place_tasks)]


def _boxes(survey: Survey, plan: Plan, rates: Rates) -> SimulatedStage:
    counter = survey.reads.counter()
    row_bytes = sum(COLUMN_TYPES[name].itemsize for name in tasks.COLUMNS) + 4 * survey.how.use_weight_column
    exposures, nx = survey.rows.size, survey.grid.shape[2]
    found = []
    # the order in which a run hands them out
    for task in sorted(plan.tasks, key=lambda task: -task.rows_with_margin):
        outer = task.box.grown(survey.how.margin, survey.grid.shape)
        read = counter.rows(outer)
        voxels = (outer.z1 - outer.z0) * (outer.y1 - outer.y0) * nx
        facts = {"exposures": exposures, "rows_read": read,
                 "rows_expected": task.rows_with_margin, "voxels": voxels}  # fmt: skip
        found.append(SimulatedTask(box_seconds(rates, facts), row_bytes * read, task.peak_bytes, task.rows))
    return SimulatedStage(BOXES, found, 0.0, rates.first_box)


def _completion(survey: Survey, rates: Rates) -> SimulatedStage:
    seconds = rates.completion + rates.completion_voxel * survey.grid.n_voxels
    if survey.how.list_rejected:
        seconds += rates.combined_row * survey.rows.sum()
    return SimulatedStage(COMPLETION, [SimulatedTask(seconds, 8.0 * survey.grid.n_voxels)], on_client=True)
