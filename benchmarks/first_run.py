"""The first run after an installation beside later ones: what compiling kernels takes of a whole process.

    python demo/make_exposures.py
    python -m benchmarks.first_run [demo/selection.yaml] [--rounds 3] [--trees . OTHER-CLONE]

In each round every tree of sources (a clone of another version to compare with) runs `musedeep combine` twice: without
any compiled kernels, in a directory of its own (NUMBA_CACHE_DIR), and again with them. Wall time is that of the whole
process, processor time that of all its processes. Prints a markdown table of medians, and which kernels took longest in
the last first run. Compare runs of one machine at rest only: look at the load that is printed.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(tree: Path, selection: Path, scratch: Path) -> tuple[float, float]:
    """Wall and processor time of a combination by the sources in a directory [s]."""
    environment = os.environ | {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(scratch / "kernels")}
    command = [sys.executable, "-m", "musedeep", "combine", str(selection.resolve()), "--overwrite", "--no-log"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(scratch / "log.txt", "w") as log:
        status = subprocess.run(
            [*command, "--output-dir", str(scratch / "out")], cwd=tree, env=environment, stdout=log, stderr=log,
            check=False,
        ).returncode  # fmt: skip
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise SystemExit((scratch / "log.txt").read_text())
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def longest(journal: Path, number: int = 10) -> list[tuple[float, str]]:
    """Seconds and names of the kernels that took longest, with those that they call."""
    if not journal.exists():
        return []  # of a version that keeps none
    lines = [line.split() for line in journal.read_text().splitlines() if not line.startswith("said")]
    return sorted(((float(line[1]) - float(line[0]), line[3]) for line in lines), reverse=True)[:number]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("selection", type=Path, nargs="?", default=HERE.parent / "demo" / "selection.yaml")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trees", type=Path, nargs="+", default=[HERE.parent])
    options = parser.parse_args()
    trees = [tree.resolve() for tree in options.trees]
    times: dict[tuple[Path, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="musedeep-first-run-") as directory:
        scratch = Path(directory)
        for number in range(options.rounds):
            for tree in trees:
                shutil.rmtree(scratch / "kernels", ignore_errors=True)
                for which in ("first", "later"):
                    wall, processor = run(tree, options.selection, scratch)
                    times.setdefault((tree, which), []).append((wall, processor))
                    load = os.getloadavg()[0]
                    print(
                        f"round {number + 1}, {tree}, {which} run: {wall:.1f} s, processor {processor:.1f} s, "
                        f"load {load:.1f}", file=sys.stderr, flush=True,
                    )  # fmt: skip
        print("| sources | first run [s] | later [s] | difference [s] | difference, processor [s] |")
        print("|---|---|---|---|---|")
        for tree in trees:
            (first, first_cpu), (later, later_cpu) = (
                [statistics.median(values) for values in zip(*times[tree, which], strict=True)]
                for which in ("first", "later")
            )
            print(f"| {tree} | {first:.1f} | {later:.1f} | {first - later:.1f} | {first_cpu - later_cpu:.1f} |")
        for seconds, kernel in longest(scratch / "kernels" / "musedeep-compiled"):
            print(f"{seconds:6.2f} s  {kernel}")


if __name__ == "__main__":
    main()
