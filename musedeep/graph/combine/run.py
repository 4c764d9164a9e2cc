"""From inputs to products: scan, plan, execute, finish. The one place where all floors meet.

A run keeps what it has in a work directory inside the output directory: `job.json` (what is done),
indexes, the products in the making, and `done.txt` with a line a finished box. Started again with the
same inputs, it does only what is missing; with other inputs or parameters it starts afresh. Products get
their names when they are complete. A lock keeps other runs away from the output directory meanwhile.
"""

import errno
import hashlib
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.compiled import compiling_seconds
from musedeep.errors import MusedeepError
from musedeep.graph.combine import journal, tasks
from musedeep.graph.combine.plan import Plan, make_plan, memory_advice, with_reads
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.combine.rehearsal import EXPOSURE, rehearsal, rehearse
from musedeep.graph.workers.executor import Executor, Resources, count_on_cluster
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.graph.workers.open import open_executor
from musedeep.graph.workers.performance import check_dashboard, check_report, dashboard_address, performance_report
from musedeep.graph.workers.records import (
    BOXES,
    COMPLETION,
    INDEXING,
    Measured,
    Recorder,
    StageSummary,
    Work,
    peak_memory,
)
from musedeep.processors import available_processors
from musedeep.progress import LOG, Progress, Silent
from musedeep.reduction.cube.grid import Limits, grid_on_sky, nothing_in_cube
from musedeep.reduction.cube.job import CubeRecipe, Job, farthest, geometry
from musedeep.reduction.cube.scan import require_rows
from musedeep.storage.cubes.output_wcs import read_output_wcs
from musedeep.storage.lock import LOCK, output_lock
from musedeep.storage.stores import scratch
from musedeep.storage.stores.location import StoreUrl
from musedeep.storage.stores.scratch import Scratch

if TYPE_CHECKING:
    from musedeep.graph.workers.cluster_profile import ClusterProfile

WORK = ".musedeep-work"

ROWS_PER_SCAN, ROWS_PER_LOCATE = 4 << 20, 64 << 20
"""Rows of exposures that one task indexes, and places in the cube, at most, if they are more than one."""

LEAST_MEMORY = 32 * 2**20
"""Working memory for the completion of products where the limit leaves less [bytes]."""


@dataclass(kw_only=True)
class RunOptions:
    """What a run may use: processors, memory [bytes], disk; and what it may replace and report."""

    overwrite: bool = False
    workers: int | None = None
    threads: int = field(default_factory=available_processors)
    memory: int = 4 * 2**30
    scheduler: str | None = None
    cluster: "ClusterProfile | None" = None
    box_bytes: int | None = None
    scratch: str | None = None
    scratch_bytes: int | None = None
    report: Path | None = None
    dashboard: bool = False


@dataclass
class Outcome:
    """What came out: products, numbers of rows, and the plan."""

    products: list[Path]
    plan: Plan
    job: Job
    rows: int
    rejected: int
    seconds: float
    resumed_boxes: int
    stages: Sequence[StageSummary] = ()


