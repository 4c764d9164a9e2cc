#!/usr/bin/env python3
"""A cube that is delivered, with another header and checksums, beside a copy by `cp`.

    delivered_cube.py DIRECTORY [--size 1.0] [--rounds 5]

Both copies are flushed to the disk. They alternate, and each replaces a file that is removed before. Prints a Markdown
table for benchmarks/RESULTS.md. Needs twice --size GB of free space.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.cubes.cube_fits import CubeFile, extension_header
from musedeep.storage.fits.copied import copy_with_headers
from musedeep.storage.fits.headers import scan_file
from tests.makers import cubes


def made(path: Path, size: float) -> Path:
    """A cube of random values, of so many GB."""
    planes = max(2, int(size * 1e9 / (2 * 4 * 320 * 320)))
    wcs = cubes.wcs()
    heads = [extension_header(name, "a field", wcs, name == "STAT") for name in ("DATA", "STAT")]
    cube = CubeFile.create(path.with_suffix(".part"), (planes, 320, 320), fits.Header([("DATAMD5", "0" * 32)]), *heads)
    values = np.random.default_rng(0).normal(size=(1, 320, 320)).astype(np.float32)
    for plane in range(planes):
        cube.write_box(plane, 0, values + plane, values)
    cube.finish(path)
    return path


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Time on the clock, and of processors."""
    before, start = os.times(), time.perf_counter()
    action()
    clock, after = time.perf_counter() - start, os.times()
    return clock, sum(after[:4]) - sum(before[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--size", type=float, default=1.0, help="GB")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    source, target = made(options.directory / "cube.fits", options.size), options.directory / "copy.fits"
    headers = [fits.Header([card for card in unit.header.cards if card.keyword]) for unit in scan_file(source)]
    for header in headers:
        header.remove("CHECKSUM"), header.remove("DATASUM")

    def cp() -> None:
        subprocess.run(["cp", "--reflink=never", str(source), str(target)], check=True)
        subprocess.run(["sync", str(target)], check=True)

    actions = {"cp, sync": cp, "delivered": lambda: copy_with_headers(source, target, headers)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(options.rounds):
        for name, action in actions.items():
            target.unlink(missing_ok=True)
            times[name].append(seconds(action))
    size = source.stat().st_size / 1e9
    source.unlink()
    target.unlink()
    print("| | seconds | GB/s | processor seconds |\n|---|---|---|---|")
    for name, found in times.items():
        clock, work = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"| {name} | {clock:.2f} | {size / clock:.2f} | {work:.2f} |")
    ratios = [first[0] / second[0] for first, second in zip(*times.values(), strict=True)]
    print(f"\nSpeed beside cp: {statistics.median(ratios):.2f} (median of {options.rounds} rounds).")


if __name__ == "__main__":
    sys.exit(main())
