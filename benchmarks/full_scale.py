"""Combinations of many rows: time and memory for each row, and what they read from the disk.

    python -m benchmarks.full_scale DIRECTORY [--sets 125x100] [--files stores] [--cold] [--rounds 1] [--memory 2GiB]

Makes the sets of `benchmarks.run` (kept in DIRECTORY for the next time), as FITS files or as stores: then each FITS
file is removed when its store is there. Runs `musedeep combine` on each, whole processes, by turns where there are
several. With `--cold`, the files leave the page cache before every run; otherwise they are read once. "From disk" is
what the system has read for the process (`/proc/PID/io`), "asked" what its reads have returned, page cache or not; both
for each byte of the columns that a combination needs, once, as they are in the files. Prints a markdown table.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks.run import SETS, Set, exposure_paths, measure, read_once, write

MUSEDEEP = [sys.executable, "-m", "musedeep"]

COLUMNS = ("xpos", "ypos", "lambda", "data", "stat", "dq")
"""Columns that a combination reads."""


def make_stores(directory: Path, which: Set) -> list[Path]:
    """The stores of a set; those that are not there yet are made, one FITS file at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    stores = []
    for k, path in enumerate(exposure_paths(directory, which)):
        store = path.with_suffix(".zarr")
        stores.append(store)
        if not store.exists():
            write(path, which, k)
            subprocess.run([*MUSEDEEP, "ingest", str(path), str(store)], check=True, stdout=subprocess.DEVNULL)
            path.unlink()
    return stores


def files_of(paths: list[Path]) -> list[Path]:
    """The files of pixel tables, which may be directories."""
    return [
        file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file()
    ]


def forget(files: list[Path]) -> None:
    """Have the system drop files from the page cache."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def column_bytes(paths: list[Path], rows: int) -> int:
    """Bytes of the columns that are needed: 4 a row in FITS files, those of their files in stores."""
    stores = [path for path in paths if path.is_dir()]
    files = files_of([store / name for store in stores for name in COLUMNS if (store / name).exists()])
    return sum(file.stat().st_size for file in files) if stores else 4 * len(COLUMNS) * rows


class Reads:
    """Watches what a child of this process reads, until it has ended."""

    def __init__(self) -> None:
        self.asked = self.disk = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Reads":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        while not self._over.is_set():
            for child in children.read_text().split():
                try:
                    lines = Path(f"/proc/{child}/io").read_text().splitlines()
                except OSError:
                    continue
                found = {name: int(value) for name, value in (line.split(": ") for line in lines)}
                self.asked, self.disk = max(self.asked, found["rchar"]), max(self.disk, found["read_bytes"])
            time.sleep(0.05)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", default="125x100")
    parser.add_argument("--files", choices=("stores", "fits"), default="stores")
    parser.add_argument("--cold", action="store_true", help="read from the disk")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", default="2GiB")
    options = parser.parse_args()
    directory: Path = options.directory.resolve()
    names, found = options.sets.split(","), {}
    for name in names:
        which = SETS[name]
        if options.files == "stores":
            paths = make_stores(directory / f"{name}-stores", which)
        else:
            paths = exposure_paths(directory / name, which)
            for k, path in enumerate(paths):
                write(path, which, k)
        selection = directory / f"{name}-{options.files}.yaml"
        tables = "".join(f"  - {path}\n" for path in paths)
        selection.write_text(f"exposures:\n{tables}parameters: {{crsigma: 10}}\noutput: {name}-out\n")
        found[name] = (paths, selection, [])
    for _ in range(options.rounds):
        for name, (paths, selection, runs) in found.items():
            forget(files_of(paths)) if options.cold else read_once(files_of(paths))
            command = [*MUSEDEEP, "combine", str(selection), f"--memory={options.memory}", "--overwrite", "--no-log"]
            with Reads() as reads:
                seconds, peak = measure(command, directory / f"{name}-log", interval=0.2)
            runs.append((seconds, peak, reads.asked, reads.disk))
            shutil.rmtree(directory / f"{name}-out")
    print("| set | files | rows | s | µs a row | MiB | GB on disk | from disk | asked |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (paths, _, runs) in found.items():
        rows = SETS[name].rows
        needed = column_bytes(paths, rows)
        seconds, peak, asked, disk = (statistics.median(values) for values in zip(*runs, strict=True))
        print(
            f"| {name} | {options.files} | {rows / 1e6:.1f} M | {seconds:.2f} | {1e6 * seconds / rows:.4f} | "
            f"{peak:.0f} | {needed / 1e9:.1f} | {disk / needed:.2f} | {asked / needed:.2f} |"
        )


if __name__ == "__main__":
    main()
