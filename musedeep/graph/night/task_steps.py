"""What a run of a night keeps of the tasks that have begun: whole ones, and the calls for workers they consist of."""

from collections.abc import Callable
from dataclasses import dataclass

from musedeep.graph.night.plan import Task
from musedeep.graph.night.task import TaskCall, TaskResult


@dataclass
class TaskAtWork:
    """A task at work: what workers have to know, when it began, pieces that are not over, what went wrong."""

    task: Task
    call: TaskCall
    began: float
    left: int = 0
    failure: str = ""


@dataclass(frozen=True)
class TaskStep:
    """A call for a worker: of a whole task, or of a part of it."""

    work: TaskAtWork
    function: Callable[..., TaskResult]
    memory: int
    ifu: tuple[int, ...] = ()