def survey(
    cube: CubeRecipe, executor: Executor, progress: Progress, work: Path, recorder: Recorder
) -> tuple[Job, NDArray[np.float64]]:
    """Scan the inputs and fix the grid: the job, and its rows per plane and bin of lines (`scan.row_density`)."""
    wcs = read_output_wcs(cube.output_wcs) if cube.output_wcs else None
    exposures, tables = cube.exposures()
    first = exposures[0]
    if first.scale:
        raise MusedeepError(
            f"{first.name}: positions are not those of a reduced pixel table (rad); use muse_scipost_make_cube"
        )
    reference = (first.ra, first.dec)
    how = cube.resampling(exposures)
    LOG.info(f"{len(exposures)} exposures, {sum(e.n_rows for e in exposures):,} rows; indexing")
    progress.begin(0, "indexing")
    calls = []
    for number, exposure in enumerate(exposures):
        g = geometry(exposure, reference)
        what = (str(work), number, exposure.paths, exposure.identity)
        calls.append((*what, g.declination, g.shift, how.lambda_low, how.lambda_high))
    names = [e.name for e in exposures]
    if executor.embedded:
        tasks.keep_open(exposures, tables)
    total, parallel = sum(e.n_rows for e in exposures), executor.parallel
    together = exposures_together(total, len(exposures), parallel, ROWS_PER_SCAN)
    limits = _measured_map(executor, tasks.scan, calls, [f"scan {name}" for name in names], recorder, together)
    limits_all = Limits.union(require_rows(limits, names, how.lambda_low, how.lambda_high))
    narrow = first.mode.startswith("NFM")
    apart = farthest(exposures)
    grid = grid_on_sky(limits_all, reference, cube.steps, narrow, wcs, apart)
    job = Job(tuple(exposures), reference, limits_all, grid, how, cube.part(grid))
    (work / "job.json").write_text(job.to_json())
    fingerprint = job.fingerprint()
    tasks.load_job.cache_clear()
    density = None
    places = [(str(work), k, str(work / "job.json"), fingerprint) for k in range(len(exposures))]
    together = exposures_together(total, len(exposures), parallel, ROWS_PER_LOCATE)
    for part in _measured_map(executor, tasks.locate, places, [f"locate {name}" for name in names], recorder, together):
        density = part.astype(np.float64) if density is None else density + part
    assert density is not None
    if not density.any() and not job.columns:  # a piece of the field may lie where there are no data
        raise nothing_in_cube(grid, limits_all, reference, cube.output_wcs)
    return job, density


