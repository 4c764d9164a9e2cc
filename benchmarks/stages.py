"""Processor time of the stages of a combination, for each row of the cube, and the rate of the memory.

    python -m benchmarks.stages DIRECTORY [--sets 8,125] [--rounds 2] [--trees FORMER .] [--threads 1] [--repeat 1]

Combines the sets of `benchmarks.run` (FITS pixel tables in the page cache, drizzle, rejection at 10 sigma) in one
process, with clocks around the functions that `reduction.cube.box` calls. A clock counts the processor time of its
thread, user and system. With several trees (worktrees of other versions) they alternate. Prints a markdown table:
nanoseconds for each row of the cube, the smallest of the rounds, since others that use the machine only add to it.

With `--repeat 3` every call of these functions but the reading is made so many times, and the smallest time counts:
their own time, without the first use of memory, on a machine that others use, too.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.run import SETS, make, read_once

STAGES: dict[str, tuple[str, ...]] = {
    "reading": (),
    "placing": ("box.place_rows",),
    "sorting": ("box.sort_by_cell", "box.sort_rows"),
    "rejection": ("reject.reject",),
    "resampling": ("resample.resample", "resample.accumulate", "resample.finish"),
    "rest of the boxes": ("tasks.combine_box",),
}
"""Functions of each stage, as the modules that call them know them; what a version does not have is left out."""

MODULES = {
    "box": "musedeep.reduction.cube.box",
    "reject": "musedeep.kernels.cube.reject",
    "resample": "musedeep.kernels.cube.resample",
    "tasks": "musedeep.graph.combine.tasks",
}

spent: dict[str, float] = defaultdict(float)
inside: dict[int, list[float]] = defaultdict(list)


def count(stage: str, function: Callable[[], Any]) -> Any:
    """Call a function; its processor time counts for a stage, without that of other stages that it calls."""
    from threading import get_ident

    stack = inside[get_ident()]
    stack.append(0.0)
    began = time.thread_time()
    result = function()
    took = time.thread_time() - began
    spent[stage] += took - stack.pop()
    if stack:
        stack[-1] += took
    return result


def combine(sof: Path, directory: Path, threads: int, memory: str, repeat: int) -> dict[str, float]:
    """Seconds of the stages of a combination in this process, rows of the cube ("rows") and rows read ("read")."""
    modules = {name: importlib.import_module(module) for name, module in MODULES.items()}
    totals = {"rows": 0, "read": 0, "boxes": 0}
    for stage, places in STAGES.items():
        for place in places:
            module, _, name = place.partition(".")
            function = getattr(modules[module], name, None)
            if function is not None:
                # what the function is called by is looked up at every call
                setattr(modules[module], name, clocked(stage, function, repeat if place != "tasks.combine_box" else 1))
    tasks: Any = modules["tasks"]
    reader, combine_box = tasks._reader, tasks.combine_box

    def blocks(*arguments: Any) -> Callable[..., Iterator[Any]]:
        read = reader(*arguments)

        def timed(*names: Any) -> Iterator[Any]:
            rows = read(*names)
            while (block := count("reading", lambda: next(rows, None))) is not None:
                yield block

        return timed

    def box(*arguments: Any, **options: Any) -> Any:
        result = combine_box(*arguments, **options)
        totals["rows"] += result.n_rows
        totals["read"] += result.n_read
        totals["boxes"] += 1
        return result

    tasks._reader, tasks.combine_box = blocks, box
    from musedeep.cli.main import run

    words = ["recipe", "muse_exp_combine", str(sof), "--overwrite", f"--memory={memory}", f"--threads={threads}"]
    sys.argv = ["musedeep", *words]
    os.chdir(directory)
    began = time.process_time()
    try:
        run()
    except SystemExit as end:
        if end.code:
            raise
    return {"process": time.process_time() - began, **spent, **totals}


def clocked(stage: str, function: Callable[..., Any], repeat: int) -> Callable[..., Any]:
    """The function, whose processor time is counted for a stage: the smallest of so many calls."""

    def call(*arguments: Any, **options: Any) -> Any:
        before, best = spent[stage], np.inf
        for _ in range(repeat - 1):
            # some functions use up the columns that they get
            copies = count("copies", lambda: [copied(one) for one in arguments])
            spent[stage] = before
            count(stage, lambda copies=copies: function(*copies, **options))
            best = min(best, spent[stage])
        spent[stage] = before
        result = count(stage, lambda: function(*arguments, **options))
        spent[stage] = min(best, spent[stage])
        return result

    return call


def copied(argument: Any) -> Any:
    """A dict of columns, copied; anything else as it is."""
    return {name: column.copy() for name, column in argument.items()} if isinstance(argument, dict) else argument


def memory_rate() -> float:
    """Bytes that one thread moves in a second of processor time, read and written, in arrays far beyond the cache."""
    source, target = np.ones(1 << 25), np.zeros(1 << 25)
    best = np.inf
    for _ in range(5):
        began = time.thread_time()
        np.copyto(target, source)
        best = min(best, time.thread_time() - began)
    return 2 * source.nbytes / float(best)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", default="8,125")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trees", type=Path, nargs="+", default=[Path()])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--repeat", type=int, default=1, help="calls of each function, with one thread")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        sof = options.directory.resolve() / options.sets / "combine.sof"
        with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
            found = combine(sof, Path(scratch), options.threads, options.memory, options.repeat)
        print(json.dumps(found))
        return
    print(f"memory: {memory_rate() / 1e9:.1f} GB/s, read and written, by one thread\n")
    for name in options.sets.split(","):
        paths = make(options.directory / name, SETS[name])
        sof = options.directory / name / "combine.sof"
        sof.write_text("".join(f"{path.resolve()} PIXTABLE_REDUCED\n" for path in paths))
        best: list[dict[str, float]] = [{} for _ in options.trees]
        for _ in range(options.rounds):
            for k, tree in enumerate(options.trees):
                read_once(paths)
                best[k] = smallest(best[k], measured(options, name, tree))
        show(name, options.trees, best)


def measured(options: argparse.Namespace, name: str, tree: Path) -> dict[str, float]:
    """Times and numbers of one combination with the sources of a tree."""
    command = [
        sys.executable, str(Path(__file__).resolve()), str(options.directory.resolve()), "--inside", "--sets", name,
        "--threads", str(options.threads), "--memory", options.memory, "--repeat", str(options.repeat),
    ]  # fmt: skip
    here = Path(__file__).resolve().parents[1]
    variables = os.environ | {"PYTHONPATH": f"{tree.resolve()}:{here}"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tree)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def smallest(former: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """Of two measurements, the smaller of each."""
    return {key: min(value, former.get(key, value)) for key, value in now.items()}


def show(name: str, trees: list[Path], found: list[dict[str, float]]) -> None:
    """Print the table of a set."""
    counts = [f"{f['rows'] / 1e6:.1f} M rows, {f['read'] / f['rows']:.2f} read, {f['boxes']:.0f} boxes" for f in found]
    print(f"set {name}: {', '.join(counts)}\n")
    print(f"| stage [ns/row] | {' | '.join(str(tree) for tree in trees)} |")
    print(f"|---|{'---|' * len(trees)}")
    for stage in [*STAGES, "all"]:
        values = [1e9 * (sum(f[s] for s in STAGES) if stage == "all" else f.get(stage, 0.0)) / f["rows"] for f in found]
        print(f"| {stage} | {' | '.join(f'{v:.1f}' for v in values)} |")
    whole = " | ".join("{process:.2f}".format(**f) for f in found)
    print(f"| the whole process [s] | {whole} |\n", flush=True)


if __name__ == "__main__":
    main()
