"""Two versions of the sources beside each other, on the same commands: has a change made a recipe slower or hungrier?

    git worktree add --detach FORMER COMMIT
    python -m benchmarks.trees FORMER . --night NIGHT [--recipes bias,flat] [--ifu 1] [--rounds 5]
    python -m benchmarks.trees FORMER . --command 'recipe --list' --command 'recipe muse_exp_combine SOF --overwrite'

NIGHT is what `musedeep simulate night NIGHT` wrote and `musedeep reduce NIGHT --save-fits` reduced; each kind of its
sets-of-frames is measured once. Paths in commands are absolute. Both versions run every command once before it is
measured, which compiles kernels and brings files into the page cache. Then the versions alternate, and so does the one
that begins. Prints a markdown table: medians of wall time, of processor time (user and system, of all processes) and of
peak memory (of the process tree, sampled every 20 ms), and the ratios new/old. Two worktrees of the same commit show
the noise of the machine. Where other programs run, processor time tells more than wall time.
"""

import argparse
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.first_stage import FIRST_STAGE, calls, new_directory
from benchmarks.run import measure


def check(tree: Path) -> None:
    """Commands have to import the sources of this directory.

    Raises
    ------
    SystemExit
        They import others.
    """
    command = [sys.executable, "-P", "-c", "import musedeep; print(musedeep.__file__)"]
    found = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True)
    if not found.stdout.startswith(f"{tree}/"):
        raise SystemExit(f"{tree}: Python imports {found.stdout.strip() or 'nothing'}; give the top of a clone")


def run(tree: Path, words: list[str], scratch: Path) -> tuple[float, float, float]:
    """Wall time [s], processor time [s] and peak memory [MiB] of a command with the sources of a directory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-P", "-m", "musedeep", *words]
    wall, memory = measure(command, new_directory(scratch), environment={"PYTHONPATH": str(tree)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory


def row(name: str, old: list[tuple[float, float, float]], new: list[tuple[float, float, float]]) -> str:
    """A line of the table: for each of the three quantities old, new, ratio."""
    cells = []
    for a, b, digits in zip(zip(*old, strict=True), zip(*new, strict=True), (2, 2, 0), strict=True):
        former, now = statistics.median(a), statistics.median(b)
        cells += [f"{former:.{digits}f}", f"{now:.{digits}f}", f"{now / former:.3f}"]
    return f"| {name} | {' | '.join(cells)} | {os.getloadavg()[0]:.1f} |"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--command", action="append", default=[], help="words after musedeep; may be repeated")
    parser.add_argument("--night", type=Path, action="append", default=[])
    parser.add_argument("--recipes", default=",".join(FIRST_STAGE))
    parser.add_argument("--ifu", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    trees = [options.old.resolve(), options.new.resolve()]
    for tree in trees:
        check(tree)
    recipes = [name if name.startswith("muse_") else f"muse_{name}" for name in options.recipes.split(",")]
    commands = {text: shlex.split(text) for text in options.command}
    for call in calls(options.night, recipes, options.ifu):
        commands[f"{call.recipe} ({call.name})"] = ["recipe", call.recipe, *call.options, str(call.sof)]
    if not commands:
        raise SystemExit("nothing to measure; give --command or --night")
    print("| command | wall old [s] | new | ratio | processor old [s] | new | ratio | MiB old | new | ratio | load |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, words in commands.items():
        measured: list[list[tuple[float, float, float]]] = [[], []]
        with tempfile.TemporaryDirectory(prefix="musedeep-trees-") as scratch:
            for k in (0, 1):
                run(trees[k], words, Path(scratch))
            for number in range(options.rounds):
                for k in (number % 2, 1 - number % 2):
                    measured[k].append(run(trees[k], words, Path(scratch)))
        print(row(name, *measured), flush=True)


if __name__ == "__main__":
    main()
