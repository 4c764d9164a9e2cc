"""Writes a simulated campaign: raw headers or frames, night logs, programme table, and the truth."""

import csv
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.progress import Progress
from musedeep.simulate.campaign.defects import COMMENTS
from musedeep.simulate.campaign.ob import SimulatedExposure, SimulatedOb, iso
from musedeep.simulate.exposure import Exposure, Observation, Template
from musedeep.simulate.headers import primary_header
from musedeep.storage.outputs import make_directory, refuse_existing, replace_directory, write_error

RULER: Final = "-" * 51
PIS: Final = ("BACON", "WISOTZKI", "SCHAYE", "CONTINI", "ÖZEL", "D'ODORICO", "LE FÈVRE", "EMSELLEM")

LOG_HEAD: Final = """General weather conditions:
Seeing:          {seen}"
Overall comment:
{ruler}

Weather observations:
Time\tConditions\tComment
22:04\tClear\t
New update at 02:00
04:10\tThinCirrus\tsome
{ruler}

General Comments:
{ruler}

OB:         {number}
Instrument: MUSE
Name:       {name}
Target:     {target}
Run:        {run}
Container:  0
{ruler}

Comments:
{comments}
{ruler}

Constraint       \tFulfilled\tRequested
Seeing:          \t{seen}\t\t{asked}
Sky transparency:\tYES\t\tCLR
Moon distance:   \t{moon}\t\t30
Twilight:        \tYES\t\t0
Grade:       \t \t{grade}
{ruler}

Files produced and additional information
{ruler}
OBS.ID: {number}
OBS.START: {start}
{ruler}
{ruler}
Template: MUSE_obs_genericoffset
Data Product: SCIENCE/OBJECT/IFU
Mode: {mode}
{ruler}
Original Filename\tArchive Filename\tTPL.EXPNO/NEXP\tEXPTIME\tAIRMASS\tDIMM\t"""
"""A night log down to the title of its table of files."""


def write_campaign(directory: Path, obs: Sequence[SimulatedOb], overwrite: bool, progress: Progress) -> int:
    """Write a campaign into a directory that appears when it is whole; how many exposures it has.

    Raises MusedeepError if the directory exists and may not be replaced, or cannot be written.
    """
    refuse_existing(directory, overwrite)
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        total = _write_all(partial, obs, progress)
        replace_directory(partial, directory)
    except OSError as error:
        raise write_error(directory, error, 0) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return total


def _write_all(directory: Path, obs: Sequence[SimulatedOb], progress: Progress) -> int:
    """Headers of all exposures as FITS files without data, night logs, programmes and truth; how many exposures."""
    raw, truth = directory / "raw", directory / "truth"
    for place in (raw, truth):
        make_directory(place)
    total = sum(len(ob.exposures) for ob in obs)
    progress.begin(total, "exposures")
    for number, ob in enumerate(obs):
        place = raw / str(ob.exposures[0].date_obs)[:7]
        place.mkdir(exist_ok=True)
        for exposure in ob.exposures:
            header = header_of(exposure)
            path = place / f"MUSE.{exposure.date_obs}.fits"
            path.write_bytes(header.tostring(padding=True).encode("ascii"))
            progress.advance()
        first = ob.exposures[0].date_obs
        (place / f"MUSE.{first}.NL.txt").write_text(night_log(ob), encoding="utf-8")
        if number % 50 == 7:  # archives hold some frames twice
            again = directory / "raw" / "copies"
            again.mkdir(exist_ok=True)
            (again / f"MUSE.{first}.fits").write_bytes((place / f"MUSE.{first}.fits").read_bytes())
    progress.stop()
    write_programmes(directory / "programmes.csv", obs)
    write_truth(truth / "exposures.csv", obs)
    return total


def header_of(exposure: SimulatedExposure) -> fits.Header:
    """The primary header of an exposure."""
    ob = exposure.ob
    plain = Exposure(
        index=exposure.number,
        kind=exposure.kind,
        date_obs=exposure.date_obs,
        mjd=exposure.mjd,
        exposure_time=exposure.exposure_time,
        mode=ob.mode,
        ra=exposure.ra,
        dec=exposure.dec,
        position_angle=exposure.position_angle,
        seeing=round(exposure.seeing, 3),
        observation=observation_of(ob),
    )
    start = ob.exposures[0].date_obs[:19]
    header = primary_header(plain, Template(start, exposure.number, len(ob.exposures)))
    for place, card in enumerate((("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0))):
        header.insert(place, card)
    return header


def observation_of(ob: SimulatedOb) -> Observation:
    """What headers say of an OB."""
    return Observation(ob.number, ob.name, iso(ob.start, 0), ob.run, _pi(ob.run), ob.exposures[0].name)


def _pi(run: str) -> str:
    return PIS[sum(map(ord, run.partition("(")[0])) % len(PIS)]


def night_log(ob: SimulatedOb) -> str:
    """The night log of an OB, in the form of the archive's."""
    head = LOG_HEAD.format(
        number=ob.number,
        name=ob.name,
        target=ob.exposures[0].name,
        run=ob.run,
        comments=COMMENTS.get(ob.defect or "", "No comments"),
        seen=f"{max(one.seeing for one in ob.exposures):.2f}",
        asked="n/a" if math.isnan(ob.requested) else f"{ob.requested:.1f}",
        moon="NO" if ob.defect == "violated constraint" else "YES",
        grade=ob.grade or "_",
        start=iso(ob.start, 0),
        mode=ob.mode,
        ruler=RULER,
    )
    lines = [
        f"MUSE_OBS_{one.number:04d}.fits\tMUSE.{one.date_obs}\t{one.number}/{len(ob.exposures)}\t{one.exposure_time:.1f}"
        f"\t1.1\t{one.seeing:.2f}\t"
        for one in ob.exposures
    ]
    return "\n".join([head, *lines, RULER, ""])


def write_programmes(path: Path, obs: Sequence[SimulatedOb]) -> None:
    """The table of programmes, one line for each run."""
    visitor = {ob.run: math.isnan(ob.requested) for ob in obs}
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["run", "pi", "title", "release_date", "observing_mode"])
        for run, in_person in sorted(visitor.items()):
            title = "An ultra-deep field" if sum(map(ord, run)) % 2 else "Kinematics of nearby galaxies"
            last = max(one.mjd for ob in obs if ob.run == run for one in ob.exposures)
            rows.writerow([run, _pi(run), title, iso(last + 365, 0)[:10], "VM" if in_person else "SM"])


def write_truth(path: Path, obs: Sequence[SimulatedOb]) -> None:
    """The truth: the target of each exposure, and what a careful person does with it."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["exposure", "type", "target", "ob", "decision", "rule"])
        for ob in obs:
            for one in ob.exposures:
                rows.writerow([f"MUSE.{one.date_obs}", one.kind, one.truth, ob.number, one.decision, one.rule])
