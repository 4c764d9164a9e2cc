"""A night from raw frames to pixel tables: the tasks of a plan, each as soon as what it needs is there.

Tasks in flight are bounded, so that their memory is. A task makes its products in a directory of its own; they get
their names when the recipe has ended, and a line in the journal. A second start does what is missing, and what
depends on inputs or parameters that have changed. The failure of a task stops only those that need it.
"""

import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from musedeep.declaration import Parameters, Recipe
from musedeep.errors import MusedeepError, nearest
from musedeep.graph.night.discards import Discards, check_not_needed
from musedeep.graph.night.disk import Disk, as_in_night, check_room, disk_of, free_bytes
from musedeep.graph.night.journal import NEW, WORK, Journal, task_key, without
from musedeep.graph.night.plan import Frames, FrameSet, NightPlan, Task, at_once, plan_night, remaining_frames
from musedeep.graph.night.task import TaskCall, TaskResult, finish_task, look_task, piece_task, run_task
from musedeep.graph.night.task_steps import TaskAtWork, TaskStep
from musedeep.graph.workers.cluster_profile import ClusterProfile
from musedeep.graph.workers.executor import Executor, Resources, WorkersDied
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.graph.workers.open import open_executor
from musedeep.graph.workers.performance import check_dashboard, dashboard_address
from musedeep.graph.workers.records import Measured, Recorder, Work
from musedeep.progress import LOG, Progress
from musedeep.reduction.parameters import SAVE_FITS
from musedeep.reduction.rows.product import wants_fits
from musedeep.storage.lock import LOCK, output_lock
from musedeep.storage.set_of_frames import existing_form, other_form


@dataclass
class NightRequest:
    """What a user asks for.

    Attributes
    ----------
    sets : of the night
    output : directory of the products
    modules : module of each recipe
    parameters : given for a recipe, by name
    until : last step
    save_fits : write pixel tables as FITS files, too
    plots : draw pictures beside the products
    discard : kinds of products to remove when all that reads them is done, of `discards.KINDS`
    workers, threads, memory, scheduler, cluster : as in `executor.Resources`
    dashboard : show that of dask
    """

    sets: Sequence[FrameSet]
    output: Path
    modules: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    until: str = ""
    overwrite: bool = False
    save_fits: bool = False
    plots: bool = False
    discard: Sequence[str] = ()
    workers: int | None = None
    threads: int = 1
    memory: int = 4 * 2**30
    scheduler: str | None = None
    cluster: ClusterProfile | None = None
    dashboard: bool = False


@dataclass
class NightOutcome:
    """What came out.

    Attributes
    ----------
    disk : what is to be made takes there
    made, earlier : tasks done now, and by earlier starts
    failed : why, by task
    skipped : the tasks that each would have needed, by task
    lost : what tasks of all IFUs went on without, by task
    products : made now
    discarded : products that were removed
    seconds : of this start
    took : seconds of each task made now
    """

    plan: NightPlan
    made: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    products: list[Path] = field(default_factory=list)
    discarded: list[Path] = field(default_factory=list)
    seconds: float = 0.0
    took: dict[str, float] = field(default_factory=dict)
    disk: Disk = field(default_factory=Disk)


def prepare(request: NightRequest) -> tuple[NightPlan, dict[str, Parameters]]:
    """The plan, and the parameters of each recipe in it.

    Raises MusedeepError for an unknown step, a recipe that there is not, a wrong parameter, or nothing to do.
    """
    plan = plan_night(request.sets, request.until)
    if not plan.tasks:
        raise MusedeepError(f"no frames for any step until {request.until}; see `musedeep associate`")
    recipes: dict[str, Recipe[Any]] = {}
    done: list[str] = []
    for task in plan.tasks:
        name = task.frames.recipe
        if name not in request.modules:
            until = f"end with --until {done[-1]}" if done else "there is none before it"
            raise MusedeepError(f"this version has no recipe {name}, which step {task.frames.step} needs; {until}")
        if task.frames.step not in done:
            done.append(task.frames.step)
        if name not in recipes:
            recipes[name] = import_module(request.modules[name]).RECIPE
    for name in request.parameters:
        if name not in request.modules:
            near = nearest(name, list(request.modules))
            hint = f"did you mean {near}?" if near else f"there are {', '.join(request.modules)}"
            raise MusedeepError(f"no recipe '{name}' to set a parameter of; {hint}")
    given = request.parameters
    return plan, {name: recipe.parse(as_in_night(recipe, given.get(name, {}))) for name, recipe in recipes.items()}


