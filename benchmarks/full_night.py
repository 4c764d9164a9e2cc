"""A whole night of 24 IFUs from raw frames to the combined cube: time, memory and disk of each step, and the truth.

    python -m benchmarks.full_night DIRECTORY [--memory 2GiB] [--stops flat,combine] [--keep] [--check]

1. The night is simulated in DIRECTORY if it is not there: 3 biases, 3 flats, 9 arcs, 3 twilight flats, standard star,
   astrometric field, blank sky, four OBJECT exposures of the deep field, their ILLUMs, packed as .fits.fz (7 GB).
2. `musedeep reduce DIRECTORY --until STEP` runs for one step after the other, as a process of its own, so that each
   has its own figures; unless with --keep, masters and pixel tables go when nobody reads them any more. --stops gives
   other steps to stop at: with `--stops twilight,astrometry,combine` there are three processes. Steps that run in one
   process need less disk: pixel tables of the standard star go before those of OBJECT exposures are made.
3. Of each process: wall time, processor time, bytes read from and written to disks (all three as the system accounts
   for its children), peak memory of the process tree (sampled every 20 ms), the largest size of DIRECTORY/reduced
   (every 2 s). `demand` is how many threads ran or waited for a processor, on the average: it tells what bounds a
   step even where other programs use the machine. Near the number of processors, these do; near one, work that is
   not divided; below, the disk.
4. --check compares the response, the astrometry and the cube with the truth.

Figures of steps are kept in DIRECTORY/full-night.json; a second call goes on with the steps that are missing.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import psutil
from astropy.io import fits

from musedeep.graph.night.plan import check_step, steps_until
from musedeep.processors import available_processors
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.reference.night.night_files import Array, Figure, Night, as_markdown, as_table, read_table
from tests.reference.night.sky_figures import (
    FinalCube,
    astrometry_figures,
    noise_figures,
    response_figures,
    source_figures,
)

BLOCK = 512
"""Bytes of a block as the system counts them."""
HALF_ROWS = 2056.0
"""Rows of the CCD from its middle: the wavelengths of the truth are polynomials of the row over that."""
SAMPLING = 1.25
"""Width of a pixel for which a response is [Angstrom]."""
ABSENT = ("dark", "geometry")
"""Steps that such a night has not."""
TELLURIC = ((6850.0, 7000.0), (7150.0, 7350.0), (7580.0, 7700.0), (8120.0, 8350.0), (8930.0, 9350.0))
"""Where the response is a bridge over the absorption of air [Angstrom]."""


@dataclass(frozen=True)
class StepRun:
    """A step as it ran: seconds, MiB, GB."""

    step: str
    until: str
    tasks: int
    wall: float
    processor: float
    waited: float
    peak: float
    read: float
    written: float
    largest: float
    after: float

    @property
    def demand(self) -> float:
        """Threads that ran, or waited for a processor, on the average."""
        return (self.processor + self.waited) / self.wall

    @property
    def bound(self) -> str:
        """What bounds it."""
        if self.demand > 0.75 * available_processors():
            return "processors"
        return "one thread" if self.demand > 0.75 else "disk, start of processes"


def size_of(directory: Path) -> float:
    """What a directory takes on disk [GB]."""
    blocks = 0
    # what is removed meanwhile does not count; os.walk leaves out directories that have gone
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                blocks += os.stat(os.path.join(folder, name)).st_blocks
    return blocks * BLOCK / 1e9


class Watched:
    """A command, watched until it ends."""

    def __init__(self, command: list[str], log: Path, disk: Path) -> None:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        self.peak = self.largest = 0.0
        delays: dict[str, int] = {}
        with log.open("w") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream)
            root = psutil.Process(process.pid)
            tree, samples = [root], 0
            while process.poll() is None:
                with contextlib.suppress(psutil.Error):
                    if samples % 10 == 0:
                        tree = [root, *root.children(recursive=True)]
                        delays |= self._delays(tree)
                    self.peak = max(self.peak, sum(p.memory_info().rss for p in tree) / 2**20)
                if samples % 100 == 0:
                    self.largest = max(self.largest, size_of(disk))
                samples += 1
                time.sleep(0.02)
        self.wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.read = (after.ru_inblock - before.ru_inblock) * BLOCK / 1e9
        self.written = (after.ru_oublock - before.ru_oublock) * BLOCK / 1e9
        self.waited = sum(delays.values()) / 1e9
        self.status, self.text = process.returncode, log.read_text()

    @staticmethod
    def _delays(tree: list[psutil.Process]) -> dict[str, int]:
        """Time that each thread has waited for a processor [ns]."""
        found = {}
        for process in tree:
            for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    found[f"{process.pid}/{path.parent.name}"] = int(path.read_text().split()[1])
        return found


def simulate(night: Path) -> None:
    """The raw frames, if they are missing."""
    if (night / "truth" / "request.json").exists():
        return
    command = [sys.executable, "-m", "musedeep", "simulate", "night", str(night), "--ifus", "1-24", "--seed", "1"]
    subprocess.run([*command, "--small", "--exposures", "4", "--compress"], check=True)


def run_steps(night: Path, steps: list[str], memory: str, keep: bool) -> StepRun:
    """Reduce some steps, those before them being done."""
    step = steps[-1]
    reduced = night / "reduced"
    command = [sys.executable, "-m", "musedeep", "reduce", str(night), "--until", step, "--memory", memory]
    command += [] if keep else ["--discard", "pixel-tables,masters"]
    (night / "log").mkdir(exist_ok=True)
    run = Watched([*command, "--log", str(night / "log" / step)], night / "log" / f"{step}.txt", reduced)
    done = re.search(r"(\d+) done now", run.text)
    if run.status != 0 or done is None:
        raise SystemExit(f"{step} ended with status {run.status}:\n{run.text[-3000:]}")
    after = size_of(reduced)
    return StepRun(
        ", ".join(steps), step, int(done[1]), run.wall, run.processor, run.waited, run.peak, run.read, run.written,
        max(run.largest, after), after,
    )  # fmt: skip


def table_of(runs: list[StepRun]) -> str:
    """A markdown table."""
    lines = [
        "| step | tasks | wall s | user+sys s | demand | peak MiB | read GB | written GB | disk at most GB | after GB "
        "| bound by |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        lines.append(
            f"| {run.step} | {run.tasks} | {run.wall:.0f} | {run.processor:.0f} | {run.demand:.1f} | {run.peak:.0f} | "
            f"{run.read:.1f} | {run.written:.1f} | {run.largest:.1f} | {run.after:.1f} | {run.bound} |"
        )
    total = [sum(getattr(run, name) for run in runs) for name in ("tasks", "wall", "processor", "read", "written")]
    most = max(run.peak for run in runs), max(run.largest for run in runs)
    lines.append(
        f"| all | {total[0]:.0f} | {total[1]:.0f} | {total[2]:.0f} | | {most[0]:.0f} | {total[3]:.1f} | "
        f"{total[4]:.1f} | {most[1]:.1f} | {runs[-1].after:.1f} | |"
    )
    return "\n".join(lines)


class StoredNight(Night):
    """A night whose reduced pixel tables are stores: their headers are FITS files in a directory of their own."""

    def product(self, name: str, ifu: int | None = None) -> Path:
        """See `Night.product`."""
        path = super().product(name, ifu)
        if path.exists() or not path.with_suffix(".zarr").exists():
            return path
        copy = Path(tempfile.mkdtemp()) / path.name
        fits.PrimaryHDU(header=open_pixel_table(path.with_suffix(".zarr")).header).writeto(copy)
        return copy


def pixel_widths(night: Night, wavelength: Array) -> Array:
    """Mean width of a pixel of the CCD [Angstrom]: in pixel tables the light of a source is that of a pixel."""
    t = np.linspace(-1.0, 1.0, 200)
    sums = np.zeros(wavelength.size)
    tables = [night.truth("wavelength", ifu) for ifu in night.ifus]
    for table in tables:
        rows = np.array([[row[f"w0{power}"] for power in range(6)] for row in table])
        for row in rows:
            width = np.polynomial.polynomial.polyval(t, np.arange(1, 6) * row[1:]) / HALF_ROWS
            sums += np.interp(wavelength, np.polynomial.polynomial.polyval(t, row), width)
    return sums / sum(len(table) for table in tables)


def response_errors(night: Night) -> tuple[Array, Array]:
    """Wavelengths, and the response over the truth [mag], away from the absorption of air, in bins of 200 Angstrom.

    The truth is the efficiency, times the throughput of slices, times the width of a pixel over its nominal one.
    """
    found, curve = read_table(night.product("STD_RESPONSE_0001")), night.truth("efficiency")
    slices = np.mean([np.mean(night.truth("throughput", ifu)["throughput"]) for ifu in night.ifus])
    wave = np.asarray(found["lambda"], np.float64)
    truth = np.interp(wave, curve["wavelength"], curve["efficiency"]) * slices * pixel_widths(night, wave) / SAMPLING
    clear = ~np.logical_or.reduce([(wave > low) & (wave < high) for low, high in TELLURIC])
    with np.errstate(all="ignore"):
        error = 2.5 * np.log10(np.asarray(found["throughput"], np.float64) / truth)
    middles = np.arange(4800.0, 9300.0, 200.0)
    chosen = [clear & (np.abs(wave - middle) < 100.0) for middle in middles]
    kept = [k for k, one in enumerate(chosen) if one.sum() > 20]
    return middles[kept], np.array([np.median(error[chosen[k]]) for k in kept])


def check(directory: Path) -> None:
    """Print figures of the products beside the truth."""
    night = StoredNight(directory)
    wavelengths, errors = response_errors(night)
    print("response over the truth [mag], by wavelength:")
    print(", ".join(f"{wave:.0f}: {error:+.4f}" for wave, error in zip(wavelengths, errors, strict=True)))
    constant = np.median(errors)
    shape = errors - constant
    print(f"median {constant:+.4f}; without it rms {shape.std():.4f}, worst {shape[np.argmax(np.abs(shape))]:+.4f}")
    cube = FinalCube.of(night)
    figures: list[Figure] = [*response_figures(night), *astrometry_figures(night), *source_figures(night, cube)]
    shares = np.mean(night.exposures_of("OBJECT")["transparency"])
    print(f"the air of the exposures lets {shares:.4f} of the light pass, on the average; fluxes over that:")
    fluxes = {f.name: f.difference for f in figures if re.fullmatch(r"flux of stars at \d+ Angstrom", f.name)}
    print(", ".join(f"{name.split()[-2]}: {(1.0 + value) / shares - 1.0:+.4f}" for name, value in fluxes.items()))
    thin = replace(cube, wavelength=cube.wavelength[::4], data=cube.data[::4], variance=cube.variance[::4])
    print(as_markdown(as_table([*figures, *noise_figures(thin)])))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--stops", help="last step of each process; default: every step")
    parser.add_argument("--keep", action="store_true", help="discard nothing")
    parser.add_argument("--check", action="store_true", help="compare with the truth at the end")
    given = parser.parse_args()
    simulate(given.directory)
    path = given.directory / "full-night.json"
    runs = [StepRun(**one) for one in json.loads(path.read_text())] if path.exists() else []
    print(f"{shutil.disk_usage(given.directory).free / 1e9:.1f} GB are free, {os.cpu_count()} processors", flush=True)
    steps = [step for step in steps_until("") if step not in ABSENT]
    stops = [check_step(stop) for stop in given.stops.split(",")] if given.stops else steps
    begun = steps.index(runs[-1].until) + 1 if runs else 0
    for stop in stops:
        if group := steps[begun : steps.index(stop) + 1]:
            runs.append(run_steps(given.directory, group, given.memory, given.keep))
            path.write_text(json.dumps([asdict(run) for run in runs], indent=1))
            print(table_of(runs[-1:]).splitlines()[2], flush=True)
            begun += len(group)
    print(table_of(runs))
    if given.check:
        check(given.directory)


if __name__ == "__main__":
    main()
