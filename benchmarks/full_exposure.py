"""One exposure of 24 IFUs through muse_scipost, of the pixel tables of two: time, and memory that must not grow.

    python -m benchmarks.full_exposure NIGHT DIRECTORY [--ifus 2,24] [--memory 2GiB] [--rounds 1] [-- --skymethod=none]

NIGHT is what `musedeep simulate night NIGHT --ifus 1,2` wrote and `musedeep reduce --save-fits` has reduced. The tables
of IFUs 3 to 24 are those of IFUs 1 and 2 with another number, moved along y to where these IFUs look; so are their
LSF_PROFILEs. Calibrations are those of the set-of-frames scipost-1, which must exist; parameters of the recipe follow
after --.
Prints one line per number of IFUs: wall time, peak memory of the process tree, rows per second.
"""

import argparse
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

from benchmarks.run import measure
from musedeep.reduction.rows.product import PixelTableProduct
from musedeep.reduction.rows.source import Correction, corrected
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import Rows
from musedeep.storage.set_of_frames import read_set_of_frames

PITCH = 12.05
"""Distance of neighbouring IFUs along y [pixel]."""


class OfIfu(Correction):
    """The rows of another IFU."""

    reads = changes = ("ypos", "origin")

    def __init__(self, ifu: int, moved: float) -> None:
        self.ifu, self.moved = ifu, np.float32(moved)

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        rows["ypos"] = rows["ypos"] + self.moved
        rows["origin"] = (rows["origin"] & ~np.int32(0x1F << 6)) | np.int32(self.ifu << 6)


def renamed(header: fits.Header, old: int, ifu: int, moved: float) -> fits.Header:
    """The header of the table of another IFU."""
    made = fits.Header()
    for card in header.cards:
        key = card.keyword.replace(f"IFU{old:02d}", f"IFU{ifu:02d}")
        value = card.value
        if isinstance(value, str):
            value = value.replace(f"CHAN{old:02d}", f"CHAN{ifu:02d}")
        elif "LIMITS Y" in key:
            value += moved
        elif "LIMITS IFU" in key:
            value = ifu
        made.append((f"HIERARCH {key}" if " " in key else key, value, card.comment), end=True)
    return made


def make(night: Path, directory: Path) -> None:
    """The tables and profiles of 24 IFUs, as far as they are missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for ifu in range(1, 25):
        old = 2 - ifu % 2
        moved = PITCH * (ifu - old)
        target = directory / f"PIXTABLE_OBJECT_0001-{ifu:02d}.zarr"
        if not target.exists():
            table = open_pixel_table(night / "reduced" / f"PIXTABLE_OBJECT_0001-{old:02d}.zarr")
            rows = corrected(table, [OfIfu(ifu, moved)])
            with fits.open(night / "reduced" / f"PIXTABLE_OBJECT_0001-{old:02d}.fits") as hdus:
                flat = hdus["PIXTABLE_FLAT_FIELD"].copy()
            product = PixelTableProduct(rows, renamed(table.header, old, ifu, moved), flat)
            product.write_store(target, 2, False)
        profile = directory / f"LSF_PROFILE-{ifu:02d}.fits"
        if not profile.exists():
            with fits.open(night / "reduced" / f"LSF_PROFILE-{old:02d}.fits") as hdus:
                for hdu in hdus:
                    if "EXTNAME" in hdu.header:
                        hdu.header["EXTNAME"] = hdu.header["EXTNAME"].replace(f"CHAN{old:02d}", f"CHAN{ifu:02d}")
                hdus.writeto(profile)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("night", type=Path)
    parser.add_argument("directory", type=Path, help="of the tables of 24 IFUs; made if missing")
    parser.add_argument("--ifus", default="2,24")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("parameters", nargs="*", default=["--save=individual"])
    given = parser.parse_args()
    make(given.night, given.directory)
    calibrations = [
        (path, tag)
        for path, tag in read_set_of_frames(given.night / "sof" / "scipost-1.sof")
        if not re.match("PIXTABLE|LSF_PROFILE", tag)
    ]
    scratch = Path(tempfile.mkdtemp(dir=given.directory))
    print("| IFUs | rows | wall s | peak MiB | million rows per s |\n|---|---|---|---|---|")
    for number in (int(word) for word in given.ifus.split(",")):
        frames = [*calibrations]
        n_rows = 0
        for ifu in range(1, number + 1):
            table = given.directory / f"PIXTABLE_OBJECT_0001-{ifu:02d}.zarr"
            n_rows += open_pixel_table(table).n_rows
            frames += [
                (str(table), "PIXTABLE_OBJECT"),
                (str(given.directory / f"LSF_PROFILE-{ifu:02d}.fits"), "LSF_PROFILE"),
            ]
        sof = scratch / f"{number}.sof"
        sof.write_text("".join(f"{path} {tag}\n" for path, tag in frames))
        runs = []
        for k in range(given.rounds):
            made = scratch / f"{number}-{k}"
            made.mkdir()
            command = [sys.executable, "-m", "musedeep", "recipe", "muse_scipost", f"--memory={given.memory}"]
            runs.append(measure([*command, *given.parameters, str(sof)], made))
            shutil.rmtree(made)
        seconds = statistics.median(run[0] for run in runs)
        peak = max(run[1] for run in runs)
        print(f"| {number} | {n_rows:,} | {seconds:.1f} | {peak:.0f} | {n_rows / seconds / 1e6:.1f} |", flush=True)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