def reduce_night(
    request: NightRequest, progress: Progress, dry_run: bool = False, interrupted: Callable[[], None] | None = None
) -> NightOutcome:
    """Run the tasks of a night that are not done yet; with `dry_run` find out what is to be done, and do nothing.

    `interrupted` is called at KeyboardInterrupt, before the cluster is closed, which waits for the tasks at work.
    Raises MusedeepError as `prepare`; for too little memory; another run at work there; products of another program.
    """
    began = time.monotonic()
    plan, parameters = prepare(request)
    check_not_needed(request.discard, parameters)
    if request.dashboard:
        check_dashboard()
    workers = request.workers or 1
    apart = workers > 1
    parallel = workers if apart else request.threads
    if request.cluster:
        at_once(plan, request.cluster.worker_bytes, request.cluster.cores, BASE_BYTES, given=str(request.cluster.path))
    elif not request.scheduler:
        fitting = at_once(plan, request.memory, parallel, BASE_BYTES, apart)
        # processes get equal shares of the memory; threads share it, and more of the small tasks fit
        parallel = fitting if apart else parallel
    if dry_run:
        run = _Run(request, plan, parameters, progress, parallel)
        run.pretend()
        return run.outcome
    with output_lock(request.output):
        run = _Run(request, plan, parameters, progress, parallel)
        run.check_existing()
        _remove_scratch(request.output)  # of a run that was killed
        run.check_room()
        local = not (request.scheduler or request.cluster)
        wanted = (parallel if apart else 1) if local else request.workers
        resources = Resources(wanted, parallel, request.memory, request.scheduler, request.cluster, request.dashboard)
        run.executor = open_executor(resources, request.output)
        try:
            if not local:
                run.parallel = run.executor.parallel
                run.executor.check_workers(run.inputs(), request.output / LOCK)
            if address := dashboard_address(run.executor):
                LOG.info(f"dashboard: {address}")
            run.recorder.event("plan", tasks=len(plan.tasks), parallel=run.parallel)
            run.work()
        except KeyboardInterrupt:
            run.recorder.event("interrupted", seconds=round(run.recorder.seconds, 3))
            if interrupted is not None:
                interrupted()
            raise
        finally:
            run.executor.close()
            _remove_scratch(request.output)
        run.outcome.seconds = time.monotonic() - began
        made, failed = len(run.outcome.made), len(run.outcome.failed)
        run.recorder.event("end", seconds=round(run.outcome.seconds, 3), made=made, failed=failed)
        return run.outcome


def _remove_scratch(output: Path) -> None:
    for scratch in (output / WORK).glob("*/"):
        shutil.rmtree(scratch, ignore_errors=True)


