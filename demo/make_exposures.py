"""Make the input of the demonstration: six dithered, rotated exposures of a made-up field, 24 IFUs each.

    python demo/make_exposures.py [DIRECTORY] [--exposures N] [--ifus 11-14]

Writes PIXTABLE_REDUCED_000k.fits and an OFFSET_LIST.fits that corrects the errors of their pointings (some
tenths of an arcsecond, as the telescope's are).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from scene import Scene  # noqa: E402

from musedeep.storage.offset_list import OffsetRow, write_offset_list  # noqa: E402
from tests.makers.pixel_tables import CENTRE, write_exposure  # noqa: E402

WAVELENGTH = (6542.0, 6594.0)  # Angstrom
POINTINGS = (  # offset east, north [arcsec] and position angle [deg]
    (-1.6, -1.1, 0.0),
    (1.5, -1.3, 90.0),
    (1.2, 1.6, 180.0),
    (-1.4, 1.2, 270.0),
    (0.6, -0.4, 22.0),
    (-0.5, 0.7, 112.0),
)


def exposure(directory: Path, ifus: Sequence[int], number: int) -> tuple[Path, OffsetRow]:
    """Write one exposure; its file, and its row of the OFFSET_LIST."""
    east, north, angle = POINTINGS[number]
    cos_dec = np.cos(np.deg2rad(CENTRE[1]))
    ra, dec = CENTRE[0] + east / 3600 / cos_dec, CENTRE[1] + north / 3600
    date = f"2014-12-{19 + number:02d}T04:{7 * number:02d}:00.000"
    path = directory / f"PIXTABLE_REDUCED_{number + 1:04d}.fits"
    write_exposure(
        path, ifus=ifus, wavelength=WAVELENGTH, ra=ra, dec=dec, posang=angle, date_obs=date, exptime=900.0,
        seed=number, cosmics=3e-4, field=Scene(), noise=90.0,
    )  # fmt: skip
    # the pointing in the header is a little off; the first exposure is the reference
    error = np.random.default_rng(100 + number).normal(0, 0.3, 2) / 3600 * (number > 0)
    fits.setval(path, "RA", value=ra + error[0] / cos_dec)
    fits.setval(path, "DEC", value=dec + error[1])
    fits.setval(path, "OBJECT", value="demo nebula")
    return path, OffsetRow(date, float(error[0] / cos_dec), float(error[1]))


def main() -> None:
    """Write all exposures, as many at a time as there are processors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=HERE / "data", help="default: demo/data")
    parser.add_argument("--exposures", type=int, default=len(POINTINGS), choices=range(1, len(POINTINGS) + 1))
    parser.add_argument("--ifus", default="1-24", metavar="FIRST-LAST", help="default: 1-24")
    given = parser.parse_args()
    directory = given.directory
    first, last = (int(word) for word in given.ifus.split("-"))
    directory.mkdir(parents=True, exist_ok=True)
    rows = []
    with ProcessPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
        for path, row in pool.map(partial(exposure, directory, range(first, last + 1)), range(given.exposures)):
            print(f"{path} ({path.stat().st_size / 2**20:.0f} MiB)", flush=True)
            rows.append(row)
    write_offset_list(directory / "OFFSET_LIST.fits", rows)


if __name__ == "__main__":
    main()
