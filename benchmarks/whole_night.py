"""A whole night beside the reference: raw frames in, combined cube out, on the same two processors.

    musedeep simulate night NIGHT --ifus 1,2 --small --exposures 3 --seed 1
    python -m benchmarks.whole_night NIGHT [--until exp_combine] [--rounds 1] [--no-reference]

Only NIGHT/raw and NIGHT/static are used. The sets-of-frames are those of `musedeep associate`, the same for both. In
each round the reference runs (`benchmarks.reference_night`: two calls at once where recipes work on one IFU), then
`musedeep reduce` with its defaults. Wall time is that from the first process to the last, processor time (user and
system) that of all of them, peak memory that of the process tree, sampled every 20 ms. Before the first round
musedeep runs once, which compiles kernels and brings raw frames into the page cache. Prints a markdown table; the
seconds of the steps of both go to standard error.
"""

import argparse
import os
import resource
import shutil
import statistics
import sys
from pathlib import Path

from benchmarks.run import measure

MUSEDEEP = [sys.executable, "-m", "musedeep"]
ROOT = Path(__file__).resolve().parent.parent
Measured = tuple[float, float, float]


def timed(command: list[str], directory: Path) -> Measured:
    """Wall time [s], processor time [s] and peak memory [MiB]; what the command says goes to standard error."""
    os.sync()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, memory = measure(command, directory, environment={"PYTHONPATH": str(ROOT)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print((directory / "log.txt").read_text(), file=sys.stderr, flush=True)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory


def fresh_night(night: Path, directory: Path) -> Path:
    """A directory with the raw frames and static calibrations of a night, and sets-of-frames of its own."""
    directory.mkdir(parents=True)
    for name in ("raw", "static"):
        (directory / name).symlink_to((night / name).resolve())
    measure([*MUSEDEEP, "associate", str(directory)], directory.with_name("associate"))
    return directory


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("night", type=Path)
    parser.add_argument("--until", default="exp_combine", help="last step, as scibasic; default: exp_combine")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path("build/whole-night"), help="needs 8 GB")
    parser.add_argument("--no-reference", action="store_true")
    options = parser.parse_args()
    scratch = options.scratch.absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    fresh, output = fresh_night(options.night, scratch / "night"), scratch / "out"
    theirs: list[Measured] = []
    ours: list[Measured] = []
    command = [*MUSEDEEP, "reduce", str(fresh), "--until", options.until, "--output-dir", str(output)]
    for number in range(-1, options.rounds):
        if number >= 0 and not options.no_reference:
            reference = [sys.executable, "-m", "benchmarks.reference_night", str(fresh), "--until", options.until]
            theirs.append(timed(reference, scratch / "log"))
            shutil.rmtree(fresh / "reduced")
        found = timed(command, scratch / "log")
        shutil.rmtree(output)
        if number >= 0:
            ours.append(found)
    print(
        "| night | reference [s] | processor [s] | MiB | musedeep [s] | processor [s] | MiB | times as fast | memory |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    (a, c, x), (b, d, y) = (
        [statistics.median(values) for values in zip(*runs, strict=True)] if runs else [float("nan")] * 3
        for runs in (theirs, ours)
    )
    print(
        f"| {options.night.name}, bias to {options.until} | {a:.1f} | {c:.1f} | {x:.0f} | {b:.1f} | {d:.1f} | {y:.0f} "
        f"| {a / b:.1f} | {y / x:.2f} |"
    )
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
