"""Exports and cutouts of a cube: processor time, and bytes read and written.

    python benchmarks/cubes.py CUBE.fits WORKDIR

CUBE.fits is one of ours or of the ESO pipeline. Files of four times its size are written into WORKDIR, then removed.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import musedeep


def io_bytes() -> tuple[int, int]:
    """Bytes that this process has read and written by system calls."""
    words = Path("/proc/self/io").read_text().split()
    return int(words[words.index("rchar:") + 1]), int(words[words.index("wchar:") + 1])


def measure(name: str, work: Callable[[], object]) -> None:
    """Run once, and print."""
    before, times, began = io_bytes(), os.times(), time.monotonic()
    work()
    after, ended = io_bytes(), os.times()
    cpu = ended.user + ended.system - times.user - times.system
    read, written = ((b - a) / 1e6 for a, b in zip(before, after, strict=True))
    seconds = f"{time.monotonic() - began:6.2f} s, processor {cpu:6.2f} s"
    print(f"{name:<24} {seconds}, read {read:.1f} MB, written {written:.1f} MB")


def main() -> None:
    """Measure all conversions."""
    cube, work = Path(sys.argv[1]), Path(sys.argv[2])
    store = work / "c.zarr"
    part = dict(pixel=(150.0, 14.0), size=4.0, wavelengths=(6500.0, 6600.0))
    measure("export --for viewers", lambda: musedeep.open_cube(cube).write(work / "v.fits", viewers=True))
    measure("export to a store", lambda: musedeep.open_cube(cube).write(store))
    measure("export back to a file", lambda: musedeep.open_cube(store).write(work / "b.fits"))
    measure("cutout of the file", lambda: musedeep.cutout(cube, **part).write(work / "k1.fits"))
    measure("cutout of the store", lambda: musedeep.cutout(store, **part).write(work / "k2.fits"))
    measure("cp", lambda: shutil.copyfile(cube, work / "cp.fits"))
    print(f"{cube.stat().st_size / 1e6:.0f} MB; cutout {(work / 'k1.fits').stat().st_size / 1e6:.2f} MB")
    for path in (store, *work.glob("*.fits")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