def exposures_together(rows: int, exposures: int, parallel: int, most: int) -> int:
    """How many exposures one task takes, of a number with so many rows: `most` rows, and some tasks a processor."""
    return max(1, min(most * exposures // max(rows, 1), exposures // (4 * parallel)))


def _measured_map(
    executor: Executor,
    function: Any,
    calls: Sequence[tuple[Any, ...]],
    names: Sequence[str],
    recorder: Recorder,
    together: int,
) -> list[Any]:
    """Results of the calls of the first stage, in their order; so many of them are one task."""

    def record(k: int, done: Measured) -> None:
        recorder.task(INDEXING, names[k], done)

    return [done.result for done in executor.map(function, calls, record, together)]


def prepare(
    cube: CubeRecipe, options: RunOptions, executor: Executor, progress: Progress, work: Path, recorder: Recorder
) -> tuple[Job, Plan]:
    """Scan the inputs, fix the grid, and make the plan; indexes are left in `work`."""
    with recorder.stage(INDEXING):
        job, density = survey(cube, executor, progress, work, recorder)
        boxes = {"box_bytes": options.box_bytes} if options.box_bytes else {}
        plan = make_plan(
            density, job.grid, job.how, len(job.exposures), executor.memory or options.memory, executor.parallel,
            executor.processes, part=job.part,
            advice=_profile_advice(options.cluster, executor.processes) if options.cluster else memory_advice,
            **boxes,
        )  # fmt: skip
    return job, plan


def _profile_advice(profile: "ClusterProfile", workers: int) -> Callable[[int], str]:
    """Says which memory of a job would do, where so much for all would."""

    def advice(need: int) -> str:
        megabytes = -(-profile.job_bytes(need // workers) // 2**20)
        return f"{profile.path}: memory: {megabytes}MiB would do"

    return advice


def make_cube(
    cube: CubeRecipe, options: RunOptions, progress: Progress | None = None, dry_run: bool = False
) -> Outcome:
    """Make a cube, and the other products of its recipe.

    Parameters
    ----------
    progress : Progress, optional
    dry_run : bool, only plan

    Raises
    ------
    MusedeepError
        Bad input, an existing output without `overwrite`, another run at work on the output, not enough memory or
        disk.
    """
    progress = progress or Silent()
    recorder = Recorder()
    try:
        return _checked(cube, options, progress, dry_run, recorder)
    except KeyboardInterrupt:
        recorder.event("interrupted", seconds=round(recorder.seconds, 3))
        raise
    except Exception as error:
        recorder.event("failed", seconds=round(recorder.seconds, 3), reason=str(error))
        raise


def _checked(cube: CubeRecipe, options: RunOptions, progress: Progress, dry_run: bool, recorder: Recorder) -> Outcome:
    """See `make_cube`."""
    if options.report is not None:
        check_report(options.report)
    if options.dashboard:
        check_dashboard()
    recorder.event(
        "start", version=__version__, workers=options.workers, threads=options.threads, memory=options.memory,
        scheduler=options.scheduler is not None, processors=available_processors(),
        process_seconds=round(time.time() - psutil.Process().create_time(), 3),
    )  # fmt: skip
    cube.check_existing(options.overwrite)
    cube.open_inputs()
    if dry_run:
        # in a directory of its own: a run that is at work, or interrupted, keeps what it has
        directory = TemporaryDirectory(prefix=f"{WORK}-", dir=existing_part(cube.output))
        # on this machine, for the workers that there would be: no job is to wait for a plan
        local = replace(options, report=None, dashboard=False)
        if options.cluster:
            local = replace(local, cluster=None, workers=1)
        with directory as work, executor_for(cube.output, local) as executor:
            if options.cluster:
                count_on_cluster(executor, options.cluster, options.workers or options.cluster.workers)
            job, plan = prepare(cube, options, executor, progress, Path(work), recorder)
            reads = ReadRows.of_segments((tasks.segments(work, k) for k in range(len(job.exposures))), job.grid.shape)
            plan = with_reads(plan, reads, job.how.margin, job.grid.shape)
        return Outcome([], plan, job, 0, 0, recorder.seconds, 0)
    with output_lock(cube.output):
        cube.check_existing(options.overwrite)  # again: a run may have ended in the meantime
        stores = any(isinstance(path, StoreUrl) or path.is_dir() for path in cube.pixel_tables)
        how = cube.resampling([EXPOSURE])
        elsewhere = options.scheduler is not None or options.cluster is not None
        with rehearsal(how, stores, wanted=not elsewhere) as kernels, executor_for(cube.output, options) as executor:
            recorder.event(
                "ready", seconds=round(recorder.seconds, 3), parallel=executor.parallel, processes=executor.processes
            )
            # all jobs that there is work for, at once: they may have to wait in a queue
            executor.want(len(cube.pixel_tables))
            began = time.time()
            executor.check_workers(cube.inputs, cube.output / LOCK, (rehearse, how, stores))
            kernels.wait()
            recorder.leave_out("compiled", compiling_seconds(began))
            return _work(cube, options, executor, progress, recorder)


@contextmanager
def executor_for(output: Path, options: RunOptions) -> Iterator[Executor]:
    """The executor that a run asks for, while it is needed."""
    watched = options.dashboard or options.report is not None
    resources = Resources(options.workers, options.threads, options.memory, options.scheduler, options.cluster, watched)
    executor = open_executor(resources, output)
    try:
        yield executor
    finally:
        try:
            tasks.forget()
        finally:
            executor.close()


def _work(cube: CubeRecipe, options: RunOptions, executor: Executor, progress: Progress, recorder: Recorder) -> Outcome:
    """Prepare, compute what is missing, and finish, in an output directory that is ours alone."""
    work = cube.output / WORK
    try:
        work.mkdir(exist_ok=True)
        with performance_report(executor, options.report):
            job, plan = prepare(cube, options, executor, progress, work, recorder)
            done = journal.resume(work, job.fingerprint(), plan)
            if not done:
                cube.create(work, job)
            _record_plan(recorder, job, plan, len(done))
            if address := dashboard_address(executor):
                LOG.info(f"dashboard: {address}")
            progress.begin(len(plan.tasks), "boxes", len(done))
            with recorder.stage(BOXES), _scratch(cube.output, options, executor, job) as keep:
                rows, rejected, values = _execute(executor, work, job, plan, done, progress, recorder, keep)
            progress.stop()
        if not values and not job.part:  # a piece may lie where there are no data
            shutil.rmtree(work)
            raise nothing_in_cube(job.grid, job.limits, job.reference, cube.output_wcs)
        recorded = journal.recorded(work)
        if recorded != len(plan.tasks):
            raise RuntimeError(f"{recorded} boxes recorded, {len(plan.tasks)} planned")
        # the memory of the boxes is free for the completion
        executor.close()
        tasks.forget()
        with recorder.stage(COMPLETION):
            began = time.monotonic()
            progress.begin(0, "completing the products")
            # the memory given for a running scheduler is that of all its workers
            here = options.memory // (options.workers or 1) if options.scheduler else options.memory
            memory = max(here - BASE_BYTES, LEAST_MEMORY)
            made = cube.finish(work, job, memory, options.threads)
            shutil.rmtree(work)
            progress.stop()
            took = time.monotonic() - began
            details = {"voxels": math.prod(job.shape), "combined_seconds": cube.table_seconds}
            work_done = Work(rows if cube.table_seconds else 0, plan.cube_bytes, 0, details)
            recorder.task(COMPLETION, "products", Measured(made, work_done, time.time(), took, peak_memory(), ""))
        recorder.event("end", seconds=round(recorder.seconds, 3), rows=rows, rejected=rejected)
        stages = list(recorder.stages.values())
        return Outcome(made, plan, job, rows, rejected, recorder.seconds, len(done), stages)
    except MusedeepError:
        _forget_if_nothing_is_done(work)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _forget_if_nothing_is_done(work)
        raise MusedeepError(
            f"{cube.output}: {error.strerror}; free space and start again, to go on where this run stopped"
        ) from error


def _forget_if_nothing_is_done(work: Path) -> None:
    if not journal.recorded(work):
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _scratch(output: Path, options: RunOptions, executor: Executor, job: Job) -> Iterator[Scratch | None]:
    """What workers may keep on the disks of their nodes, removed in the end."""
    if options.scratch is None:
        yield None
        return
    # a run has the output directory for itself, so it has this name for itself
    token = hashlib.sha256(f"{output.absolute()} {job.fingerprint()}".encode()).hexdigest()[:16]
    keep = Scratch(options.scratch, f"musedeep-{token}", options.scratch_bytes)
    try:
        yield keep
    finally:
        executor.everywhere(scratch.remove, keep)
        scratch.remove(keep)  # of workers of this machine that were killed


def _record_plan(recorder: Recorder, job: Job, plan: Plan, resumed: int) -> None:
    nz, ny, nx = job.shape
    recorder.event(
        "plan", seconds=round(recorder.seconds, 3), exposures=len(job.exposures), boxes=len(plan.tasks),
        resumed=resumed, rows=plan.rows, rows_processed=plan.rows_processed, planes=nz, lines=ny, columns=nx,
        parallel=plan.parallel, peak_memory=plan.peak_bytes, resample=job.how.method, crsigma=job.how.crsigma,
    )  # fmt: skip


def existing_part(path: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.is_dir())


def _box_name(corners: tuple[Any, ...]) -> str:
    """A box as logs call it: its planes and lines, from 0, the last ones included."""
    z0, z1, y0, y1 = corners
    return f"box z{z0}-{z1 - 1} y{y0}-{y1 - 1}"


def _execute(
    executor: Executor,
    work: Path,
    job: Job,
    plan: Plan,
    done: journal.Done,
    progress: Progress,
    recorder: Recorder,
    keep: Scratch | None = None,
) -> tuple[int, int, int]:
    """Compute the missing boxes, each recorded when finished; returns rows, rejected rows and filled voxels of all."""
    fingerprint = job.fingerprint()
    total = [sum(numbers[k] for numbers in done.values()) for k in range(3)]
    # the largest first, so that the processors finish together
    largest_first = sorted(plan.tasks, key=lambda task: -task.rows_with_margin)
    missing = [t for t in largest_first if t.box.corners not in done]
    todo = [t.box.corners for t in missing]
    notices: set[str] = set()
    with open(work / journal.NAME, "a") as stream:

        def finished(k: int, measured: Measured) -> None:
            result = measured.result
            corners, numbers = todo[k], [result[name] for name in ("rows", "rejected", "values")]
            for i, number in enumerate(numbers):
                total[i] += number
            stream.write(journal.line(corners, numbers))
            stream.flush()
            expected = {"rows_expected": missing[k].rows_with_margin, "memory_expected": missing[k].peak_bytes}
            recorder.task(BOXES, _box_name(corners), measured, expected)
            if result["notice"] and result["notice"] not in notices:
                notices.add(result["notice"])
                LOG.warning(result["notice"])
            progress.advance(rows=result["rows"])

        calls: list[tuple[Any, ...]] = [(str(work), fingerprint, corners, keep) for corners in todo]
        executor.run(tasks.compute_box, calls, finished, plan.parallel)
    return total[0], total[1], total[2]
