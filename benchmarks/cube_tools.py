#!/usr/bin/env python3
"""Memory of the cube tools with cubes of 1 and 60 GB, and their speed beside that of `cp`.

    cube_tools.py DIRECTORY [--sizes 1,60] [--tools combine,filter] [--copy 1.0] [--rounds 3]
                  [--every 20] [--only memory|stores|speed]

Memory: sparse cubes, which take little space on the disk; a joined cube of theirs is sparse too. With --every 20, each
20th plane has values (3 GB of a cube of 60), the others are holes of the file.
Peak memory and times are those of whole processes. Speed: two pieces of random values, of --copy GB together, joined
by muse_cube_concatenate, and copied by `cp` into as many files, alternating; both are flushed to the disk. The start
of the tool is what it takes for two tiny pieces. Prints Markdown tables for benchmarks/RESULTS.md. Needs three times
--copy of free space.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.fits.header_cards import keep_checksum_places
from musedeep.storage.fits.parts import header_bytes, padded
from tests.makers import cube_pieces, cubes

PLANES = 3681
LIMITS = ((4000.0, 8150.0), (8146.25, 9500.0), (9496.25, 20000.0))
"""Of three overlapping pieces, for cubes that begin at 7000 Angstrom."""


def cube_file(path: Path, shape: tuple[int, int, int], low: float, high: float, first: int = 0, every: int = 0) -> Path:
    """A cube of zeros that are holes of the file, but for every n-th plane, which has random values."""
    head = cube_pieces.primary(cube_pieces.with_limits(low, high))
    keep_checksum_places(head)
    rng = np.random.default_rng(first)
    size = padded(4 * int(np.prod(shape)))
    with path.open("wb") as stream:
        stream.write(header_bytes(head, False, 8, ()))
        for name in ("DATA", "STAT"):
            cards = cubes.wcs().spatial()
            header = fits.Header([(key, value) for key, value, _ in cards])
            header.update(cube_pieces.grid_cards(cube_pieces.FIRST + first * cube_pieces.STEP))
            header["EXTNAME"], header["BUNIT"] = name, "unit"
            stream.write(header_bytes(header, True, -32, shape))
            begin, end = stream.tell(), stream.tell() + size
            for k in range(0, shape[0] if every else 0, every or 1):
                stream.seek(begin + 4 * k * shape[1] * shape[2])
                stream.write(rng.normal(size=shape[1:]).astype(">f4").tobytes())
            stream.truncate(end)
            stream.seek(end)
        os.fsync(stream.fileno())
    return path


def measured(words: Sequence[str]) -> tuple[float, float, float]:
    """Run a command that has to work: seconds, processor seconds, peak memory [MiB]."""
    began = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def tool(name: str, *words: object) -> tuple[float, float, float]:
    """The same for a tool."""
    code = f"import sys; from musedeep.tools.cube import {name}; sys.exit({name}(sys.argv[1:]))"
    return measured([sys.executable, "-c", code, *map(str, words)])


def shape_of(gigabytes: float, planes: int = PLANES) -> tuple[int, int, int]:
    """Of a cube whose two arrays have that size."""
    side = round((gigabytes * 1e9 / 8 / planes) ** 0.5)
    return planes, side, side


def memory(directory: Path, sizes: Sequence[float], tools: Sequence[str], every: int) -> None:
    """Peak memory of each tool for cubes of some sizes."""
    print("| tool | cube [GB] | peak memory [MiB] | seconds | processor seconds |\n|---|---|---|---|---|")
    for size in sizes:
        shape = shape_of(size)
        wanted = len(LIMITS) if "combine" in tools else 1 if "filter" in tools else 0
        made = [
            cube_file(directory / f"over-{k}.fits", shape, *limits, every=every)
            for k, limits in enumerate(LIMITS[:wanted])
        ]
        half = shape[0] // 2, *shape[1:]
        cut = cube_pieces.FIRST + half[0] * cube_pieces.STEP
        rest = (shape[0] - half[0], *shape[1:])
        parts = []
        if "concatenate" in tools:
            parts = [
                cube_file(directory / "part-0.fits", half, 4000.0, cut + 10, every=every),
                cube_file(directory / "part-1.fits", rest, cut - 10, 20000.0, half[0], every=every),
            ]
        out, appended = directory / "out.fits", directory / "appended.fits"
        if "append" in tools:
            cube_file(appended, shape, *LIMITS[0], every=every)
        runs = {
            "combine": ("muse_cube_combine", (out, *made)),
            "concatenate": ("muse_cube_concatenate", ("--overwrite", out, *parts)),
            "filter": ("muse_cube_filter", ("--overwrite", *made[:1])),
            "append": ("muse_cube_filter -x", ("-x", appended)),
        }
        for name, words in (runs[key] for key in tools):
            seconds, processor, peak = tool(name.split()[0], *words)
            print(f"| `{name}` | {size:g} | {peak:.0f} | {seconds:.0f} | {processor:.0f} |", flush=True)
        for path in (*made, *parts, out, appended):
            path.unlink(missing_ok=True)
        for path in directory.glob("over-0_*.fits"):
            path.unlink()


def stores(directory: Path, gigabytes: float) -> None:
    """Peak memory of what reads or writes stores, with planes as large as those of a cube of some size; few of them.

    Memory depends on the size of the planes.
    """
    _, ny, nx = shape_of(gigabytes)
    half = 48, ny, nx
    cut = cube_pieces.FIRST + half[0] * cube_pieces.STEP
    parts = [
        cube_file(directory / "part-0.fits", half, 4000.0, cut + 10, every=1),
        cube_file(directory / "part-1.fits", half, cut - 10, 20000.0, half[0], every=1),
    ]
    store, out = directory / "out.zarr", directory / "out.fits"
    print("\n| tool | planes | peak memory [MiB] | seconds | processor seconds |\n|---|---|---|---|---|")
    for name, what, words in (
        ("muse_cube_concatenate", "FITS to store", (store, *parts)),
        ("muse_cube_concatenate", "store and FITS to FITS", (out, store, directory / "part-2.fits")),
        ("muse_cube_filter", "of a store", (store,)),
    ):
        if what.startswith("store"):
            end = cube_pieces.FIRST + 2 * half[0] * cube_pieces.STEP
            last = cube_file(directory / "part-2.fits", (1, ny, nx), end - 10, 20000.0, 2 * half[0])
            parts.append(last)
        seconds, processor, peak = tool(name, *words)
        print(f"| `{name}`, {what} | {ny} x {nx} | {peak:.0f} | {seconds:.0f} | {processor:.0f} |", flush=True)
    for path in (*parts, out, directory / "out_white.fits"):
        path.unlink()
    shutil.rmtree(store)


def speed(directory: Path, gigabytes: float, rounds: int) -> None:
    """Joining beside copying."""
    shape = shape_of(gigabytes / 2, 400)
    cut = cube_pieces.FIRST + shape[0] * cube_pieces.STEP
    parts = [
        cube_file(directory / "part-0.fits", shape, 4000.0, cut + 10, every=1),
        cube_file(directory / "part-1.fits", shape, cut - 10, 20000.0, shape[0], every=1),
    ]
    out, copies = directory / "out.fits", directory / "copies"
    copies.mkdir(exist_ok=True)
    copy = f"cp {parts[0]} {parts[1]} {copies} && sync {copies}/*"
    ones = np.ones((4, 5, 6), np.float32)
    small = cube_pieces.adjacent(directory, ones, ones, (0, 2, 4))
    found: dict[str, list[tuple[float, float, float]]] = {"cp": [], "muse_cube_concatenate": []}
    starts = []
    for _ in range(rounds):
        found["cp"].append(measured(["sh", "-c", copy]))
        for path in copies.iterdir():
            path.unlink()
        found["muse_cube_concatenate"].append(tool("muse_cube_concatenate", out, *parts))
        out.unlink()
        starts.append(tool("muse_cube_concatenate", out, *small))
        out.unlink()
    seconds, processor = (statistics.median(one[k] for one in starts) for k in (0, 1))
    found["muse_cube_concatenate, without its start"] = [
        (max(s - seconds, 1e-3), p - processor, m) for s, p, m in found["muse_cube_concatenate"]
    ]
    read = parts[0].stat().st_size + parts[1].stat().st_size
    print("\n| | GB/s (median) | GB/s (each) | processor s/GB | peak memory [MiB] |\n|---|---|---|---|---|")
    for name, runs in found.items():
        rates = [read / 1e9 / seconds for seconds, _, _ in runs]
        each = ", ".join(f"{rate:.2f}" for rate in rates)
        processor = statistics.median(p for _, p, _ in runs) / read * 1e9
        peak = max(m for _, _, m in runs)
        print(f"| `{name}` | {statistics.median(rates):.2f} | {each} | {processor:.2f} | {peak:.0f} |", flush=True)
    for path in (*parts, *small):
        path.unlink()
    copies.rmdir()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sizes", default="1,60")
    parser.add_argument("--every", type=int, default=0, help="of cubes whose memory is measured, planes with values")
    parser.add_argument("--copy", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("memory", "stores", "speed"))
    parser.add_argument("--tools", default="combine,concatenate,filter,append", help="of which memory is measured")
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    sizes = [float(size) for size in given.sizes.split(",")]
    if given.only in (None, "memory"):
        memory(given.directory, sizes, given.tools.split(","), given.every)
    if given.only in (None, "stores"):
        stores(given.directory, max(sizes))
    if given.only in (None, "speed"):
        speed(given.directory, given.copy, given.rounds)


if __name__ == "__main__":
    main()
