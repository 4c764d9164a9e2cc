"""Reduce a night with pymusepipe, from raw frames to a mosaic of two pointings. Runs in pymusepipe's own environment.

    python pymusepipe_night.py PLACE NIGHT [STEP...]        (recipes=NUMBER: its steps from this number on)

NIGHT is what `musedeep simulate night` wrote. What is called `esorex` in PATH reduces. PLACE gets the directory tree of
pymusepipe, below data/Deep, and times.json.

1. Raw frames of one dataset are linked into Raw/, static calibrations into calib/; an rc file and a file with the names
   of the calibrations are written, as its manual says.
2. `run_recipes`: its fourteen steps, from muse_bias to the combination of the dataset.
3. `finalise_reduction` with the offsets found: pixel tables in the folder Combined, reference grids of the mosaic and
   of each pointing, cubes of single exposures and of pointings on these grids; then `mosaic`.

After the alignment only wavelengths within RANGE are reduced, or the ESO pipeline takes an hour.

The exposures of the night are of one place: the table of pointings, which pymusepipe lets its user give, says that the
last is of another.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

TARGET, DATASET = "Deep", 1
FILTERS = "white,Cousins_R"
RANGE = [5800.0, 7200.0]
STEPS = ("recipes", "pixtables", "cubes", "mosaic")

SOLUTION = {
    **{"CRPIX1": -0.01, "CRPIX2": -1.2, "CRVAL1": 31.2119098316381, "CRVAL2": -45.100761894771},
    **{"CD1_1": -5.54829218635551e-05, "CD1_2": -2.22671870999901e-08},
    **{"CD2_1": 7.95469832546552e-08, "CD2_2": 5.50144547334576e-05},
    **{"CSYER1": 7.3035971682e-07, "CSYER2": 2.43849722823e-06},
    **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"},
    **{"INSTRUME": "MUSE", "ESO INS MODE": "WFM-NOAO-N", "ESO PRO CATG": "ASTROMETRY_WCS"},
}
"""The ASTROMETRY_WCS, which pymusepipe takes as given: that of muse_astrometry on this night."""


def prepare(place: Path, night: Path) -> None:
    """The directories that a user of pymusepipe makes."""
    from astropy.io import fits

    raw, calib, config = place / "data" / TARGET / "OB001" / "Raw", place / "calib", place / "Config"
    for directory in (raw, calib, config):
        directory.mkdir(parents=True)
    for path in sorted((night / "raw").glob("*.fits")):
        # it would take a raw frame of this type for the ASTROMETRY_WCS
        if fits.getval(path, "ESO DPR TYPE") != "ASTROMETRY":
            (raw / path.name).symlink_to(path)
    for path in sorted((night / "static").glob("*.fits")):
        (calib / path.name).symlink_to(path)
    fits.PrimaryHDU(header=fits.Header(SOLUTION)).writeto(calib / "astrometry_wcs_wfm.fits")
    (config / "rc.dat").write_text(f"musecalib {calib}/\nmusecalib_time {calib}/\nroot {place}/data/\n")
    names = {name: f"{name}.fits" for name in ("badpix_table", "vignetting_mask", "std_flux_table", "extinct_table")}
    names |= {name: f"{name}.fits" for name in ("line_catalog", "sky_lines", "filter_list")}
    names |= {"geo_table": "geometry_table_wfm.fits", "astro_table": "astrometry_wcs_wfm.fits"}
    (config / "cal.dat").write_text("".join(f"{name} {file}\n" for name, file in names.items()))


def pointing_table(folder: Path):
    """The exposures of the dataset, the last of them in a second pointing."""
    from astropy.table import QTable

    tables = sorted((folder).glob("PIXTABLE_OBJECT_*-01.fits"))
    rows = []
    for number, path in enumerate(tables, 1):
        _, _, start, expo = path.stem.split("_")
        rows.append((path.name, DATASET, start, int(expo[:4]), 1, 2 if number == len(tables) else 1))
    # it puts whole paths into the column of the names later
    kinds = ("U400", int, "U19", int, int, int)
    return QTable(rows=rows, names=("filename", "dataset", "tpls", "expo", "select", "pointing"), dtype=kinds)


def main(arguments: list[str]) -> None:
    """Run the steps given, or all, and note the seconds of each."""
    place, night = (Path(one).resolve() for one in arguments[:2])
    if not place.exists():
        prepare(place, night)
    os.chdir(place)
    from pymusepipe.target_sample import MusePipeSample
    from pymusepipe.util_pipe import get_mosaic_lambda_range

    sample = MusePipeSample(
        {TARGET: ["", {DATASET: 1}]},
        rc_filename="rc.dat",
        cal_filename="cal.dat",
        folder_config=f"{place}/Config/",
        short_filter_list=FILTERS,
        filter_list=FILTERS,
        overwrite_astropy_tables=True,
    )
    pipe = sample.pipes[TARGET][DATASET]
    objects = place / "data" / TARGET / "OB001" / "Object"

    def finalise(pixtables: bool) -> None:
        sample.finalise_reduction(
            targetname=TARGET,
            create_pixtables=pixtables,
            create_wcs=not pixtables,
            create_expocubes=not pixtables,
            create_pointingcubes=not pixtables,
            name_offset_table="OFFSET_LIST_Cousins_R_OBJECT_OB001_ALL.fits",
            folder_offset_table=f"{objects}/",
            norm_skycontinuum=False,
            pointing_table=pointing_table(objects),
            lambdaminmax=RANGE,
        )

    def mosaic(_: str) -> None:
        table = pointing_table(objects)
        sample.init_combine(targetname=TARGET, pointing_table=table)
        cubes = sample.targets[TARGET].combcubes_path
        # finalise_reduction makes this grid with the wavelengths of the narrow one, and MPDAF finds nothing there
        sample.pipes_combine[TARGET].create_combined_wcs(
            prefix_wcs="full",
            lambdaminmax_wcs=get_mosaic_lambda_range(None),
            refcube_name=f"refwcs_{TARGET}_DATACUBE_FINAL.fits",
            folder_refcube=cubes,
        )
        sample.mosaic(targetname=TARGET, pointing_table=table)

    def recipes(first: str) -> None:
        own = {name: {"lambdaminmax": RANGE} for name in ("scipost_perexpo", "combine_dataset")}
        pipe.run_recipes(first_recipe=int(first or 1), param_recipes=own)

    steps: dict[str, Callable[[str], object]] = {
        "recipes": recipes,
        "pixtables": lambda _: finalise(True),
        "cubes": lambda _: finalise(False),
        "mosaic": mosaic,
    }
    times = {}
    for name in arguments[2:] or STEPS:
        start, begin = time.monotonic(), os.times()
        step, _, first = name.partition("=")
        steps[step](first)
        end = os.times()
        used = end.children_user + end.children_system - begin.children_user - begin.children_system
        own = end.user + end.system - begin.user - begin.system
        times[name] = {"wall": time.monotonic() - start, "esorex": used, "pymusepipe": own}
        (place / "times.json").write_text(json.dumps(times, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
