"""A night from raw frames to pixel tables: the tasks of a plan, each as soon as what it needs is there, on dask.

Tasks in flight are bounded, so that their memory is. A task makes its products in a directory of its own; they get
their names when the recipe has ended, and a line in the journal. A second start does what is missing, and what
depends on inputs or parameters that have changed. The failure of a task stops only those that need it.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.graph.cluster_profile import ClusterProfile
from musedeep.graph.executor import Executor, Resources, WorkersDied, open_executor
from musedeep.graph.night_journal import WORK, Journal, task_key
from musedeep.graph.night_plan import STEPS, FrameSet, NightPlan, Task, at_once, plan_night, remaining_frames
from musedeep.graph.night_task import TaskResult, run_task
from musedeep.graph.performance import dashboard_address
from musedeep.graph.plan import BASE_BYTES
from musedeep.graph.records import Measured, Recorder, Work
from musedeep.progress import Progress
from musedeep.recipes.declaration import Recipe, nearest
from musedeep.storage.lock import LOCK, output_lock


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
    workers, threads, memory, scheduler, cluster : as in `executor.Resources`
    """

    sets: Sequence[FrameSet]
    output: Path
    modules: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    until: str = STEPS[-1]
    overwrite: bool = False
    save_fits: bool = False
    workers: int | None = None
    threads: int = 1
    memory: int = 4 * 2**30
    scheduler: str | None = None
    cluster: ClusterProfile | None = None


