"""What a cluster costs and gains: two workers against one, start, overhead of a task, TLS and logs.

    python -m benchmarks.cluster DIRECTORY [workers] [tasks] [security] [--rounds 2]

On a real SLURM on this machine (`tests/makers/slurm_node.py`; root, apt-get install slurm-wlm munge); of each worker
one core.
Makes its pixel tables (kept in DIRECTORY for the next time). Rounds are interleaved, figures are medians.

workers   A combination bound by arithmetic (8 exposures, 10 IFUs, 480 planes, lanczos with ld 2, rejection at 3 sigma)
          by one job and by two; as the limit that the machine sets, two runs of one job each, beside each other. 25
          minutes a round.
tasks     A combination of about 10,000 boxes by two jobs, of the least rows that such boxes can have. What its two
          cores did not spend in tasks counts to the tasks as overhead, waiting included.
security  Empty tasks with the results of boxes, through a scheduler to two workers, with and without TLS, by turns; and
          their lines in the logs. In processor time, because it is far less than what whole runs differ by.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dask
import psutil

from benchmarks.run import SETS, Set, make
from musedeep.cli.run_log import RunLog
from musedeep.graph.workers.credentials import environment, make_credentials
from musedeep.graph.workers.executor import Resources
from musedeep.graph.workers.open import open_executor
from musedeep.graph.workers.records import Measured, Recorder, Work
from tests.makers.cluster_runs import PROFILE, write_profile
from tests.makers.places import ROOT
from tests.makers.slurm_node import SlurmNode, missing

EMPTY = 3000
"""Empty tasks."""

LARGE = Set("large", 8, (8, 17), 480)

SMALL_BOXES = (
    "import sys, musedeep.graph.combine.plan as p\n"
    "p.LEAST_BOX_BYTES = 0\n"
    "p.make_plan.__defaults__ = p.make_plan.__defaults__[:-1] + (int(sys.argv.pop(1)),)\n"
    "from musedeep.cli.main import run\nsys.exit(run())"
)
"""The command line, with boxes of so many bytes."""


@dataclass(frozen=True)
class Timed:
    """A run: whole, its stage of boxes, its first box done after; number of boxes, and what they took together [s]."""

    whole: float
    boxes: float
    first: float
    number: int
    wall: float
    processor: float


def timed(began: float, seconds: float, log: Path) -> Timed:
    """Figures of a run that began at a time of the clock, from its log."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    tasks = [e for e in entries if e["event"] == "task" and e["stage"] == "boxes"]
    stage = next(e for e in entries if e["event"] == "stage" and e["stage"] == "boxes")
    first = min(datetime.fromisoformat(e["time"]).timestamp() for e in tasks)
    return Timed(
        seconds, stage["seconds"], first - began, len(tasks),
        sum(e["seconds"] for e in tasks), sum(e["cpu_seconds"] for e in tasks),
    )  # fmt: skip


class Runs:
    """Combinations of one set, in a directory."""

    def __init__(self, directory: Path, which: Set, parameters: str) -> None:
        self.directory = directory.resolve()
        make(self.directory / which.name, which)
        self.lines = f"exposures: ['{which.name}/PIXTABLE*.fits']\nparameters: {{{parameters}}}\n"

    def start(self, name: str, *options: str, box_bytes: int = 0) -> "Running":
        """Start a combination of this name."""
        selection = self.directory / f"{name}.yaml"
        selection.write_text(self.lines + f"output: {name}-out\n")
        log = self.directory / f"{name}.jsonl"
        for old in (log, log.with_suffix(".log")):
            old.unlink(missing_ok=True)
        shutil.rmtree(self.directory / f"{name}-out", ignore_errors=True)
        command = (
            [sys.executable, "-c", SMALL_BOXES, str(box_bytes)] if box_bytes else [sys.executable, "-m", "musedeep"]
        )
        logged = [] if "--no-log" in options else [f"--log={log}"]
        return Running([*command, "combine", str(selection), *logged, *options], log)

    def time(self, name: str, *options: str, box_bytes: int = 0) -> Timed:
        """Run a combination."""
        return self.start(name, *options, box_bytes=box_bytes).end()