class _Run:
    """One start: which tasks wait, run, and are over."""

    def __init__(
        self,
        request: NightRequest,
        plan: NightPlan,
        parameters: dict[str, Parameters],
        progress: Progress,
        parallel: int,
    ) -> None:
        self.request, self.plan, self.parameters, self.progress = request, plan, parameters, progress
        self.executor: Executor | None = None
        self.parallel = parallel
        self.journal = Journal(request.output)
        self.discards = Discards(plan, request.sets, self.journal, request.discard)
        # of this start alone: a job that outlives a killed start may still write into those of its own
        self.work_directory = request.output.absolute() / WORK / f"start-{time.time_ns():x}"
        self.outcome = NightOutcome(plan)
        self.recorder = Recorder()
        self.keys: dict[str, str] = {}
        self.key_of_path: dict[str, str] = {}
        # the most urgent first; the order of the plan where that is the same
        self.waiting = sorted(plan.tasks, key=lambda task: -task.urgency)
        self.tasks = plan.by_name()
        # products that tasks have not made, though they made others
        self.absent: set[str] = set()
        # parts of tasks that have begun
        self.ready: deque[TaskStep] = deque()

    @property
    def over(self) -> set[str]:
        out = self.outcome
        return {*out.made, *out.earlier, *out.failed, *out.skipped}

    def check_existing(self) -> None:
        """Refuse to begin where products stand in the way that were not made here."""
        for task in self.plan.tasks:
            names = [self._below(path) for path in task.frames.products]
            # pixel tables are stores here
            names += [other_form(name) for name in names]
            self.journal.check_existing(names, self.request.overwrite)

    def _below(self, path: str) -> str:
        """A product's path below the output directory."""
        return str(Path(path).relative_to(self.request.output)) if self._inside(path) else path

    def _inside(self, path: str) -> bool:
        return Path(path).is_relative_to(self.request.output)

    def pretend(self) -> None:
        """Find what is done already, and take the rest as made; what that takes on disk."""
        reasons = self._reasons()
        for name, reason in reasons.items():
            (self.outcome.made if reason else self.outcome.earlier).append(name)
        self._measure(reasons)

    def check_room(self) -> None:
        """Say what is done again and why, and refuse to begin where the disk does not hold what is to be made."""
        self._measure(self._reasons(gone=NEW))
        disk = self.outcome.disk
        check_room(self.request.output, disk)
        if disk.need:
            LOG.info(f"about {disk.need / 1e9:.3g} GB to write, {disk.free / 1e9:.3g} GB free")

    def _reasons(self, gone: str = "") -> dict[str, str]:
        """Why each task is to be done, empty if it is done; `gone` if a file is missing, which else is an error."""
        reasons, keys = dict[str, str](), dict[str, str]()
        for task in self.plan.tasks:
            try:
                key = self._key(task, task.frames.frames, keys)
            except MusedeepError:
                if not gone:
                    raise
                reasons[task.name] = gone
                continue
            keys.update(dict.fromkeys(task.frames.products, key))
            reasons[task.name] = self.journal.why(task.name, key)
        self.discards.ask_again(reasons)
        return reasons

    def _measure(self, reasons: Mapping[str, str]) -> None:
        """What the tasks that are to be done take on disk; a line for each reason why some are done again."""
        todo = [task for task in self.plan.tasks if reasons[task.name]]
        sets = [(task.frames, self._settings(task)) for task in self.plan.order_of_work() if reasons[task.name]]
        save_fits = self.request.save_fits or wants_fits()
        self.outcome.disk = disk_of(sets, save_fits, self.journal.replaced, self.parallel, self.discards.readers)
        self.outcome.disk.free = free_bytes(self.request.output)
        for reason in dict.fromkeys(reasons.values()):
            names = [task.name for task in todo if reasons[task.name] == reason != NEW]
            if names:
                several = f"{len(names)} tasks" if len(names) > 3 else ", ".join(names)
                LOG.info(f"done again, {reason}: {several}")

    def inputs(self) -> list[str]:
        """Files that are there before the first task."""
        made = {path for task in self.plan.tasks for path in task.frames.products}
        return sorted({path for task in self.plan.tasks for path, _ in task.frames.frames} - made)

    def work(self) -> None:
        """Run everything."""
        assert self.executor is not None
        executor = self.executor
        self.progress.begin(len(self.plan.tasks), "tasks", cost=self.plan.seconds)
        running: dict[Any, TaskStep] = {}
        memory = (executor.memory or self.request.memory) - BASE_BYTES

        def fits(need: int) -> bool:
            used = sum(step.memory for step in running.values())
            return not running or (len(running) < self.parallel and used + need <= memory)

        def submit(step: TaskStep) -> None:
            running[executor.submit(step.function, step.work.call, *step.ifu, memory=step.memory)] = step

        def launch() -> None:
            while self.ready and fits(self.ready[0].memory):
                submit(self.ready.popleft())
            if self.ready:
                return
            for task in self._startable():
                # the most urgent one is waited for, if there is no place for it
                if not fits(task.cost.piece or task.cost.memory):
                    return
                step = self._begin(task)
                if step is None:  # what needs it is over, too
                    return launch()
                submit(step)

        try:
            launch()
            while running:
                executor.want(len(self.waiting) + len(self.ready) + len(running))
                future = executor.next_ended()
                step = running.pop(future)
                try:
                    result = executor.result(future)
                except WorkersDied as error:
                    result = TaskResult(str(error), 0.0)
                self._go_on(step, result)
                launch()
        except BaseException:
            executor.cancel(running)
            raise
        if self.waiting:
            raise RuntimeError(f"{len(self.waiting)} tasks never became ready")

    def _startable(self) -> list[Task]:
        """Tasks of which all needs are over; those that were done by an earlier start, or cannot be, end here."""
        found: list[Task] = []
        again = True
        while again:
            again = False
            over = self.over
            for task in list(self.waiting):
                if task in found or not set(task.needs) <= over:
                    continue
                if self._settle(task):
                    self.waiting.remove(task)
                    again = True
                    break
                found.append(task)
        return [task for task in self.waiting if task in found]

    def _frames(self, task: Task) -> Any:
        return remaining_frames(self.plan, task, {*self.outcome.failed, *self.outcome.skipped}, self.absent)

    def _settle(self, task: Task) -> bool:
        """Whether a task is over without being run."""
        frames = self._frames(task)
        if frames is None:
            out = self.outcome
            lacking = {n for n in task.needs if self.absent & set(self.tasks[n].frames.products)}
            out.skipped[task.name] = [n for n in task.needs if n in {*out.failed, *out.skipped, *lacking}]
            self.progress.advance(cost=task.cost.seconds, made=False)
            return True
        try:
            key = self._key(task, frames)
        except MusedeepError as error:
            self._fail(task, str(error))
            return True
        if task.name not in self.discards.again and not self.journal.why(task.name, key):
            self._know(task, key)
            self.outcome.earlier.append(task.name)
            self.progress.advance(cost=task.cost.seconds, made=False)
            self._discard(task, frames)
            return True
        return False

    def _discard(self, task: Task, frames: Frames, lacking: bool = False) -> None:
        """Remove what nobody reads after a task."""
        try:
            gone = self.discards.ended(task, frames, lacking)
        except MusedeepError as error:  # the products of the task are there
            LOG.warning(f"nothing is discarded after {task.name}: {error}")
            return
        self.outcome.discarded += gone
        self.outcome.products = [path for path in self.outcome.products if path not in gone]

    def _settings(self, task: Task) -> Parameters:
        return task.frames.settings(self.parameters[task.frames.recipe])

    def _key(self, task: Task, frames: Any, keys: Mapping[str, str] | None = None) -> str:
        settings = self._settings(task).texts()
        if self.request.save_fits and task.frames.step == "scibasic":
            settings[SAVE_FITS] = True
        return task_key(task.frames.recipe, settings, frames, self.key_of_path if keys is None else keys)

    def _know(self, task: Task, key: str) -> None:
        self.keys[task.name] = key
        self.key_of_path.update(dict.fromkeys(task.frames.products, key))

    def _begin(self, task: Task) -> TaskStep | None:
        """The first call of a task; None if it cannot begin."""
        self.waiting.remove(task)
        frames = self._frames(task)
        try:
            self.keys[task.name] = self._key(task, frames)
        except MusedeepError as error:  # a file has gone since it was found to be startable
            self._fail(task, str(error))
            return None
        # the failure of an IFU has been told
        apart = {path for one in self.plan.tasks if one.frames.exposure for path in one.frames.products} | self.absent
        kept = {path for path, _ in frames}
        if left_out := [self._below(path) for path, _ in task.frames.frames if path in apart - kept]:
            self.outcome.lost[task.name] = f"{', '.join(left_out)}, which could not be made"
            LOG.warning(f"{task.name} goes on without {self.outcome.lost[task.name]}")
        module = self.request.modules[task.frames.recipe]
        directory = self.work_directory / task.name
        call = TaskCall(
            module, list(frames), self._settings(task), str(directory), self.request.save_fits, self.request.plots
        )
        work = TaskAtWork(task, call, time.monotonic())
        if task.cost.piece and hasattr(import_module(module).RECIPE.load(), "piece"):
            return TaskStep(work, look_task, task.cost.piece)
        return TaskStep(work, run_task, task.cost.memory)

    def _go_on(self, step: TaskStep, result: TaskResult) -> None:
        """What follows a call: the pieces of its task, what puts them together, or the end of the task."""
        work, task = step.work, step.work.task
        if step.function is look_task and not result.failure:
            work.left = len(result.pieces)
            self.ready.extend(TaskStep(work, piece_task, task.cost.piece, (ifu,)) for ifu in result.pieces)
            return
        if step.function is piece_task:
            work.left -= 1
            work.failure = work.failure or result.failure
            if work.left:
                return
            if not work.failure:
                self.ready.append(TaskStep(work, finish_task, task.cost.memory))
                return
            result = replace(result, failure=work.failure)
        if step.function is not run_task:
            result = replace(result, seconds=time.monotonic() - work.began)
        self._end(task, result)
        if result.failure:
            shutil.rmtree(work.call.directory, ignore_errors=True)

    def _end(self, task: Task, result: TaskResult) -> None:
        failure = result.failure
        key = self.keys[task.name]
        if task.frames.ifus:  # raw frames may hold others, which have no calibrations then
            lost = {ifu: why for ifu, why in result.lost.items() if ifu in task.frames.ifus}
            result = replace(result, lost=lost)
        if result.lost and not failure:
            key = without(key, result.lost)
            self.outcome.lost[task.name] = "; ".join(result.lost[ifu] for ifu in sorted(result.lost))
            LOG.warning(f"{task.name} went on without: {self.outcome.lost[task.name]}")
        for note in result.notes:
            LOG.warning(f"{task.name}: {note}")
        if not failure:
            source, below = self.work_directory / task.name, task.frames.directory
            try:
                made = self.journal.keep(task.name, key, source, below, self.request.overwrite)
                self.outcome.products += made
            except MusedeepError as error:
                failure = str(error)
        if not failure:
            wanted = self._wanted(task)
            absent = [path for path in wanted if not Path(existing_form(path)).exists()]
            if result.lost and len(absent) < len(wanted):  # what needs these goes on without them
                self.absent.update(absent)
            elif absent:
                failure = f"{task.frames.recipe} made no {Path(absent[0]).name}, which others need"
        if failure:
            self._fail(task, failure)
            return
        self._know(task, key)
        self.outcome.made.append(task.name)
        self.outcome.took[task.name] = result.seconds
        took = Measured(None, Work(), result.ended, result.seconds, result.peak_memory, result.worker)
        self.recorder.task(task.frames.step, task.name, took, {"frames": len(task.frames.frames)})
        self.progress.advance(cost=task.cost.seconds)
        self._discard(task, self._frames(task), bool(result.lost))

    def _wanted(self, task: Task) -> list[str]:
        """Products of a task that have to be there; of a recipe on single exposures those that another task takes."""
        paths = [path for path in task.frames.products if self._inside(path)]
        if not task.frames.exposure:
            return paths
        taken = {path for one in self.plan.tasks for path, _ in one.frames.frames}
        return [path for path in paths if path in taken]

    def _fail(self, task: Task, failure: str) -> None:
        self.outcome.failed[task.name] = failure
        self.recorder.event("task failed", stage=task.frames.step, task=task.name, reason=failure)
        LOG.error(f"{task.name} failed: {failure}")
        self.progress.advance(cost=task.cost.seconds, made=False)