@dataclass
class NightOutcome:
    """What came out.

    Attributes
    ----------
    made, earlier : tasks done now, and by earlier starts
    failed : why, by task
    skipped : the tasks that each would have needed, by task
    lost : what tasks of all IFUs went on without, by task
    products : made now
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
    seconds: float = 0.0
    took: dict[str, float] = field(default_factory=dict)


def prepare(request: NightRequest) -> tuple[NightPlan, dict[str, dict[str, Any]]]:
    """The plan, and the parameters of each recipe in it.

    Raises
    ------
    MusedeepError
        An unknown step, a recipe that there is not, a wrong parameter, or nothing to do.
    """
    plan = plan_night(request.sets, request.until)
    if not plan.tasks:
        raise MusedeepError(f"no frames for any step until {request.until}; see `musedeep associate`")
    recipes: dict[str, Recipe] = {}
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
    return plan, {name: recipe.parse(request.parameters.get(name, {})) for name, recipe in recipes.items()}


def reduce_night(
    request: NightRequest,
    progress: Progress,
    dry_run: bool = False,
    interrupted: Callable[[], None] | None = None,
) -> NightOutcome:
    """Run the tasks of a night that are not done yet.

    Parameters
    ----------
    request : NightRequest
    progress : is told what happens
    dry_run : find out what is to be done, and do nothing
    interrupted : called at KeyboardInterrupt, before the cluster is closed, which waits for the tasks at work

    Raises
    ------
    MusedeepError
        As `prepare`; too little memory; another run at work there; products that another program made.
    """
    began = time.monotonic()
    plan, parameters = prepare(request)
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
        run = _Run(request, plan, parameters, progress, None, parallel)
        run.pretend()
        return run.outcome
    with output_lock(request.output):
        run = _Run(request, plan, parameters, progress, None, parallel)
        run.check_existing()
        local = not (request.scheduler or request.cluster)
        workers_wanted = (parallel if apart else 1) if local else request.workers
        resources = Resources(workers_wanted, parallel, request.memory, request.scheduler, request.cluster)
        run.executor = open_executor(resources, request.output, progress.say)
        try:
            if not local:
                run.parallel = run.executor.parallel
                run.executor.check_workers(run.inputs(), request.output / LOCK)
            if address := dashboard_address(run.executor):
                progress.say(f"dashboard: {address}")
            run.recorder.event("plan", tasks=len(plan.tasks), parallel=run.parallel)
            run.work()
        except KeyboardInterrupt:
            run.recorder.event("interrupted", seconds=round(run.recorder.seconds, 3))
            if interrupted is not None:
                interrupted()
            raise
        finally:
            run.executor.close()
            for scratch in (request.output / WORK).glob("*/"):
                shutil.rmtree(scratch, ignore_errors=True)
        run.outcome.seconds = time.monotonic() - began
        made, failed = len(run.outcome.made), len(run.outcome.failed)
        run.recorder.event("end", seconds=round(run.outcome.seconds, 3), made=made, failed=failed)
        return run.outcome


class _Run:
    """One start: which tasks wait, run, and are over."""

    def __init__(
        self,
        request: NightRequest,
        plan: NightPlan,
        parameters: dict[str, dict[str, Any]],
        progress: Progress,
        executor: Executor | None,
        parallel: int,
    ) -> None:
        self.request, self.plan, self.parameters, self.progress = request, plan, parameters, progress
        self.executor, self.parallel = executor, parallel
        self.journal = Journal(request.output)
        self.outcome = NightOutcome(plan)
        self.recorder = Recorder(progress)
        self.keys: dict[str, str] = {}
        self.key_of_path: dict[str, str] = {}
        # the most urgent first; the order of the plan where that is the same
        self.waiting = sorted(plan.tasks, key=lambda task: -task.urgency)
        self.tasks = plan.by_name()

    @property
    def over(self) -> set[str]:
        out = self.outcome
        return {*out.made, *out.earlier, *out.failed, *out.skipped}

    def check_existing(self) -> None:
        """Refuse to begin where products stand in the way that were not made here."""
        for task in self.plan.tasks:
            names = [self._below(path) for path in task.frames.products]
            # pixel tables are stores here
            names += [f"{name.removesuffix('.fits')}.zarr" for name in names if "PIXTABLE" in name]
            self.journal.check_existing(names, self.request.overwrite)

    def _below(self, path: str) -> str:
        """A product's path below the output directory."""
        return str(Path(path).relative_to(self.request.output)) if self._inside(path) else path

    def _inside(self, path: str) -> bool:
        return Path(path).is_relative_to(self.request.output)

    def pretend(self) -> None:
        """Find what is done already, and take the rest as made."""
        for task in self.plan.tasks:
            key = self._key(task, task.frames.frames)
            self._know(task, key)
            (self.outcome.earlier if self.journal.done(task.name, key) else self.outcome.made).append(task.name)

    def inputs(self) -> list[str]:
        """Files that are there before the first task."""
        made = {path for task in self.plan.tasks for path in task.frames.products}
        return sorted({path for task in self.plan.tasks for path, _ in task.frames.frames} - made)

    def work(self) -> None:
        """Run everything."""
        assert self.executor is not None
        executor = self.executor
        self.progress.begin(len(self.plan.tasks), "tasks", cost=self.plan.seconds)
        running: dict[Any, Task] = {}
        memory = (executor.memory or self.request.memory) - BASE_BYTES

        def launch() -> None:
            for task in self._startable():
                used = sum(one.cost.memory for one in running.values())
                # the most urgent one is waited for, if there is no place for it
                if running and (len(running) >= self.parallel or used + task.cost.memory > memory):
                    return
                call = self._begin(task)
                if call is not None:
                    running[executor.submit(run_task, *call, memory=task.cost.memory)] = task

        try:
            launch()
            while running:
                executor.want(len(self.waiting) + len(running))
                future = executor.next_ended()
                task = running.pop(future)
                try:
                    result = executor.result(future)
                except WorkersDied as error:
                    result = TaskResult(str(error), 0.0)
                self._end(task, result)
                future.release()
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
        return remaining_frames(self.plan, task, {*self.outcome.failed, *self.outcome.skipped})

    def _settle(self, task: Task) -> bool:
        """Whether a task is over without being run."""
        frames = self._frames(task)
        if frames is None:
            out = self.outcome
            out.skipped[task.name] = [n for n in task.needs if n in out.failed or n in out.skipped]
            self.progress.advance(cost=task.cost.seconds, made=False)
            return True
        try:
            key = self._key(task, frames)
        except MusedeepError as error:
            self._fail(task, str(error))
            return True
        if self.journal.done(task.name, key):
            self._know(task, key)
            self.outcome.earlier.append(task.name)
            self.progress.advance(cost=task.cost.seconds, made=False)
            return True
        return False

    def _settings(self, task: Task) -> dict[str, Any]:
        settings = self.parameters[task.frames.recipe]
        return {**settings, "nifu": task.frames.ifu} if "nifu" in settings else settings

    def _key(self, task: Task, frames: Any) -> str:
        settings = self._settings(task)
        if self.request.save_fits and task.frames.step == "scibasic":
            settings = {**settings, "save-fits": True}
        return task_key(task.frames.recipe, settings, frames, self.key_of_path)

    def _know(self, task: Task, key: str) -> None:
        self.keys[task.name] = key
        self.key_of_path.update(dict.fromkeys(task.frames.products, key))

    def _begin(self, task: Task) -> tuple[Any, ...] | None:
        """What to call for a task."""
        self.waiting.remove(task)
        frames = self._frames(task)
        self.keys[task.name] = self._key(task, frames)
        settings = self._settings(task)
        scratch = self.request.output.absolute() / WORK / task.name
        return self.request.modules[task.frames.recipe], list(frames), settings, str(scratch), self.request.save_fits

    def _end(self, task: Task, result: TaskResult) -> None:
        failure = result.failure
        key = self.keys[task.name]
        if result.lost and not failure:
            # so that the next start tries again, and what depends on it follows
            key += "-without-" + ",".join(str(ifu) for ifu in sorted(result.lost))
            self.outcome.lost[task.name] = "; ".join(result.lost[ifu] for ifu in sorted(result.lost))
            self.progress.say(f"{task.name} went on without: {self.outcome.lost[task.name]}")
        for note in result.notes:
            self.progress.say(f"{task.name}: {note}")
        if not failure:
            source = self.request.output / WORK / task.name
            try:
                made = self.journal.keep(task.name, key, source, task.frames.directory, self.request.overwrite)
                self.outcome.products += made
            except MusedeepError as error:
                failure = str(error)
        if not failure:
            wanted = [path for path in task.frames.products if "PIXTABLE" not in path]
            absent = [path for path in wanted if self._inside(path) and not Path(path).exists()]
            if absent:
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

    def _fail(self, task: Task, failure: str) -> None:
        self.outcome.failed[task.name] = failure
        self.recorder.event("task failed", stage=task.frames.step, task=task.name, reason=failure)
        self.progress.say(f"{task.name} failed: {failure}")
        self.progress.advance(cost=task.cost.seconds, made=False)
