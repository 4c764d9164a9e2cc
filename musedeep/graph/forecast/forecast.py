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

from musedeep.errors import MusedeepError
from musedeep.graph.combine import run as runs
from musedeep.graph.combine import tasks
from musedeep.graph.combine.exp_combine import Request
from musedeep.graph.combine.plan import Plan, make_plan, with_reads
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.forecast.rates import Rates, box_seconds
from musedeep.graph.forecast.requests import EXPOSURES, SampledExposure, Traffic, sampled, traffic
from musedeep.graph.forecast.scaling import Shares, needed_seconds, shares
from musedeep.graph.forecast.simulation import Machine, SimulatedStage, SimulatedTask, Simulation, simulate, together
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.graph.workers.records import BOXES, COMPLETION, INDEXING, Measured, Recorder
from musedeep.progress import Progress
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.grid import Grid
from musedeep.storage.pixel_tables.open import open_exposure
from musedeep.storage.pixel_tables.requests import layout_of
from musedeep.storage.pixel_tables.table import COLUMN_TYPES

SEGMENT_BYTES = 40
"""A segment in the index of a store."""

UNLIMITED = 1e15
"""Bytes per second of a storage that has a limit of requests alone."""

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
    sample : exposures by which requests to the file system are counted; none where that cannot be done
    """

    grid: Grid
    how: Resampling
    density: NDArray[np.float64]
    reads: ReadRows
    rows: NDArray[np.float64]
    rows_scanned: NDArray[np.float64]
    segments: NDArray[np.float64]
    sample: tuple[SampledExposure, ...] = ()

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

        The first and the last plane are half full, and count as one. How many pieces of files hold the rows of a box is
        not known of more planes than there are: `sample` is empty then.
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
            rows_scanned=self.rows_scanned * factor, segments=self.segments * factor, sample=(),
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
        layouts = {k: layout_of(open_exposure(job.exposures[k].paths)) for k in sampled(len(numbers), EXPOSURES)}
        # copies: the files are about to be removed
        sample = tuple(SampledExposure(tasks.segments(work, k).copy(), lies) for k, lies in layouts.items() if lies)
    rows, scanned, segments = np.array(counts.scanned, np.float64).T
    known = sample if len(sample) == len(layouts) else ()
    return Survey(job.grid, job.how, density, reads, rows, scanned, segments, known)


@dataclass(frozen=True)
class Forecast:
    """What is to be expected; threads of each worker, the limit for all processes together [bytes].

    `bytes_written` counts the cube, and the exposure map. `traffic` is what the boxes ask of the file system,
    None where it cannot be counted; `shares` is where the time of the workers goes.
    """

    exposures: int
    workers: int
    threads: int
    memory: int
    plan: Plan
    simulation: Simulation
    bytes_written: int
    shares: Shares
    traffic: Traffic | None = None


def forecast(survey: Survey, workers: int, threads: int, memory: int, rates: Rates) -> Forecast:
    """What a run will take.

    Parameters
    ----------
    workers, threads : worker processes, and boxes at once in each; a single worker lives in the client's process
    memory : limit for all processes together [bytes]

    Raises
    ------
    MusedeepError
        The memory is too small; the storage has a limit of requests, and these cannot be counted.
    """
    n = survey.rows.size
    plan = make_plan(survey.density, survey.grid, survey.how, n, memory, workers * threads, workers)
    plan = with_reads(plan, survey.reads, survey.how.margin, survey.grid.shape)
    asked = None
    if survey.sample:
        asked = traffic(plan, survey.sample, survey.how, survey.grid.shape, columns_read(survey.how))
    bandwidth, moved = _storage(asked, rates)
    machine = Machine(
        workers=workers, threads=threads, base_memory=BASE_BYTES,
        start_seconds=rates.start + (rates.cluster if workers > 1 else 0.0), end_seconds=rates.end,
        dispatch_seconds=rates.dispatch, bytes_per_second=bandwidth,
    )  # fmt: skip
    indexing = _indexing(survey, rates, workers * threads)
    boxes = _boxes(survey, plan, rates)
    if moved is not None and plan.rows_read:
        boxes = replace(boxes, moved=moved / (row_bytes(survey.how) * plan.rows_read))
    simulation = simulate([*indexing, boxes, _completion(survey, rates)], machine)
    written = plan.cube_bytes + (6 * survey.grid.n_voxels if survey.how.exposure_map else 0)
    spent = shares(simulation, machine, needed_seconds(plan, survey.grid.n_voxels, rates))
    return Forecast(n, workers, threads, memory, plan, simulation, written, spent, asked)


def _storage(asked: Traffic | None, rates: Rates) -> tuple[float | None, float | None]:
    """Bytes per second of the storage, and bytes that it moves for all boxes; a request counts as some bytes."""
    bandwidth, served = rates.storage_bytes_per_second, rates.storage_requests_per_second
    if served is None:
        return bandwidth, None if asked is None else asked.bytes_in
    if asked is None:
        raise MusedeepError(
            "the limit of requests to the storage cannot be kept: requests are counted only of FITS files and stores "
            "of rows, with all wavelengths of the cube; leave it out"
        )
    bandwidth = bandwidth or UNLIMITED
    return bandwidth, asked.bytes_in + asked.requests * bandwidth / served


def columns_read(how: Resampling) -> tuple[str, ...]:
    """The columns that boxes read."""
    return (*tasks.COLUMNS, *(("weight",) if how.use_weight_column else ()))


def row_bytes(how: Resampling) -> int:
    """Bytes of a row in the columns that boxes read."""
    return sum(COLUMN_TYPES[name].itemsize for name in columns_read(how))


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
    each = row_bytes(survey.how)
    exposures, nx = survey.rows.size, survey.grid.shape[2]
    found = []
    # the order in which a run hands them out
    for task in sorted(plan.tasks, key=lambda task: -task.rows_with_margin):
        outer = task.box.grown(survey.how.margin, survey.grid.shape)
        read = counter.rows(outer)
        voxels = (outer.z1 - outer.z0) * (outer.y1 - outer.y0) * nx
        facts = {"exposures": exposures, "rows_read": read,
                 "rows_expected": task.rows_with_margin, "voxels": voxels}  # fmt: skip
        found.append(SimulatedTask(box_seconds(rates, facts), each * read, task.peak_bytes, task.rows))
    return SimulatedStage(BOXES, found, 0.0, rates.first_box)


def _completion(survey: Survey, rates: Rates) -> SimulatedStage:
    seconds = rates.completion + rates.completion_voxel * survey.grid.n_voxels
    if survey.how.list_rejected:
        seconds += rates.combined_row * survey.rows.sum()
    return SimulatedStage(COMPLETION, [SimulatedTask(seconds, 8.0 * survey.grid.n_voxels)], on_client=True)
