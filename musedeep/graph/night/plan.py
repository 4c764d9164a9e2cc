"""The plan of a night: one task for each recipe, exposure set and IFU, and what each needs; plain data, no I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from musedeep.declaration import Cost, Parameters, Scope
from musedeep.errors import MusedeepError, nearest
from musedeep.recipes.registry import declared, steps

Frames = tuple[tuple[str, str], ...]
"""Path and tag of each frame."""


@dataclass(frozen=True)
class FrameSet:
    """A set-of-frames, and what its recipe will make of it.

    Attributes
    ----------
    name : unique in the night, as flat-01
    step : as flat
    recipe : as muse_flat
    ifu : 0: all that the frames hold
    frames : path and tag of each
    products : paths that other sets may list
    directory : of the products, below that of the night; empty: there
    exposure : number of the exposure, of a recipe on single ones; 0: none
    parameters : (name, value) of this set alone, before those of the recipe in the whole night
    ifus : those that are wanted of a recipe on all of them; empty: all that the frames hold
    """

    name: str
    step: str
    recipe: str
    ifu: int
    frames: Frames
    products: tuple[str, ...] = ()
    directory: str = ""
    exposure: int = 0
    parameters: tuple[tuple[str, str], ...] = ()
    ifus: tuple[int, ...] = ()

    def settings(self, common: Parameters) -> Parameters:
        """Its parameters, where the recipe has some in the whole night; MusedeepError for a wrong one."""
        own = common
        if self.parameters:
            own = declared()[self.recipe].parse({**common.given, **dict(self.parameters)})
        return own.model_copy(update={"nifu": self.ifu} if "nifu" in type(own).model_fields else {})


@dataclass(frozen=True)
class Task:
    """One call of a recipe.

    Attributes
    ----------
    frames : the set-of-frames
    needs : names of tasks whose products are among its frames
    cost : what it takes
    urgency : seconds from its start to the end of what waits for it
    """

    frames: FrameSet
    needs: tuple[str, ...]
    cost: Cost
    urgency: float = 0.0

    @property
    def name(self) -> str:
        """Of its set-of-frames."""
        return self.frames.name


@dataclass(frozen=True)
class NightPlan:
    """All tasks, in an order in which they could run one by one."""

    tasks: tuple[Task, ...]
    seconds: float = 0.0

    def by_name(self) -> dict[str, Task]:
        """Tasks by name."""
        return {task.name: task for task in self.tasks}

    def order_of_work(self) -> list[Task]:
        """The tasks as they begin where one runs at a time: always the most urgent whose needs are over."""
        waiting, over, order = sorted(self.tasks, key=lambda task: -task.urgency), set[str](), list[Task]()
        while waiting:
            task = next(one for one in waiting if over.issuperset(one.needs))
            waiting.remove(task)
            over.add(task.name)
            order.append(task)
        return order


SHORT: Final = {"align": "exp_align", "combine": "exp_combine"}
"""Short names of steps."""


def check_step(until: str) -> str:
    """The step, of which a short name may be given; MusedeepError if there is none of that name, with the nearest."""
    until = SHORT.get(until, until)
    if until not in steps():
        near = nearest(until.removeprefix("muse_"), [*steps(), *SHORT])
        hint = f"did you mean {near}?" if near else f"the steps are {', '.join(steps())}"
        raise MusedeepError(f"no step '{until}'; {hint}")
    return until


def steps_until(until: str) -> tuple[str, ...]:
    """The steps up to and including one, in the order in which they run; empty: all."""
    return steps()[: steps().index(check_step(until)) + 1] if until else steps()


def plan_night(sets: Sequence[FrameSet], until: str = "") -> NightPlan:
    """The tasks up to and including a step; all if it is empty.

    Dependencies follow from the paths alone: a task needs those whose products are among its frames. Raises
    MusedeepError for an unknown step, or two sets that make the same file.
    """
    wanted = steps_until(until)
    chosen = sorted((s for s in sets if s.step in wanted), key=lambda s: wanted.index(s.step))
    maker: dict[str, str] = {}
    for one in chosen:
        for path in one.products:
            if path in maker:
                raise MusedeepError(f"{path}: would be made by {maker[path]} and {one.name}; give each its directory")
            maker[path] = one.name
    tasks: list[Task] = []
    seen: set[str] = set()
    for one in chosen:
        needs = dict.fromkeys(maker[path] for path, _ in one.frames if path in maker)
        if not set(needs) <= seen:
            missing = next(name for name in needs if name not in seen)
            raise MusedeepError(f"{one.name}: needs {missing}, which comes later; correct the sets-of-frames")
        tasks.append(Task(one, tuple(needs), _cost(one)))
        seen.add(one.name)
    return NightPlan(tuple(_with_urgency(tasks)), sum(task.cost.seconds for task in tasks))


def _cost(one: FrameSet) -> Cost:
    recipe, ifus = declared()[one.recipe], n_ifus(one)
    several = recipe.apart or recipe.scope is Scope.EXPOSURES
    cost = recipe.cost
    seconds = cost.seconds * ifus * (n_exposures(one) if several else 1)
    memory = cost.memory + (0 if one.ifu else ifus * cost.memory_per_ifu)
    return replace(cost, memory=memory, seconds=seconds)


def n_ifus(one: FrameSet) -> int:
    """IFUs of a set-of-frames: for all of them, those of which it lists a MASTER_BIAS or a pixel table."""
    tables = {path.rpartition("-")[2] for path, tag in one.frames if tag == one.frames[0][1] and "PIXTABLE" in tag}
    return 1 if one.ifu else max(1, sum(tag == "MASTER_BIAS" for _, tag in one.frames), len(tables))


def n_exposures(one: FrameSet) -> int:
    """Exposures that are not calibrations of others; a raw frame is one, pixel tables are one per IFU."""
    raws = sum(tag == one.frames[0][1] for _, tag in one.frames) if one.frames else 1
    return -(-raws // n_ifus(one)) if one.frames and one.frames[0][1].startswith("PIXTABLE") else raws


def _with_urgency(tasks: list[Task]) -> list[Task]:
    after: dict[str, float] = {}
    for task in reversed(tasks):
        urgency = after.get(task.name, 0.0) + task.cost.seconds
        for need in task.needs:
            after[need] = max(after.get(need, 0.0), urgency)
    return [replace(task, urgency=after.get(task.name, 0.0) + task.cost.seconds) for task in tasks]


def remaining_frames(
    plan: NightPlan, task: Task, failed: Collection[str], absent: Collection[str] = ()
) -> Frames | None:
    """The frames of a task without those of tasks that failed or were skipped; None if it cannot run without them.

    A task of one IFU cannot. One of all IFUs goes on with the others, one of several exposures with the others, as long
    as there are enough.

    Parameters
    ----------
    failed : names of tasks
    absent : products that tasks have not made, though they made others
    """
    sets = {one.name: one.frames for one in plan.tasks}
    gone = [sets[name] for name in task.needs if name in failed]
    theirs = {path for path, _ in task.frames.frames if path in absent}
    if not gone and not theirs:
        return task.frames.frames
    if task.frames.ifu or not all(one.ifu or one.exposure for one in gone):
        return None
    lost = {one.ifu for one in gone if one.ifu}
    theirs |= {path for one in sets.values() if one.ifu in lost or one in gone for path in one.products}
    kept = tuple((path, tag) for path, tag in task.frames.frames if path not in theirs)
    if {tag for _, tag in kept} != {tag for _, tag in task.frames.frames}:
        return None
    minimum = {one.name: one.minimum for one in declared()[task.frames.recipe].inputs if one.raw}
    enough = all(sum(tag == name for _, tag in kept) >= minimum.get(name, 0) for name in {tag for _, tag in kept})
    return kept if enough else None


def at_once(
    plan: NightPlan, memory: int, processors: int, base: int, processes: bool = False, given: str = "--memory"
) -> int:
    """How many of the largest tasks may run at once: one a processor, and no more than the memory holds.

    Raises MusedeepError if not even one fits; the task is named.

    Parameters
    ----------
    memory : limit of all processes together [bytes]
    base : bytes of a process without a task
    processes : each task has a process of its own, beside the one that directs them
    given : where the limit is given, for messages
    """
    largest = max(plan.tasks, key=lambda task: task.cost.memory, default=None)
    if largest is None:
        return 1
    one = largest.cost.memory + (base if processes else 0)
    number = int((memory - base) // one)
    if number < 1:
        raise MusedeepError(
            f"{largest.frames.recipe} ({largest.name}) needs about {(base + one) / 2**30:.1f} GiB, {given} allows "
            f"{memory / 2**30:.1f} GiB; give more"
        )
    return min(number, processors)
