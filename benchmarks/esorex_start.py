"""How long musedeep-esorex takes for what runs no recipe, beyond Python itself.

    python -m benchmarks.esorex_start [--rounds N]

Each round runs `python -c pass` and all lines, one after the other; printed are the medians over the rounds of the
processor time (user and system) of whole processes, and of their wall time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

LINES = (
    "--version",
    "--help",
    "--params",
    "--recipes",
    "--help muse_bias",
    "--man-page muse_scipost",
    "--params muse_bias",
    "--create-config=x.rc muse_bias",
    "muse_bias --nifu=99 x.sof",
)


def measure(command: list[str], directory: str) -> tuple[float, float]:
    """Processor time and wall time of a process, seconds."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return used, wall


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    program = [sys.executable, "-m", "musedeep.esorex.main"]
    commands = {"python -c pass": [sys.executable, "-c", "pass"]} | {line: [*program, *line.split()] for line in LINES}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(rounds):
            for name, command in commands.items():
                found[name].append(measure(command, directory))
    print("| line | processor time [s] | wall time [s] |\n|---|---|---|")
    for name, times in found.items():
        used, wall = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| `{name}` | {used:.3f} | {wall:.3f} |")


if __name__ == "__main__":
    main()
