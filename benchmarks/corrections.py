"""Combination of many exposures from stores of rows and from stores of corrections: time, processor time, disk.

    python -m benchmarks.corrections NIGHT DIRECTORY [--exposures 125] [--planes 20] [--rounds 2] [--memory 2GiB]

NIGHT is what `musedeep simulate night NIGHT --ifus 1,2 --exposures 3` wrote and `musedeep reduce` has reduced. Its
exposures are reduced by muse_scipost with reduced=corrections. Then exposures are made of these, by turns: their
PIXTABLE_OBJECTs, cut to three chunks of a store, so that they take 8 MB each, with another DATE-OBS and pointing; and
of each a store of rows and a store of corrections, by the corrections of muse_scipost. All files are files of their
own: nothing is read from the page cache that another exposure has brought there.

`musedeep combine` runs by turns from the one and from the other: once with all files in the page cache, and once with
none of them there. Cubes must have the same bits. Prints a markdown table; processor time is that of the process tree.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from benchmarks.run import measure, read_once
from musedeep.reduction.rows.product import PixelTableProduct
from musedeep.reduction.rows.recorded import index_rows
from musedeep.reduction.rows.source import JoinedRows, RowsWithin, Stepped, corrected
from musedeep.storage.pixel_tables.corrected import CorrectedTable
from musedeep.storage.pixel_tables.open import open_pixel_table

MIDDLE = 6070.0
HALF = 68.0
"""Half the range of wavelengths that pixel tables are cut to [Angstrom]: three chunks of 131,072 rows of an IFU."""

FORMS = ("rows", "corrections")


def reduced(night: Path, directory: Path, number: int) -> Path:
    """The store of corrections of an exposure of the night; made if it is missing."""
    made = directory / f"reduced-{number}"
    store = made / "PIXTABLE_REDUCED_0001.zarr"
    if not store.exists():
        made.mkdir(parents=True, exist_ok=True)
        lines = (night / "sof" / f"scipost-{number}.sof").read_text().splitlines()
        # their stores, not their FITS files
        stores = [line.replace(".fits ", ".zarr ") if "PIXTABLE_OBJECT" in line else line for line in lines]
        sof = made / "in.sof"
        sof.write_text("\n".join(stores) + "\n")
        options = ["--save=individual", "--reduced=corrections", f"--output-dir={made}"]
        subprocess.run([sys.executable, "-m", "musedeep", "recipe", "muse_scipost", *options, str(sof)], check=True)
    return store


def another(header: fits.Header, number: int) -> fits.Header:
    """The header of an exposure with a date and a pointing of its own."""
    made = header.copy()
    made["DATE-OBS"] = f"2014-{10 + number // 672:02d}-{1 + number // 24 % 28:02d}T{number % 24:02d}:00:00.000"
    made["RA"] = header["RA"] + (number % 3 - 1) * 0.5 / 3600.0
    made["DEC"] = header["DEC"] + (number % 4 - 1.5) * 0.4 / 3600.0
    return made


def make(night: Path, directory: Path, number: int) -> None:
    """Pixel tables of an exposure, its store of rows, and its store of corrections; as far as they are missing."""
    stores = {form: directory / form / f"PIXTABLE_REDUCED_{number:04d}.zarr" for form in FORMS}
    if all(store.exists() for store in stores.values()):
        return
    for store in stores.values():
        store.parent.mkdir(parents=True, exist_ok=True)
    former = open_pixel_table(reduced(night, directory, number % 3 + 1))
    assert isinstance(former, CorrectedTable)
    sources = []
    for ifu, one in enumerate(former.tables, 1):
        path = directory / "objects" / f"PIXTABLE_OBJECT_{number:04d}-{ifu:02d}.zarr"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            cut = RowsWithin(one.table, MIDDLE - HALF, MIDDLE + HALF)
            PixelTableProduct(cut, another(one.table.header, number)).write_store(path, 2, False)
        sources.append(corrected(open_pixel_table(path), [Stepped(step) for step in one.steps]))
        sources[-1].units = dict(former.units)
    index = index_rows(sources)
    joined = JoinedRows(sources[0].path, sources)
    header = another(former.header, number)
    product = PixelTableProduct(joined, header)
    product.write_store(stores["rows"], 2, True)
    index.write(stores["corrections"], PixelTableProduct(joined, header), True)


def files_of(directory: Path, names: Sequence[str]) -> list[Path]:
    """All files in some folders."""
    return [path for name in names for path in sorted((directory / name).rglob("*")) if path.is_file()]


def forget(paths: list[Path]) -> None:
    """Have the system drop files from its page cache."""
    os.sync()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def same(one: Path, other: Path) -> bool:
    """Whether two cubes have the same bits."""
    with fits.open(one) as a, fits.open(other) as b:
        return all(np.array_equal(x.data, y.data, equal_nan=True) for x, y in zip(a[1:], b[1:], strict=True))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("night", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--exposures", type=int, default=125)
    parser.add_argument("--planes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", default="2GiB")
    given = parser.parse_args()
    directory = given.directory.resolve()
    for number in range(given.exposures):
        make(given.night.resolve(), directory, number)
    commands, read = {}, {"rows": ["rows"], "corrections": ["corrections", "objects"]}
    for form, number in [*((form, 2) for form in FORMS), *((form, given.exposures) for form in FORMS)]:
        selection = directory / f"{form}.yaml"
        listed = "".join(f"  - {form}/PIXTABLE_REDUCED_{k:04d}.zarr\n" for k in range(number))
        low, high = MIDDLE - 0.625 * given.planes, MIDDLE + 0.625 * given.planes
        how = f"{{crsigma: 10, lambdamin: {low}, lambdamax: {high}}}"
        selection.write_text(f"exposures:\n{listed}output: cube-{form}\nparameters: {how}\n")
        commands[form] = [
            sys.executable, "-m", "musedeep", "combine", str(selection), "--overwrite", f"--memory={given.memory}",
        ]  # fmt: skip
        if number == 2:  # compiled kernels
            measure(commands[form], directory / "log" / form)
    scratch = directory / "log"
    print("| files | from | disk [MB] | wall [s] | processor [s] | peak [MiB] |\n|---|---|---|---|---|---|")
    for where in ("page cache", "disk"):
        runs: dict[str, list[tuple[float, float, float]]] = {form: [] for form in FORMS}
        for _ in range(given.rounds):
            for form in FORMS:
                files = files_of(directory, read[form])
                (read_once if where == "page cache" else forget)(files)
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds, peak = measure(commands[form], scratch / form)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
                runs[form].append((seconds, spent, peak))
                time.sleep(1.0)
        for form in FORMS:
            size = sum(path.stat().st_size for path in files_of(directory, read[form])) / 1e6
            wall, spent, peak = (statistics.median(values) for values in zip(*runs[form], strict=True))
            print(f"| {where} | {form} | {size:.0f} | {wall:.1f} | {spent:.1f} | {peak:.0f} |", flush=True)
    equal = same(*(directory / f"cube-{form}" / "DATACUBE_FINAL.fits" for form in FORMS))
    print(f"cubes have {'the same bits' if equal else 'other bits'}")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
