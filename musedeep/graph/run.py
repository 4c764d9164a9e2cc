"""From inputs to products: scan, plan, execute, finish. The one place where all floors meet.

A run keeps what it has in a work directory inside the output directory: `job.json` (what is done),
indexes, the products in the making, and `done.txt` with a line a finished box. Started again with the
same inputs, it does only what is missing; with other inputs or parameters it starts afresh. Products get
their names when they are complete. A lock keeps other runs away from the output directory meanwhile.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.graph import tasks
from musedeep.graph.executor import Executor, open_executor
from musedeep.graph.plan import BASE_BYTES, Plan, make_plan
from musedeep.recipes.exp_combine_box import Box
from musedeep.recipes.exp_combine_grid import Grid, Limits, check_grid, grid_from_limits, grid_from_output_wcs
from musedeep.recipes.exp_combine_job import Job, geometry, group_exposures, load_exposures, resampling
from musedeep.recipes.exp_combine_parameters import ExpCombineParameters
from musedeep.recipes.exp_combine_products import Products
from musedeep.recipes.exp_combine_scan import require_rows
from musedeep.storage import scratch
from musedeep.storage.filters import Filter, read_filters
from musedeep.storage.location import Location
from musedeep.storage.lock import output_lock
from musedeep.storage.offset_list import read_offset_list
from musedeep.storage.output_wcs import read_output_wcs
from musedeep.storage.scratch import Scratch

WORK = ".musedeep-work"

LEAST_MEMORY = 32 * 2**20
"""Working memory for the completion of products where the limit leaves less [bytes]."""


class Progress(Protocol):
    """What a run tells while it works."""

    def start(self, n_tasks: int, n_rows: int, done: int = 0) -> None:
        """The plan is made; `done` boxes were finished by an earlier start."""

    def advance(self, rows: int) -> None:
        """A box is finished."""

    def stop(self) -> None:
        """No more boxes."""

    def say(self, text: str) -> None:
        """One line for the user."""


class Silent:
    """No progress at all."""

    def start(self, n_tasks: int, n_rows: int, done: int = 0) -> None:
        """See Progress."""

    def advance(self, rows: int) -> None:
        """See Progress."""

    def stop(self) -> None:
        """See Progress."""

    def say(self, text: str) -> None:
        """See Progress."""


@dataclass
class Request:
    """What a user asks for."""

    pixel_tables: Sequence[Location]
    parameters: ExpCombineParameters
    output: Path
    parameter_texts: Sequence[tuple[str, str]] = ()
    offset_list: Path | None = None
    output_wcs: Path | None = None
    filter_list: Path | None = None
    overwrite: bool = False
    workers: int = 1
    threads: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    memory: int = 4 * 2**30
    scheduler: str | None = None
    box_bytes: int | None = None
    combined_format: frozenset[str] = frozenset({"fits"})
    scratch: str | None = None
    scratch_bytes: int | None = None


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


def prepare(request: Request, executor: Executor, progress: Progress, work: Path) -> tuple[Job, Plan]:
    """Scan the inputs, fix the grid, and make the plan; indexes are left in `work`."""
    parameters = request.parameters
    offsets = read_offset_list(request.offset_list) if request.offset_list else None
    wcs = read_output_wcs(request.output_wcs) if request.output_wcs else None
    groups = group_exposures(request.pixel_tables)
    exposures = load_exposures(groups, parameters, offsets)
    first = exposures[0]
    reference = (first.ra, first.dec)
    how = resampling(parameters, exposures)
    progress.say(f"{len(exposures)} exposures, {sum(e.n_rows for e in exposures):,} rows; indexing")
    calls = []
    for number, exposure in enumerate(exposures):
        g = geometry(exposure, reference)
        calls.append((str(work), number, exposure.paths, g.declination, g.shift, how.lambda_low, how.lambda_high))
    limits = executor.map(tasks.scan, calls)
    names = [e.name for e in exposures]
    limits_all = Limits.union(require_rows(limits, names, how.lambda_low, how.lambda_high))
    narrow = first.mode.startswith("NFM")
    grid: Grid = grid_from_limits(limits_all, reference, parameters.dx, parameters.dy, parameters.dlambda, narrow)
    if wcs:
        grid = grid_from_output_wcs(wcs, grid, limits_all, reference)
    check_grid(grid)
    job = Job(tuple(exposures), reference, grid, how)
    (work / "job.json").write_text(job.to_json())
    fingerprint = job.fingerprint()
    tasks.load_job.cache_clear()
    density = None
    for part in executor.map(
        tasks.locate, [(str(work), k, str(work / "job.json"), fingerprint) for k in range(len(exposures))]
    ):
        density = part.astype(np.float64) if density is None else density + part
    assert density is not None
    options = {"box_bytes": request.box_bytes} if request.box_bytes else {}
    plan = make_plan(
        density, grid, how, len(exposures), request.memory, executor.parallel, executor.processes, **options
    )
    return job, plan


def combine(request: Request, progress: Progress | None = None, dry_run: bool = False) -> Outcome:
    """Combine exposures into a cube.

    Raises
    ------
    MusedeepError
        Bad input, an existing output without `overwrite`, another run at work on the output, not enough memory or
        disk.
    """
    progress = progress or Silent()
    began = time.monotonic()
    auxiliary = (
        (request.offset_list, "OFFSET_LIST"),
        (request.output_wcs, "OUTPUT_WCS"),
        (request.filter_list, "FILTER_LIST"),
    )
    calibrations = [(path.name, category) for path, category in auxiliary if path]
    memory = max(request.memory - BASE_BYTES, LEAST_MEMORY)
    products = Products(
        request.output, request.parameters, request.parameter_texts, calibrations, request.combined_format,
        memory, request.threads,
    )  # fmt: skip
    products.check_existing(request.overwrite)
    filters, missing = read_filters(request.filter_list, request.parameters.filters)
    for name in missing:
        progress.say(f"filter '{name}' is not in the FILTER_LIST: its image is left out")
    if dry_run:
        # in a directory of its own: a run that is at work, or interrupted, keeps what it has
        directory = TemporaryDirectory(prefix=f"{WORK}-", dir=_existing_part(request.output))
        with directory as work, _executor(request) as executor:
            job, plan = prepare(request, executor, progress, Path(work))
        return Outcome([], plan, job, 0, 0, time.monotonic() - began, 0)
    with output_lock(request.output):
        products.check_existing(request.overwrite)  # again: a run may have ended in the meantime
        with _executor(request) as executor:
            return _combine(request, executor, products, filters, progress, began)


@contextmanager
def _executor(request: Request) -> Iterator[Executor]:
    executor = open_executor(request.workers, request.threads, request.memory, request.scheduler)
    try:
        yield executor
    finally:
        tasks.forget()
        executor.close()


def _combine(
    request: Request,
    executor: Executor,
    products: Products,
    filters: Sequence[Filter],
    progress: Progress,
    began: float,
) -> Outcome:
    """Prepare, compute what is missing, and finish, in an output directory that is ours alone."""
    work = request.output / WORK
    try:
        work.mkdir(exist_ok=True)
        job, plan = prepare(request, executor, progress, work)
        done = _resume(work, job, plan)
        if not done:
            products.create(work, job)
        progress.start(len(plan.tasks), plan.rows, len(done))
        with _scratch(request, executor, job) as keep:
            rows, rejected = _execute(executor, work, job, plan, done, progress, keep)
        progress.stop()
        recorded = len((work / "done.txt").read_text().splitlines()) - 1
        if recorded != len(plan.tasks):
            raise RuntimeError(f"{recorded} boxes recorded, {len(plan.tasks)} planned")
        # the memory of the boxes is free for the completion
        executor.close()
        tasks.forget()
        made = products.finish(work, job, filters, progress.say)
        shutil.rmtree(work)
        return Outcome(made, plan, job, rows, rejected, time.monotonic() - began, len(done))
    except MusedeepError:
        _forget_if_nothing_is_done(work)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _forget_if_nothing_is_done(work)
        raise MusedeepError(
            f"{request.output}: {error.strerror}; free space and start again, to go on where this run stopped"
        ) from error


def _forget_if_nothing_is_done(work: Path) -> None:
    journal = work / "done.txt"
    if not journal.exists() or len(journal.read_text().splitlines()) < 2:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _scratch(request: Request, executor: Executor, job: Job) -> Iterator[Scratch | None]:
    """What workers may keep on the disks of their nodes, removed in the end."""
    if request.scratch is None:
        yield None
        return
    # a run has the output directory for itself, so it has this name for itself
    token = hashlib.sha256(f"{request.output.absolute()} {job.fingerprint()}".encode()).hexdigest()[:16]
    keep = Scratch(request.scratch, f"musedeep-{token}", request.scratch_bytes)
    try:
        yield keep
    finally:
        executor.everywhere(scratch.remove, keep)
        scratch.remove(keep)  # of workers of this machine that were killed


def _existing_part(path: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.is_dir())


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.z0, box.z1, box.y0, box.y1


def _resume(work: Path, job: Job, plan: Plan) -> dict[tuple[int, int, int, int], tuple[int, int]]:
    """Boxes finished by an earlier start of the same run, with their rows and rejected rows."""
    fingerprint = job.fingerprint()
    journal = work / "done.txt"
    done: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    if journal.exists():
        lines = journal.read_text().split("\n")
        if lines[0] == fingerprint and tasks.cube_path(str(work)).exists():
            for line in lines[1:-1]:  # what follows the last newline was not finished
                numbers = [int(v) for v in line.split()]
                done[(numbers[0], numbers[1], numbers[2], numbers[3])] = (numbers[4], numbers[5])
    expected = {_corners(t.box) for t in plan.tasks}
    if not done or not set(done) <= expected:
        done = {}
        for name in list(work.iterdir()):
            if not name.name.startswith(("index-", "segments-", "job.json")):
                shutil.rmtree(name) if name.is_dir() else name.unlink()
        journal.write_text(fingerprint + "\n")
    return done


def _execute(
    executor: Executor,
    work: Path,
    job: Job,
    plan: Plan,
    done: dict[tuple[int, int, int, int], tuple[int, int]],
    progress: Progress,
    keep: Scratch | None = None,
) -> tuple[int, int]:
    """Compute the missing boxes, each recorded when finished; returns rows and rejected rows of all."""
    fingerprint = job.fingerprint()
    rows = sum(v[0] for v in done.values())
    rejected = sum(v[1] for v in done.values())
    # the largest first, so that the processors finish together
    largest_first = sorted(plan.tasks, key=lambda task: -task.rows_with_margin)
    todo = [_corners(t.box) for t in largest_first if _corners(t.box) not in done]
    notices: set[str] = set()
    with open(work / "done.txt", "a") as journal:

        def finished(corners: tuple[Any, ...], result: dict[str, Any]) -> None:
            nonlocal rows, rejected
            rows += result["rows"]
            rejected += result["rejected"]
            journal.write(" ".join(str(v) for v in (*corners, result["rows"], result["rejected"])) + "\n")
            journal.flush()
            if result["notice"] and result["notice"] not in notices:
                notices.add(result["notice"])
                progress.say(result["notice"])
            progress.advance(result["rows"])

        calls: list[tuple[Any, ...]] = [(str(work), fingerprint, corners, keep) for corners in todo]
        executor.run(tasks.compute_box, calls, lambda k, result: finished(todo[k], result), plan.parallel)
    return rows, rejected
