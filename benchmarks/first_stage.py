"""Recipes on raw frames beside the reference, on the same sets-of-frames of a night and the same two processors.

    python -m benchmarks.first_stage NIGHT... [--recipes bias,flat] [--rounds 2]

NIGHT is what `musedeep simulate night NIGHT` wrote and `tests/reference/night/reduce.py` reduced: calibrations are the
reference's, for both. Each recipe runs by turns, as a whole process: start, raw frames in, products out. Wall time is
the median of the rounds; peak memory is that of the whole process tree, sampled every 20 ms. Prints a markdown table.
Of several NIGHTs, a set is measured where it is found first (one with MASK frames need not be the one with the rest).
Whole nights are measured by `benchmarks.whole_night`.
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.run import measure
from tests.reference.night.reduce import RECIPES, steps, survives

FIRST_STAGE = tuple(dict.fromkeys(recipe for _, recipe in RECIPES))[:8]
"""muse_bias to muse_scibasic."""

MUSEDEEP = [sys.executable, "-m", "musedeep"]
ESOREX = ["esorex", "--log-level=off", "--msg-level=error"]


@dataclass(frozen=True)
class Call:
    """A set-of-frames and its recipe; `ifu` is None where it works on all."""

    name: str
    recipe: str
    sof: Path
    ifu: int | None

    @property
    def options(self) -> list[str]:
        return [f"--nifu={self.ifu}"] if self.ifu else []

    @property
    def threads(self) -> int:
        """Of the reference: its muse_geometry crashes with two where IFUs are missing."""
        return 1 if self.recipe == "muse_geometry" else 2

    @property
    def accepted(self) -> tuple[int, ...]:
        """Exit statuses of the reference with products: 255 where IFUs are missing."""
        return (0, 255) if self.recipe == "muse_geometry" else (0,)


def calls(nights: list[Path], recipes: list[str], ifu: int | None) -> Iterator[Call]:
    """The sets to measure: of recipes for one IFU, those of one; each kind once."""
    seen: set[str] = set()
    for night in nights:
        found = steps(night)
        first = ifu or min((step.ifu for step in found if step.ifu), default=1)
        for step in found:
            if step.recipe not in recipes or step.kind in seen or (step.ifu and step.ifu != first):
                continue
            if step.kind == "geometry" and not survives(step):
                continue
            seen.add(step.kind)
            yield Call(step.name, step.recipe, step.sof.resolve(), step.ifu)


def new_directory(scratch: Path) -> Path:
    """A new directory, with a disk that has nothing left to write.

    Products stay until the end: file systems are slow to make files where many have just been removed.
    """
    os.sync()
    scratch.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=scratch))


def run_ours(call: Call, scratch: Path) -> tuple[float, float]:
    """Time and memory of musedeep."""
    return measure([*MUSEDEEP, "recipe", call.recipe, *call.options, str(call.sof)], new_directory(scratch))


def run_reference(call: Call, scratch: Path) -> tuple[float, float]:
    """Time and memory of the reference."""
    command = [*ESOREX, call.recipe, *call.options, str(call.sof)]
    return measure(command, new_directory(scratch), call.threads, call.accepted)


def row(name: str, theirs: list[tuple[float, float]], ours: list[tuple[float, float]]) -> str:
    """A line of the table."""
    (a, x), (b, y) = ((statistics.median(s for s, _ in runs), max(m for _, m in runs)) for runs in (theirs, ours))
    return f"| {name} | {a:.1f} | {x:.0f} | {b:.2f} | {y:.0f} | {a / b:.1f} | {y / x:.2f} |"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nights", type=Path, nargs="+")
    parser.add_argument("--recipes", default=",".join(FIRST_STAGE))
    parser.add_argument("--ifu", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scratch", type=Path, default=Path("build/first-stage"))
    options = parser.parse_args()
    recipes = [name if name.startswith("muse_") else f"muse_{name}" for name in options.recipes.split(",")]
    print("| set | reference [s] | MiB | musedeep [s] | MiB | times as fast | memory |")
    print("|---|---|---|---|---|---|---|")
    shutil.rmtree(options.scratch, ignore_errors=True)
    for call in calls(options.nights, recipes, options.ifu):
        run_ours(call, options.scratch)  # compiled kernels, page cache
        theirs, ours = [], []
        for _ in range(options.rounds):
            theirs.append(run_reference(call, options.scratch))
            ours.append(run_ours(call, options.scratch))
        name = re.sub(r"-\d+$", "", call.name)
        print(row(f"{call.recipe} ({name})", theirs, ours), flush=True)
    shutil.rmtree(options.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
