"""The truth of a campaign with pixels: what is right to do with each exposure, and the flags of the products.

`exposures.csv` has a line for each exposure of a target or of its blank sky, `qcflag.csv` one for each product and
method, with the ten characters of QCFLAG as the release description of MUSE-DEEP defines them, and the HISTO_17 that
is expected (see `background`). Both follow from what was simulated, not from the names of defects.
`sources-TARGET.ecsv` and `lines-TARGET.ecsv` list the sources of a target, and a directory for each night has its truth
as `simulate night` writes it.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from musedeep.quality.record import folder_name
from musedeep.simulate.campaign.background import Shot, expected_histogram
from musedeep.simulate.campaign.nights import evening_of
from musedeep.simulate.campaign.ob import SimulatedExposure, SimulatedOb
from musedeep.simulate.campaign.request import CampaignRequest, TargetRequest
from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import atmosphere_of
from musedeep.simulate.job import Job
from musedeep.simulate.optics import Instrument
from musedeep.simulate.pointing import point
from musedeep.simulate.scene import Scene
from musedeep.simulate.truth import write_sources, write_truth
from musedeep.storage.raw.file import read_raw

ARC_LIMIT: Final = 1.5
"""Days between arc lamps and exposure from which bit 4 is set."""
SATURATED_LIMIT: Final = 300
"""Saturated pixels of a raw frame from which bit 6 is set."""
SHIFT_LIMIT: Final = 0.2
"""Correction of wavelengths by sky lines from which bit 9 is set [Angstrom]."""
HISTO_LIMIT: Final = -20.0
"""HISTO_17 from which on bit 8 is set [1e-20 erg/s/cm2/Angstrom]."""
OFFSET_LIMIT: Final = 0.2
"""Differential offset from which bit 10 is set [arcsec]."""
FOUND: Final = 3.0
"""Sky lines further off than this are not found, and correct nothing [Angstrom]."""
CEILING: Final = 65535
"""Raw value of a saturated pixel."""

NO_SKY_FIT: Final = 2.5
"""Shift of wavelengths beyond which the fit of the sky lines does not converge [Angstrom]: the width of a line."""


@dataclass(frozen=True)
class ExposureTruth:
    """What was simulated of an exposure; `offset` is where the telescope looked beside the header's place [arcsec]."""

    exposure: SimulatedExposure
    taken: Exposure
    job: Job
    night: str
    offset: tuple[float, float]
    correction: float
    saturated: int
    arc_days: float
    twilight: bool
    flux_ratio: float

    @property
    def row(self) -> dict[str, Any]:
        """Of the table."""
        one, ob = self.exposure, self.exposure.ob
        return {
            "exposure": f"MUSE.{one.date_obs}",
            "type": one.kind,
            "target": one.truth,
            "ob": ob.number,
            "decision": one.decision,
            "rule": one.rule,
            "defect": ob.defect or "",
            "night": self.night,
            "exposure_time": f"{one.exposure_time:g}",
            "seeing": f"{one.seeing:.3f}",
            "transparency": f"{one.transparency:g}",
            "sky_brightness": f"{one.sky_brightness:g}",
            "offset_east": f"{self.offset[0]:.4f}",
            "offset_north": f"{self.offset[1]:.4f}",
            "satellite": int(one.satellite),
            "field_rotation": f"{one.field_rotation:g}",
            "lambda_shift": f"{self.correction:.4f}",
            "sky_converges": int(self.sky_converges),
            "saturated": self.saturated,
            "arc_days": f"{self.arc_days:.3f}",
            "twilight": int(self.twilight),
            "flux_ratio": f"{self.flux_ratio:.4f}",
        }

    @property
    def sky_converges(self) -> bool:
        """Whether the fit of the sky lines does."""
        return abs(self.correction) < NO_SKY_FIT and abs(self.exposure.wavelength_shift) < NO_SKY_FIT


