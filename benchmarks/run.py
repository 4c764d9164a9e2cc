"""Combination beside the reference, on the same FITS pixel tables and the same cores.

    python -m benchmarks.run DIRECTORY [--sets 8,125] [--rounds 2] [--no-reference] [--as-they-are]

Makes the pixel tables (kept in DIRECTORY for the next time), then runs the reference and musedeep by turns, each as a
whole process: start, FITS pixel tables in, FITS cube out, cosmic-ray rejection on. Before every run of either the pixel
tables are read once, so that both find them in the page cache. Wall time is the median of the rounds; peak memory is
that of the whole process tree, sampled every 20 ms. Prints a markdown table.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.makers.pixel_tables import CENTRE, write_exposure

DEGREE = 3600.0


@dataclass(frozen=True)
class Set:
    """One set of exposures: how many, which IFUs, how many planes; a mosaic or one field."""

    name: str
    exposures: int
    ifus: tuple[int, int]
    planes: int
    mosaic: bool = False

    @property
    def rows(self) -> int:
        """Rows of all exposures together."""
        return self.exposures * (self.ifus[1] - self.ifus[0] + 1) * 48 * 76 * self.planes


SETS = {
    "2": Set("2", 2, (1, 24), 8),
    "8": Set("8", 8, (8, 17), 120),
    "8x8": Set("8x8", 8, (1, 24), 8),
    "32": Set("32", 32, (1, 24), 8),
    "125": Set("125", 125, (1, 24), 8),
    "125x16": Set("125x16", 125, (1, 24), 16),
    "125x40": Set("125x40", 125, (1, 24), 40),
    "125x100": Set("125x100", 125, (1, 24), 100),
    "1000": Set("1000", 1000, (1, 24), 2),
    "mosaic": Set("mosaic", 275, (1, 24), 4, mosaic=True),
    "mosaic8": Set("mosaic8", 275, (1, 24), 8, mosaic=True),
}


def exposure_paths(directory: Path, which: Set) -> list[Path]:
    """The pixel tables of a set, whether they are there or not."""
    return [directory / f"PIXTABLE_REDUCED_{k + 1:04d}.fits" for k in range(which.exposures)]


def write(path: Path, which: Set, k: int) -> None:
    """Write an exposure of a set, unless it is there."""
    if path.exists():
        return
    offset = np.array([(k % 3 - 1) * 0.5, (k % 4 - 1.5) * 0.4])
    if which.mosaic:
        # nine fields of 27 exposures and a deeper one of 32 in their centre, as in the UDF
        field = k % 9 if k < 243 else 4
        offset += np.array([field % 3 - 1, field // 3 - 1]) * 55.0
    write_exposure(
        path, ifus=tuple(range(which.ifus[0], which.ifus[1] + 1)),
        wavelength=(7000.0, 7000.0 + 1.25 * which.planes),
        ra=CENTRE[0] + offset[0] / DEGREE, dec=CENTRE[1] + offset[1] / DEGREE, posang=90.0 * k % 360, seed=k,
        date_obs=f"2014-{9 + k // 672:02d}-{1 + k // 24 % 28:02d}T{k % 24:02d}:00:00.000", cosmics=1e-4,
    )  # fmt: skip


def make(directory: Path, which: Set) -> list[Path]:
    """Write the exposures that are not there yet."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = exposure_paths(directory, which)
    for k, path in enumerate(paths):
        write(path, which, k)
    return paths


def read_once(paths: list[Path]) -> None:
    """Bring files into the page cache: some systems drop what nobody has used for half a minute."""
    buffer = bytearray(1 << 22)
    for path in paths:
        with open(path, "rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass


def measure(
    command: list[str],
    directory: Path,
    threads: int = 2,
    accepted: tuple[int, ...] = (0,),
    interval: float = 0.02,
    environment: Mapping[str, str] | None = None,
) -> tuple[float, float]:
    """Wall time [s] and peak memory of the process tree [MiB] of a command; of the reference, so many threads.

    `environment` holds further variables of the command.
    """
    variables = os.environ | {"OMP_NUM_THREADS": str(threads)} | dict(environment or {})
    directory.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with open(directory / "log.txt", "w") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, env=variables)
        root = psutil.Process(process.pid)
        tree, peak, samples = [root], 0, 0
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                if samples % 10 == 0:  # looking for children takes time of the processor that is measured
                    tree = [root, *root.children(recursive=True)]
                samples += 1
                peak = max(peak, sum(p.memory_info().rss for p in tree))
            time.sleep(interval)
    seconds = time.perf_counter() - began
    if process.returncode not in accepted:
        raise SystemExit(f"{' '.join(command)} failed:\n{(directory / 'log.txt').read_text()[-2000:]}")
    return seconds, peak / 2**20


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", default="8,125")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--as-they-are", action="store_true", help="do not read the pixel tables before every run")
    options = parser.parse_args()
    print("| set | rows | reference [s] | MiB | musedeep [s] | MiB | million rows/s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.sets.split(","):
        which = SETS[name]
        paths = make(options.directory / name, which)
        sof = options.directory / name / "combine.sof"
        sof.write_text("".join(f"{path.resolve()} PIXTABLE_REDUCED\n" for path in paths))
        theirs: list[tuple[float, float]] = []
        ours: list[tuple[float, float]] = []
        scratch = options.directory / f"{name}-out"
        musedeep = [sys.executable, "-m", "musedeep", "recipe", "muse_exp_combine", str(sof.resolve()), "--overwrite"]
        measure([*musedeep, f"--memory={options.memory}"], scratch / "musedeep")  # compiled kernels, page cache
        wanted = [] if options.as_they_are else paths
        for _ in range(options.rounds):
            if not options.no_reference:
                command = ["esorex", "--log-level=off", "--msg-level=error", "muse_exp_combine", str(sof.resolve())]
                read_once(wanted)
                theirs.append(measure(command, scratch / "reference"))
            read_once(wanted)
            ours.append(measure([*musedeep, f"--memory={options.memory}"], scratch / "musedeep"))
        seconds = statistics.median(s for s, _ in ours)
        peak = max(m for _, m in ours)
        reference = statistics.median(s for s, _ in theirs) if theirs else float("nan")
        reference_peak = max((m for _, m in theirs), default=float("nan"))
        print(
            f"| {name} | {which.rows / 1e6:.1f} M | {reference:.1f} | {reference_peak:.0f} | {seconds:.2f} | "
            f"{peak:.0f} | {which.rows / seconds / 1e6:.1f} | {reference / seconds:.1f} |",
            flush=True,
        )
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