class Running:
    """A command that runs."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        self.began = time.time()
        variables = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=variables
        )

    def wait(self) -> float:
        """Its time [s]."""
        _, error = self.process.communicate()
        if self.process.returncode:
            raise SystemExit(error)
        return time.time() - self.began

    def end(self) -> Timed:
        """Wait for its end."""
        return timed(self.began, self.wait(), self.log)


def median(runs: list[Timed], name: str) -> float:
    """Median of a figure."""
    return statistics.median(getattr(one, name) for one in runs)


def workers(directory: Path, rounds: int) -> None:
    """Two jobs against one."""
    runs = Runs(directory, LARGE, "crsigma: 3, resample: lanczos, ld: 2")
    profile = write_profile(directory / "cluster.yaml", local_scratch=directory / "scratch")
    cluster = ("--cluster=slurm", f"--cluster-profile={profile}")
    runs.time("warm", *cluster, "--workers=2")
    one: list[Timed] = []
    two: list[Timed] = []
    beside: list[Timed] = []
    for _ in range(rounds):
        one.append(runs.time("one", *cluster, "--workers=1"))
        two.append(runs.time("two", *cluster, "--workers=2"))
        both = [runs.start(name, *cluster, "--workers=1") for name in ("beside", "besides")]
        beside += [running.end() for running in both]
    print("| run | boxes | whole [s] | stage of boxes [s] | first box after [s] | processor time of boxes [s] |")
    print("|---|---|---|---|---|---|")
    for name, found in (("one worker", one), ("two workers", two), ("two runs of one worker at once, each", beside)):
        figures = (median(found, key) for key in ("whole", "boxes", "first", "processor"))
        print(f"| {name} | {found[0].number} | " + " | ".join(f"{value:.1f}" for value in figures) + " |")
    for key in ("whole", "boxes"):
        ratio, most = median(one, key) / median(two, key), 2 * median(one, key) / median(beside, key)
        print(f"speed-up ({key}): {ratio:.2f}; two independent runs: {most:.2f}")


def tasks(directory: Path, rounds: int) -> None:
    """Overhead of a task."""
    runs = Runs(directory, SETS["8"], "crsigma: 10")
    profile = write_profile(directory / "cluster.yaml", local_scratch=directory / "scratch")
    options = ("--cluster=slurm", f"--cluster-profile={profile}", "--workers=2")
    found = [runs.time("tasks", *options, box_bytes=2_000_000) for _ in range(rounds)]
    number, boxes = found[0].number, median(found, "boxes")
    print(f"{number} boxes by two workers: stage {boxes:.1f} s, in boxes {median(found, 'wall'):.1f} s of the two")
    overhead = [(2 * one.boxes - one.wall) / one.number for one in found]
    print(f"overhead of a task: {1e3 * statistics.median(overhead):.2f} ms of a worker")
    wall = [one.boxes / one.number for one in found]
    print(f"a task ends every {1e3 * statistics.median(wall):.2f} ms")


@contextlib.contextmanager
def scheduler(directory: Path, tls: bool) -> Iterator[Path]:
    """A scheduler with two workers; its file."""
    directory.mkdir(mode=0o700)
    settings = {"PYTHONPATH": str(ROOT)}
    if tls:
        make_credentials(directory)
        settings |= environment(directory)
    former = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    dask.config.refresh()
    file = directory / "scheduler.json"
    common = ["--scheduler-file", str(file), "--interface", PROFILE["interface"], "--dashboard-address", "127.0.0.1:0"]
    common += ["--protocol", "tls" if tls else "tcp"]
    worker = [*common, "--nthreads", "1", "--memory-limit", "1500MiB", "--local-directory", str(directory)]
    started = []
    try:
        for kind, options in (("scheduler", [*common, "--port", "0"]), ("worker", worker), ("worker", worker)):
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
            started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while not file.exists():
            time.sleep(0.1)
        yield file
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        for name, value in former.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
        dask.config.refresh()
        shutil.rmtree(directory)


def empty_box(number: int, path: str) -> Measured:
    """A task that has the result of a box, and does nothing for it."""
    work = Work(1_000_000, 28_000_000, 8_000_000, {f"detail {k}": float(number) for k in range(9)})
    return Measured(number, work, time.time(), 0.0, 1, "worker")


def processor_seconds() -> float:
    """Of this process and of those that it has started, with their own."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def security(directory: Path, rounds: int) -> None:
    """What TLS and logs cost a task."""
    calls = [(k, str(directory / f"PIXTABLE_REDUCED_{k:04d}.fits")) for k in range(EMPTY)]
    found: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for tls, times in found.items():
            with scheduler(directory / "scheduler", tls) as file:
                resources = Resources(2, 2, 2**30, scheduler=str(file))
                executor = open_executor(resources, directory)
                executor.map(empty_box, calls[:100])
                before = processor_seconds()
                executor.map(empty_box, calls)
                times.append((processor_seconds() - before) / EMPTY)
                executor.close()
    done = empty_box(1, "")
    logs = []
    for _ in range(rounds):
        with RunLog(directory / "empty", late=False):
            recorder = Recorder()
            before = processor_seconds()
            for k in range(EMPTY):
                recorder.task("boxes", f"planes {k}, lines 1 to 20", done)
            logs.append((processor_seconds() - before) / EMPTY)
    plain, encrypted, logged = (1e3 * statistics.median(times) for times in (found[False], found[True], logs))
    print(f"processor time of a task, client, scheduler and workers: {plain:.2f} ms by TCP, {encrypted:.2f} ms by TLS")
    print(f"a task in both logs: {logged:.3f} ms")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("what", nargs="*", choices=("workers", "tasks", "security"), default="workers")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if why := missing():
        raise SystemExit(f"no SLURM: {why}")
    options.directory.mkdir(parents=True, exist_ok=True)
    what = [options.what] if isinstance(options.what, str) else options.what
    with SlurmNode():
        for name in what:
            {"workers": workers, "tasks": tasks, "security": security}[name](
                options.directory.resolve(), options.rounds
            )


if __name__ == "__main__":
    main()