def write_pixel_truth(
    directory: Path,
    home: Path,
    request: CampaignRequest,
    obs: Sequence[SimulatedOb],
    jobs: Mapping[str, Job],
    scenes: Mapping[str, Scene],
) -> None:
    """Write the truth into a directory that exists; raw frames lie in the directories of `jobs` below `home`."""
    for name, job in jobs.items():
        place = directory / Path(name).name
        place.mkdir()
        names = {one.index: job.file_name(one) for one in job.exposures}
        write_truth(place, job.instrument, job.effects, job.seed, job.exposures, names, sources=False)
    for name, scene in scenes.items():
        write_sources(scene, directory, f"-{folder_name(name)}")
    rows = exposure_truths(home, obs, request, jobs)
    _write(directory / "exposures.csv", [one.row for one in rows])
    flags = []
    for target in request.targets:
        flags += product_rows(target, [one for one in rows if one.exposure.truth == target.name], scenes[target.name])
    _write(directory / "qcflag.csv", flags)


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def exposure_truths(
    home: Path, obs: Sequence[SimulatedOb], request: CampaignRequest, jobs: Mapping[str, Job]
) -> list[ExposureTruth]:
    """The truth of each exposure of all OBs, in their order; saturated pixels are counted in the raw frames."""
    taken = {(one.date_obs, one.mode): (name, job, one) for name, job in jobs.items() for one in job.exposures}
    everything = [one for job in jobs.values() for one in job.exposures]
    found = []
    for ob in obs:
        night = request.night(evening_of(ob.start))
        arcs = [one.mjd for one in everything if one.kind == "ARC" and one.mode == ob.mode]
        twilights = any(one.kind == "SKYFLAT" and one.mode == ob.mode for one in everything)
        for exposure in ob.exposures:
            name, job, one = taken[exposure.date_obs, ob.mode]
            optics = job.instrument.ifu(job.instrument.ifus[0])
            off = optics.drift(one.instrument_temperature) + one.wavelength_shift
            found.append(
                ExposureTruth(
                    exposure,
                    one,
                    job,
                    str(night.date),
                    offset_of(one, job.instrument, job.effects),
                    -off if abs(off) < FOUND else 0.0,
                    saturated_pixels(home / name / job.file_name(one), job.instrument.ifus),
                    min((abs(arc - one.mjd) for arc in arcs), default=np.inf),
                    twilights,
                    one.transparency / night.standard_light,
                )
            )
    return found


def offset_of(exposure: Exposure, instrument: Instrument, effects: Effects) -> tuple[float, float]:
    """Where the telescope looked beside the place that the header gives, derotator's wobble included, arcsec."""
    air = atmosphere_of(exposure, effects)
    true = point(exposure, air, effects, instrument.aim).centre
    said = replace(exposure, pointing_error=(0.0, 0.0)), air, replace(effects, derotator_wobble=False)
    east, north = np.subtract(true, point(*said, instrument.aim).centre)
    return float(east), float(north)


def saturated_pixels(path: Path, ifus: Sequence[int]) -> int:
    """Pixels of a raw frame at the highest value, in all IFUs."""
    return sum(int(np.count_nonzero(read_raw(path, ifu).data == CEILING)) for ifu in ifus)


def product_rows(target: TargetRequest, members: Sequence[ExposureTruth], scene: Scene) -> list[dict[str, Any]]:
    """Lines of the table of products: one for each method that may be tried; none if no exposure is kept."""
    kept = [one for one in members if one.exposure.kind == "OBJECT" and one.exposure.decision == "keep"]
    if not kept:
        return []
    obs = {one.exposure.ob.number for one in kept}
    category = "DATACUBE_DEEP" if len(obs) > 1 else "DATACUBE_COMBINED" if len(kept) > 1 else "DATACUBE_SINGLE"
    has_sky = any(one.exposure.kind == "SKY" and one.exposure.ob.number in obs for one in members)
    empty = not scene.sources and scene.cube is None
    apart = max((np.hypot(*np.subtract(a.offset, b.offset)) for a, b in combinations(kept, 2)), default=0.0)
    rows = []
    blanks = {one.exposure.ob.number: one.taken for one in members if one.exposure.kind == "SKY"}
    shots = [Shot(one.job, one.taken, blanks.get(one.exposure.ob.number)) for one in kept]
    for method in ("crowded", "standard") if target.crowded else ("standard",):
        histo_17 = expected_histogram(shots, scene, method == "crowded").histo_17()
        bits = (
            any(not one.sky_converges for one in kept),
            False,
            not has_sky,
            any(one.arc_days > ARC_LIMIT for one in kept),
            category != "DATACUBE_DEEP" and not all(one.twilight for one in kept),
            any(one.saturated >= SATURATED_LIMIT for one in kept),
            empty,
            histo_17 is not None and histo_17 <= HISTO_LIMIT,
            any(abs(one.correction) >= SHIFT_LIMIT for one in kept),
            empty or apart > OFFSET_LIMIT,
        )
        rows.append(
            {
                "target": target.name,
                "category": category,
                "method": method,
                "right": int((method == "crowded") == target.crowded),
                "qcflag": "".join(str(int(bit)) for bit in bits),
                "histo_17": "" if histo_17 is None else f"{histo_17:.2f}",
                "exposures": len(kept),
                "obs": len(obs),
                "seconds": f"{sum(one.exposure.exposure_time for one in kept):g}",
                "inputs": " ".join(f"MUSE.{one.exposure.date_obs}" for one in kept),
            }
        )
    return rows
