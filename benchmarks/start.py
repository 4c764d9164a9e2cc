"""The start of a combination: from the start of the process to the first row, and a whole run that is little more.

    python -m benchmarks.start DIRECTORY [--rounds 7] [--trees . FORMER] [--threads 2]

Makes two small exposures (kept in DIRECTORY), which `musedeep combine` and `musedeep recipe muse_exp_combine` combine
with the sources of each tree, by turns. The first row: a task begins to index the first pixel table; the process ends
there. Wall time counts from the moment when the process is started, processor time is that of the process (user and
system). The whole run is that of the same command undisturbed. Prints a markdown table of medians and least values. On
a machine that is busy the processor time tells more, and it grows there, too.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.makers.pixel_tables import write_dithers

FIRST_ROW = """
import os, sys, time
class Found:
    def find_spec(self, name, path=None, target=None):
        tasks = sys.modules.get("musedeep.graph.combine.tasks")
        if name == "musedeep.cli.run_log" and hasattr(tasks, "compute_box"):
            def scan(*call):
                os.write(1, f"FIRST {time.time()} {time.process_time()} {len(sys.modules)}\\n".encode())
                os._exit(0)
            tasks.scan = scan
sys.meta_path.insert(0, Found())
from musedeep.cli.main import run
sys.exit(run())
"""


def first_row(tree: Path, words: list[str]) -> tuple[float, float]:
    """Wall and processor time until the first row [s]."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-P", "-c", FIRST_ROW, *words], env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("FIRST ")]
    if not lines:
        raise SystemExit(done.stdout + done.stderr)
    return float(lines[0][1]) - began, float(lines[0][2])


def whole(tree: Path, words: list[str]) -> tuple[float, float]:
    """Wall and processor time of the whole command [s]."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "musedeep", *words], env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--trees", type=Path, nargs="+", default=[Path(__file__).resolve().parents[1]])
    options = parser.parse_args()
    trees = [tree.resolve() for tree in options.trees]
    directory = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / "combine.sof").exists():
        paths, _ = write_dithers(directory, 2, step=5.0, ifus=(11, 11), wavelength=(7000.0, 7010.0))
        (directory / "combine.sof").write_text("".join(f"{path} PIXTABLE_REDUCED\n" for path in paths))
        (directory / "selection.yaml").write_text("exposures: [PIXTABLE_REDUCED_*.fits]\noutput: out\n")
    to = [f"--threads={options.threads}", "--overwrite", f"--output-dir={directory / 'out'}"]
    commands = {
        "combine": ["combine", str(directory / "selection.yaml"), *to],
        "recipe muse_exp_combine": ["recipe", "muse_exp_combine", str(directory / "combine.sof"), *to],
    }
    print("| command | sources | until | wall [s] | least | processor [s] | least | load |")
    print("|---|---|---|---|---|---|---|---|")
    for name, words in commands.items():
        times: dict[tuple[Path, str], list[tuple[float, float]]] = {}
        for tree in trees:
            whole(tree, words)  # compiled kernels, page cache
        for _ in range(options.rounds):
            for tree in trees:
                times.setdefault((tree, "first row"), []).append(first_row(tree, words))
                times.setdefault((tree, "end"), []).append(whole(tree, words))
        for (tree, until), measured in times.items():
            walls, processor = zip(*measured, strict=True)
            print(
                f"| {name} | {tree.name} | {until} | {statistics.median(walls):.2f} | {min(walls):.2f} | "
                f"{statistics.median(processor):.2f} | {min(processor):.2f} | {os.getloadavg()[0]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
