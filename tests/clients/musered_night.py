"""Reduce a night with musered, from raw frames to a combined cube, by the recipes of a directory of plug-ins.

    python -m tests.clients.musered_night PLACE NIGHT PLUGINS PYTHON

NIGHT is what `musedeep simulate night` wrote, PYTHON the interpreter of musered's environment. PLACE gets settings,
database, logs, `reduced` and times.json.

1. A settings file for each IFU of the night: the ESO pipeline's recipes fail if `nifu=-1` meets a night without all
   IFUs, and musered then stops. Calibrations are named, because musered finds by itself only 1 or 24 files of a kind.
   muse_exp_align may be given lists of sources, for which musered, which is older, would look in its database.
2. `process-calib` makes the calibrations, IFU by IFU; muse_twilight takes all IFUs.
3. `process-exp` makes the pixel tables of the exposures and of the standard star. musered has muse_standard follow at
   once on the tables that are there: of one IFU first, where it may fail, as the star is in two; then of both.
4. `process-exp --scipost`, `exp-align`, `exp-combine`; then single cubes on the grid of the combined one, and their
   combination by MPDAF.
5. `update-qc` collects the keywords of quality control into the database.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from astropy.io import fits

IFUS = (1, 2)
FIELD = "deep-field"
COMBINED = f"{FIELD}_drs"

SOLUTION = {
    **{"CRPIX1": -0.01, "CRPIX2": -1.2, "CRVAL1": 31.20000017096057, "CRVAL2": -45.10000133730783},
    **{"CD1_1": -5.5489121194532e-05, "CD1_2": 7.33273435210441e-08},
    **{"CD2_1": 7.7366551960137e-08, "CD2_2": 5.56723611066275e-05},
    **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"},
    **{"CSYER1": 1.48207659370827e-07, "CSYER2": 8.040137197762e-07},
    **{"INSTRUME": "MUSE", "ESO INS MODE": "WFM-NOAO-N", "ESO PRO CATG": "ASTROMETRY_WCS"},
}
"""The ASTROMETRY_WCS, which is a static calibration for musered: that of muse_astrometry on this night."""

MADE_BY = {"TRACE_TABLE": "MASTER_FLAT"}
"""musered names a directory after the first product of a recipe."""

CALIBRATIONS = {
    "muse_flat": ("MASTER_BIAS",),
    "muse_wavecal": ("MASTER_BIAS", "TRACE_TABLE"),
    "muse_lsf": ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE"),
    "muse_twilight": ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE"),
    "muse_scibasic": ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE"),
    "muse_scipost": ("LSF_PROFILE",),
}

SETTINGS = """\
workdir: '.'
db: musered.db
raw_path: '{night}/raw'
reduced_path: '{{workdir}}/reduced'
muse_calib_path: '{{workdir}}/static'
version: '0.1'
loglevel: info
datasets:
  {field}:
    OBJECT: {field}
cpl:
  recipe_path: '{plugins}'
  log_dir: '{{workdir}}/logs'
  msg: warning
  esorex_msg: info
  esorex_msg_format: "%(asctime)s [%(levelname)07s] %(name)s: %(message)s"
recipes:
  common:
    temp_dir: '{{workdir}}/tmp'
    nifu: {ifu}
{calibrations}
    params:
      save: cube,individual
      skymethod: model
  muse_exp_align:
    from_recipe: muse_scipost
    filt: white
    frames:
      exclude: SOURCE_LIST
  muse_exp_combine:
    from_recipe: muse_scipost
    frames:
      OFFSET_LIST: OFFSET_LIST_drs
  muse_scipost_make_cube:
    from_recipe: muse_scipost
    frames:
      OFFSET_LIST: OFFSET_LIST_drs
      OUTPUT_WCS: '{{workdir}}/reduced/exp_combine/{combined}/DATACUBE_FINAL.fits'
  mpdaf_combine:
    from_recipe: muse_scipost_make_cube
    params:
      method: sigclip
"""


def frames_of(recipe: str, tags: Iterable[str]) -> str:
    """The block of a recipe in the settings that names its calibrations; `params` may follow."""
    files = [f"      {tag}: '{{workdir}}/reduced/{MADE_BY.get(tag, tag)}/*/{tag}*.fits'" for tag in tags]
    return "\n".join([f"  {recipe}:", "    frames:", *files])


def prepare(place: Path, night: Path, plugins: Path) -> None:
    """What a user of musered makes: directories, static calibrations, settings."""
    for name in ("static", "tmp", "home"):
        (place / name).mkdir(parents=True)
    for path in sorted((night / "static").glob("*.fits")):
        (place / "static" / path.name).symlink_to(path)
    fits.PrimaryHDU(header=fits.Header(SOLUTION)).writeto(place / "static" / "astrometry_wcs_wfm.fits")
    calibrations = "\n".join(frames_of(recipe, tags) for recipe, tags in CALIBRATIONS.items())
    for ifu in IFUS:
        words = {"night": night, "plugins": plugins, "ifu": ifu, "field": FIELD, "combined": COMBINED}
        (place / f"ifu{ifu}.yml").write_text(SETTINGS.format(**words, calibrations=calibrations))


def steps() -> list[tuple[int, str, bool]]:
    """Commands of musered, with the settings of which IFU, and whether they may fail."""
    found = [(1, "update-db", False)]
    found += [
        (ifu, f"process-calib --{one} --force", False) for one in ("bias", "flat", "wavecal", "lsf") for ifu in IFUS
    ]
    found.append((1, "process-calib --twilight --force", False))
    found += [(ifu, "process-exp --scibasic --force", False) for ifu in IFUS]
    found += [(2, "process-exp --standard --force", True), (1, "process-exp --standard --force", False)]
    rest = (
        "process-exp --scipost --force",
        f"exp-align {FIELD}",
        f"exp-combine {FIELD}",
        f"process-exp --makecube --dataset {FIELD} --force",
        f"exp-combine --method mpdaf {FIELD}",
        "update-qc",
        "info",
    )
    return found + [(1, command, False) for command in rest]


def reduce(place: Path, night: Path, plugins: Path, python: Path, environment: dict[str, str]) -> None:
    """Run all steps, with their words in `log`; raises RuntimeError if one fails that must not."""
    prepare(place, night, plugins)
    environment = environment | {"HOME": str(place / "home")}
    times: dict[str, list[float]] = {}
    with (place / "log").open("w") as log:
        for ifu, command, may_fail in steps():
            start, before = time.monotonic(), os.times()
            words = [str(python), "-m", "musered", "--settings", f"ifu{ifu}.yml", *command.split()]
            print(f"$ musered --settings ifu{ifu}.yml {command}", file=log, flush=True)
            done = subprocess.run(words, cwd=place, env=environment, stdout=log, stderr=log, check=False)
            after = os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
            times[f"{command} (ifu{ifu}.yml)"] = [time.monotonic() - start, used]
            (place / "times.json").write_text(json.dumps(times, indent=1))
            if done.returncode and not may_fail:
                raise RuntimeError(f"musered {command}: status {done.returncode}, see {place / 'log'}")


if __name__ == "__main__":
    reduce(*(Path(word).absolute() for word in sys.argv[1:5]), dict(os.environ))
