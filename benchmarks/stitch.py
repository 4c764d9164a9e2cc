#!/usr/bin/env python3
"""Time and memory of stitching pieces of a large grid, beside those of `cp`.

    stitch.py DIRECTORY [--planes 200,1600] [--spaxels 400] [--pieces 4] [--rounds 3]

Two small exposures are combined in pieces onto a grid with so many planes, of which they fill a few; the rest are
NaN, which are copied as values are. Stitching alternates with `cp` of the cubes of the pieces. Joining is the part that
copies planes; the rest (field image, sources, checksums) is the completion, which every run has. Prints a Markdown
table for benchmarks/RESULTS.md. Needs three times the largest cube of free space.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from astropy.io import fits

from musedeep.storage.fits.parts import header_bytes
from tests.makers.pixel_tables import write_dithers

JOINED = """\
import resource, sys, time
from pathlib import Path
import musedeep.recipes.exp_combine.stitch as module
fill, seconds = module._fill, []
def timed(*arguments):
    began = time.perf_counter()
    filled = fill(*arguments)
    seconds.append(time.perf_counter() - began)
    return filled
module._fill = timed
module.stitch([Path(sys.argv[1])], overwrite=True)
used = resource.getrusage(resource.RUSAGE_SELF)
print(seconds[0], used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def make_pieces(directory: Path, planes: int, spaxels: int, pieces: str) -> Path:
    """Make the pieces; the directory that they are in."""
    directory.mkdir()
    paths, _ = write_dithers(directory, 2, step=50.0, ifus=(11, 12), wavelength=(7000.0, 7030.0))
    header = fits.Header()
    for i, (kind, unit) in enumerate((("RA---TAN", "deg"), ("DEC--TAN", "deg"), ("AWAV", "Angstrom")), 1):
        header[f"CTYPE{i}"], header[f"CUNIT{i}"], header[f"CRPIX{i}"] = kind, unit, spaxels / 2 if i < 3 else 1.0
    first = fits.getheader(paths[0])
    header["CRVAL1"], header["CRVAL2"], header["CRVAL3"] = first["RA"], first["DEC"], 7000.0
    header["CD1_1"], header["CD2_2"], header["CD3_3"] = -0.2 / 3600, 0.2 / 3600, 1.25
    shape = planes, spaxels, spaxels
    with (directory / "wcs.fits").open("wb") as stream:
        stream.write(header_bytes(fits.Header(), False, 8, ()) + header_bytes(header, True, -32, shape))
        stream.truncate(stream.tell() + -(-4 * planes * spaxels**2 // 2880) * 2880)
    (directory / "selection.yaml").write_text(
        f"exposures: [{', '.join(path.name for path in paths)}]\noutput_wcs: wcs.fits\noutput: out\n"
    )
    command = [sys.executable, "-m", "musedeep", "combine", "selection.yaml", "--pieces", pieces]
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return directory / "out"


def copy(output: Path, target: Path) -> float:
    """Seconds that `cp` takes for the cubes of the pieces."""
    target.mkdir()
    cubes = sorted(output.glob("piece-*/DATACUBE_FINAL.fits"))
    began = time.perf_counter()
    for number, cube in enumerate(cubes):
        subprocess.run(["cp", str(cube), str(target / f"{number}.fits")], check=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(target)
    return seconds


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--planes", default="200,1600")
    parser.add_argument("--spaxels", type=int, default=400)
    parser.add_argument("--pieces", default="4")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(
        "| cube [GB] | joining [s] | `cp` [s] | processor seconds, whole | peak memory [MiB] |\n|---|---|---|---|---|"
    )
    for planes in map(int, given.planes.split(",")):
        directory = given.directory / f"planes-{planes}"
        output = make_pieces(directory, planes, given.spaxels, given.pieces)
        copies, runs = [], []
        for _ in range(given.rounds):
            os.sync()
            copies.append(copy(output, directory / "copies"))
            os.sync()
            done = subprocess.run(
                [sys.executable, "-c", JOINED, str(output)], check=True, capture_output=True, text=True
            )
            runs.append([float(value) for value in done.stdout.split()[-3:]])
        joining, processor, memory = (statistics.median(values) for values in zip(*runs, strict=True))
        size = (output / "DATACUBE_FINAL.fits").stat().st_size / 1e9
        print(f"| {size:.2f} | {joining:.2f} | {statistics.median(copies):.2f} | {processor:.1f} | {memory:.0f} |")
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
