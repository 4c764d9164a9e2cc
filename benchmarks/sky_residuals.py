#!/usr/bin/env python3
"""`musedeep sky-residuals` on a simulated cube with known truth, beside ZAP.

    sky_residuals.py DIRECTORY [--size 100] [--planes 3681] [--zap COMMAND] [--rounds 1] [--threads 1] [--no-truth]

The cube (tests/makers/residual_cubes.py) is made in DIRECTORY, cleaned by musedeep and, with --zap, by the command that
is given (for example that of an environment with `pip install zap`), alternating, with the mask of its stars. Prints
Markdown tables for benchmarks/RESULTS.md: times and peak memory of whole processes, and beside the truth (--no-truth
leaves this out, which takes the memory of the cube several times):

sky lines : rms of what is left of the residual in spaxels of sky, in planes with sky lines brighter than half of the
    continuum, in units of the noise; the same in planes with bright lines [flux]; and of the output itself
emission lines : median and rms of the lost share of the flux of points, by optimal sums, of lines anywhere and within
    4 Angstrom of a bright sky line; before cleaning, the sky residual is in them
stars : median over stars of the lost share of their continuum, and of its scatter over 100 Angstrom
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tests.makers.residual_cubes import ResidualCube

Floats = NDArray[np.float32]


def measured(words: Sequence[str], threads: int) -> tuple[float, float, float]:
    """Run a command that has to work: seconds, processor seconds, peak memory [MiB]."""
    began = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Truth:
    """What a cleaned cube is compared with."""

    def __init__(self, cube: ResidualCube) -> None:
        self.cube = cube
        parts = {name: np.empty(cube.shape, np.float32) for name in ("data", "residual", "light")}
        for z0, z1 in cube.bands():
            for name, values in parts.items():
                values[z0:z1] = getattr(cube, name)(z0, z1)
        # what is left of the residual: the cube minus noise and sources
        self.clean, self.light = parts["data"] - parts["residual"], parts["light"]
        self.sky = ~cube.source_mask()

    def row(self, data: Floats) -> list[str]:
        """Cells of a table on a cube."""
        cube, left = self.cube, data - self.clean
        noise = np.sqrt(cube.variance)
        lines, bright = cube.sky > 10.0, cube.sky > 500.0
        of_noise = np.sqrt(np.mean((left[lines][:, self.sky] / noise[lines, None]) ** 2))
        of_output = np.sqrt(np.mean((data[lines][:, self.sky] / noise[lines, None]) ** 2))
        of_bright = np.sqrt(np.mean(left[bright][:, self.sky] ** 2))
        stars, emission = cube.sources
        lost = []
        for line in emission:
            plane, x, y = int((line.wavelength - cube.first) / 1.25), round(line.x), round(line.y)
            zs, ys, xs = (slice(max(c - r, 0), c + r + 1) for c, r in ((plane, 8), (y, 6), (x, 6)))
            profile = cube.line_profile(line)[zs, None, None] * cube.point(line.x, line.y)[ys, xs]
            lost.append(-float((left[zs, ys, xs] * profile).sum() / (profile**2).sum() / line.flux))
        continuum, scatter = [], []
        for star in stars:
            ys, xs = (slice(max(round(c) - 3, 0), round(c) + 4) for c in (star.y, star.x))
            ratio = -left[:, ys, xs].sum((1, 2)) / self.light[:, ys, xs].sum((1, 2))
            parts = [float(ratio[k : k + 80].mean()) for k in range(0, ratio.size - 80, 80)]
            continuum.append(abs(statistics.median(parts)))
            scatter.append(statistics.pstdev(parts))

        def both(values: Sequence[float]) -> str:
            return f"{100 * statistics.median(values):.2f} % ± {100 * np.sqrt(np.mean(np.square(values))):.1f} %"

        return [
            f"{of_noise:.3f}", f"{of_bright:.1f}", f"{of_output:.4f}", both(lost[::2]), both(lost[1::2]),
            f"{100 * statistics.median(continuum):.3f} %", f"{100 * statistics.median(scatter):.3f} %",
        ]  # fmt: skip


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--planes", type=int, default=3681)
    parser.add_argument("--zap", type=shlex.split)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-truth", action="store_true")
    given = parser.parse_args()
    cube = ResidualCube((given.planes, given.size, given.size))
    path, mask = given.directory / "cube.fits", given.directory / "mask.fits"
    cube.write(path)
    fits.PrimaryHDU(cube.source_mask().astype(np.uint8)).writeto(mask, overwrite=True)
    outputs = {"musedeep": given.directory / "musedeep.fits"}
    commands = {
        "musedeep": [
            sys.executable, "-m", "musedeep", "sky-residuals", str(path), "--output", str(outputs["musedeep"]),
            "--overwrite", "--mask", str(mask), "--threads", str(given.threads),
        ]
    }  # fmt: skip
    if given.zap:
        outputs["zap"] = given.directory / "zap.fits"
        commands["zap"] = [
            *given.zap, str(path), "--mask", str(mask), "--outcube", str(outputs["zap"]), "--overwrite", "--ncpu",
            str(given.threads),
        ]  # fmt: skip
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(given.rounds):
        for name, words in commands.items():
            runs[name].append(measured(words, given.threads))
    print("| | wall | processor | peak memory |\n|---|---|---|---|")
    for name, found in runs.items():
        wall, processor, memory = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {name} | {wall:.0f} s | {processor:.0f} s | {memory:.0f} MiB |", flush=True)
    if given.no_truth:
        return
    truth = Truth(cube)
    print(
        "\n| | sky lines [noise] | bright lines [flux] | output [noise] | emission lines lost | near sky lines |",
        end="",
    )
    print(" stars | scatter |\n|---|---|---|---|---|---|---|---|")
    for name, output in {"before": path, **outputs}.items():
        cells = truth.row(fits.getdata(output, "DATA").astype(np.float32))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
