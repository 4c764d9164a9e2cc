"""How long a run takes, by simulating the executor's way of working. Plain data: no cluster, no files.

Tasks of a stage go out in their order, no more at a time than two for each that may run at once (`graph.executor`);
the client hands them out one after the other, and each goes to the worker that is free first. Where the storage has
a limit, tasks that read share it equally. A stage begins when the one before it is over.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SimulatedTask:
    """A task: seconds of computing, bytes to read, peak memory [bytes], rows, calls made by it."""

    seconds: float
    bytes_read: float = 0.0
    memory: int = 0
    rows: int = 0
    calls: int = 1


def together(tasks: Sequence[SimulatedTask], number: int) -> list[SimulatedTask]:
    """Tasks of so many calls each, made of such of one call."""
    groups = [tasks[k : k + number] for k in range(0, len(tasks), number)]
    return [
        SimulatedTask(
            sum(t.seconds for t in group), sum(t.bytes_read for t in group), max(t.memory for t in group),
            sum(t.rows for t in group), len(group),
        )
        for group in groups
    ]  # fmt: skip


@dataclass(frozen=True)
class SimulatedStage:
    """Tasks that may run side by side, after some seconds in which there is only the client at work.

    Attributes
    ----------
    tasks : in the order in which they go out
    serial_seconds : of the client, before the tasks
    first_task_seconds : what the first tasks of a worker take more than later ones: code has to be loaded. Threads of a
        worker wait for it together
    on_client : the tasks run in the client, one after the other, with the workers gone
    moved : bytes that the storage moves for each byte that a task reads: less than 1 for compressed columns, more where
        whole chunks are read for a few rows
    """

    name: str
    tasks: Sequence[SimulatedTask]
    serial_seconds: float = 0.0
    first_task_seconds: float = 0.0
    on_client: bool = False
    moved: float = 1.0


@dataclass(frozen=True)
class Machine:
    """What a run takes place on.

    Attributes
    ----------
    workers, threads : processes, and tasks at once in each
    base_memory : a process before any data [bytes]
    start_seconds, end_seconds : until the client can hand out its first task; after the last stage
    dispatch_seconds : of the client for each task
    bytes_per_second : of the storage, for all workers together; None: as fast as is needed
    """

    workers: int
    threads: int = 1
    base_memory: int = 0
    start_seconds: float = 0.0
    end_seconds: float = 0.0
    dispatch_seconds: float = 0.0
    bytes_per_second: float | None = None

    @property
    def processes(self) -> int:
        """Processes in all: a single worker lives in the client."""
        return self.workers + (1 if self.workers > 1 else 0)


@dataclass(frozen=True)
class StageTimes:
    """A stage as simulated: wall clock, seconds of all tasks, what was read, peak memory of a worker and of all.

    Of `busy_seconds`, tasks have waited for the storage for `waiting_seconds`, and loaded code for `loading_seconds`.
    """

    name: str
    tasks: int
    rows: int
    bytes_read: float
    seconds: float
    busy_seconds: float
    worker_peak_memory: int
    peak_memory: int
    waiting_seconds: float = 0.0
    loading_seconds: float = 0.0


@dataclass(frozen=True)
class Simulation:
    """A run as simulated.

    Attributes
    ----------
    seconds : from the start of the command to its end
    peak_memory, worker_peak_memory : of all processes together, and of the worker with most [bytes]
    busy : share of the workers' time in which they compute or read, from 0 to 1
    """

    seconds: float
    stages: tuple[StageTimes, ...]
    bytes_read: float
    peak_memory: int
    worker_peak_memory: int
    busy: float


def simulate(stages: Sequence[SimulatedStage], machine: Machine) -> Simulation:
    """Simulate a run; ValueError for a machine without workers, threads or bandwidth."""
    if machine.workers < 1 or machine.threads < 1:
        raise ValueError("a machine has at least one worker with one thread")
    if machine.bytes_per_second is not None and not machine.bytes_per_second > 0:
        raise ValueError("the storage reads at least something in a second")
    now = machine.start_seconds
    done = []
    for stage in stages:
        began = now
        run = _StageRun(stage, machine, now + stage.serial_seconds)
        now = run.run()
        done.append(
            StageTimes(
                name=stage.name,
                tasks=sum(task.calls for task in stage.tasks),
                rows=sum(task.rows for task in stage.tasks),
                bytes_read=sum(task.bytes_read for task in stage.tasks),
                seconds=now - began,
                busy_seconds=run.busy_seconds,
                worker_peak_memory=machine.base_memory + run.worker_peak,
                peak_memory=machine.base_memory * machine.processes + run.peak,
                waiting_seconds=run.waiting_seconds,
                loading_seconds=run.loading_seconds,
            )
        )
    seconds = now + machine.end_seconds
    slots = machine.workers * machine.threads
    return Simulation(
        seconds=seconds,
        stages=tuple(done),
        bytes_read=sum(stage.bytes_read for stage in done),
        peak_memory=max((stage.peak_memory for stage in done), default=machine.base_memory * machine.processes),
        worker_peak_memory=max((stage.worker_peak_memory for stage in done), default=machine.base_memory),
        busy=sum(stage.busy_seconds for stage in done) / (slots * seconds) if seconds else 0.0,
    )


# what an event is; of those at the same time the first kind is looked at first
_OVER, _ARRIVES = range(2)


class _StageRun:
    """One stage: events in their order of time.

    Tasks that read are kept apart: all of them get the same share of the storage, so that each has read its bytes
    when a common count of bytes for each reader has grown by as many; that count grows the slower the more there are.
    """

    def __init__(self, stage: SimulatedStage, machine: Machine, begin: float) -> None:
        self.stage, self.tasks, self.machine, self.begin = stage, stage.tasks, machine, begin
        self.workers, self.threads = (1, 1) if stage.on_client else (machine.workers, machine.threads)
        # first tasks, still to come, of each worker
        self.cold = [self.threads] * self.workers
        self.used = [0] * self.workers
        self.n_free = self.workers * self.threads
        # the worker with the fewest tasks first; entries that do not hold any more are passed over
        self.free = [(0, worker) for worker in range(self.workers)]
        self.memory = [0] * self.workers
        self.total_memory = self.peak = self.worker_peak = 0
        self.busy_seconds = self.waiting_seconds = self.loading_seconds = 0.0
        self.events: list[tuple[float, int, int, int]] = []
        self.readers: list[tuple[float, int, int]] = []
        self.count, self.counted_at = 0.0, begin
        self.began: dict[int, float] = {}
        self.client_free = begin
        self.next_out = 0

    def run(self) -> float:
        """When the last task is over."""
        queue: deque[int] = deque()
        for _ in range(min(2 * self.n_free, len(self.tasks))):
            self._hand_out(self.begin)
        now, over = self.begin, 0
        while over < len(self.tasks):
            now, kind, task, worker = self._next()
            if kind == _ARRIVES:
                queue.append(task)
            else:
                over += 1
                self._end(task, worker, now)
                if self.next_out < len(self.tasks):
                    self._hand_out(now)
            while queue and self.n_free:
                self._start(queue.popleft(), now)
        return now

    def _hand_out(self, now: float) -> None:
        """The client is busy for a moment; then the next task is on its way."""
        self.client_free = max(self.client_free, now) + self.machine.dispatch_seconds
        heapq.heappush(self.events, (self.client_free, _ARRIVES, self.next_out, -1))
        self.next_out += 1

    def _start(self, task: int, now: float) -> None:
        used, worker = heapq.heappop(self.free)
        while used != self.used[worker]:
            used, worker = heapq.heappop(self.free)
        self._occupy(worker, 1)
        self.began[task] = now
        one = self.tasks[task]
        self.memory[worker] += one.memory
        self.total_memory += one.memory
        self.worker_peak = max(self.worker_peak, self.memory[worker])
        self.peak = max(self.peak, self.total_memory)
        if self.machine.bytes_per_second is not None and one.bytes_read > 0:
            self._grow_count(now)
            heapq.heappush(self.readers, (self.count + self.stage.moved * one.bytes_read, task, worker))
        else:
            self._compute(task, worker, now)

    def _occupy(self, worker: int, change: int) -> None:
        self.used[worker] += change
        self.n_free -= change
        if self.used[worker] < self.threads:
            heapq.heappush(self.free, (self.used[worker], worker))

    def _compute(self, task: int, worker: int, now: float) -> None:
        seconds = self.tasks[task].seconds
        self.waiting_seconds += now - self.began[task]
        if self.cold[worker]:
            self.cold[worker] -= 1
            seconds += self.stage.first_task_seconds
            self.loading_seconds += self.stage.first_task_seconds
        heapq.heappush(self.events, (now + seconds, _OVER, task, worker))

    def _end(self, task: int, worker: int, now: float) -> None:
        self.busy_seconds += now - self.began.pop(task)
        self.memory[worker] -= self.tasks[task].memory
        self.total_memory -= self.tasks[task].memory
        self._occupy(worker, -1)

    def _bytes_per_reader(self) -> float:
        """What each of those who read gets in a second."""
        assert self.machine.bytes_per_second is not None
        return self.machine.bytes_per_second / len(self.readers)

    def _grow_count(self, now: float) -> None:
        if self.readers:
            self.count += (now - self.counted_at) * self._bytes_per_reader()
        self.counted_at = now

    def _next(self) -> tuple[float, int, int, int]:
        """The next event; those who have read all begin to compute on the way."""
        while self.readers:
            target = self.readers[0][0]
            has_read = self.counted_at + max(target - self.count, 0.0) / self._bytes_per_reader()
            if self.events and self.events[0][0] < has_read:
                break
            self._grow_count(has_read)
            self.count = target
            _, task, worker = heapq.heappop(self.readers)
            self._compute(task, worker, has_read)
        return heapq.heappop(self.events)
