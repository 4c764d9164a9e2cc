"""`musedeep plan` held against real runs: time, bytes read and peak memory.

    python -m benchmarks.plan DIRECTORY [--sets 8,32,125] [--measure-on 8,32] [--rounds 2]

Makes the pixel tables of benchmarks/run.py (kept in DIRECTORY for the next time), runs `musedeep combine` on each set
with one worker (one thread) and with two, measures rates from the logs of some sets, and prints what the plan of
every set and number of workers says beside what was measured. Wall time is the median of the rounds, which
are interleaved, of whole processes; peak memory that of the whole process tree, sampled every 0.2 s: the processors
are to be left to the workers.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.run import SETS, make, measure

MUSEDEEP = [sys.executable, "-m", "musedeep"]


def read_bytes(log: Path) -> int:
    """Bytes that all tasks of the last run in a log have read."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    first = max(k for k, entry in enumerate(entries) if entry["event"] == "start")
    return sum(entry["bytes"] for entry in entries[first:] if entry["event"] == "task")


def real_runs(
    directory: Path, names: list[str], workers: list[int], rounds: int, memory: str
) -> dict[str, dict[int, tuple[float, float]]]:
    """Wall time [s] and peak memory [MiB] of sets, by number of workers; logs are left in `directory`."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {(name, n): [] for name in names for n in workers}
    scratch = directory / "scratch"
    for turn in range(rounds + 1):
        for name, n in found:
            selection, log = directory / f"{name}.yaml", directory / f"{name}-{n}.jsonl"
            if turn == 0:
                make(directory / name, SETS[name])
                exposures, output = f"['{name}/PIXTABLE*.fits']", f"{name}-out"
                selection.write_text(f"exposures: {exposures}\nparameters: {{crsigma: 10}}\noutput: {output}\n")
                log.unlink(missing_ok=True)
            command = [*MUSEDEEP, "combine", str(selection.resolve()), f"--workers={n}", f"--threads={n}"]
            command += ["--overwrite", f"--memory={memory}", f"--log={log.resolve()}" if turn else "--no-log"]
            measured = measure(command, scratch, interval=0.2)
            if turn:  # the first is for compiled kernels and the page cache
                found[name, n].append(measured)
    for name in names:
        shutil.rmtree(directory / f"{name}-out")
    shutil.rmtree(scratch)
    times: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in names}
    for (name, n), runs in found.items():
        times[name][n] = statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs)
    return times


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", default="8,32,125")
    parser.add_argument("--measure-on", default="8,32", help="sets whose logs the rates come from")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", default="4GiB")
    options = parser.parse_args()
    directory: Path = options.directory
    workers = [int(word) for word in options.workers.split(",")]
    measured = real_runs(directory, options.sets.split(","), workers, options.rounds, options.memory)
    logs = [str(directory / f"{name}-{n}.jsonl") for name in options.measure_on.split(",") for n in workers]
    rates = directory / "rates.json"
    subprocess.run([*MUSEDEEP, "rates", *logs, "--output", str(rates), "--overwrite"], check=True)
    print("| set | workers | boxes | measured [s] | plan [s] | ratio | read [GiB] | plan | peak [MiB] | plan |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, found in measured.items():
        for n, (seconds, peak) in found.items():
            command = [
                *MUSEDEEP,
                "plan",
                str(directory / f"{name}.yaml"),
                f"--workers={n}",
                f"--memory={options.memory}",
            ]
            done = subprocess.run([*command, f"--rates={rates}", "--json"], check=True, capture_output=True, text=True)
            (plan,) = json.loads(done.stdout)["runs"]
            moved = read_bytes(directory / f"{name}-{n}.jsonl") / 2**30
            print(
                f"| {name} | {n} | {plan['boxes']} | {seconds:.2f} | {plan['seconds']:.2f} | "
                f"{plan['seconds'] / seconds:.2f} | {moved:.2f} | {plan['bytes_read'] / 2**30:.2f} | {peak:.0f} | "
                f"{plan['peak_memory'] / 2**20:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
