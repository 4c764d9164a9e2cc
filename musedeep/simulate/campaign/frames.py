"""A campaign with pixels: the nights of its OBs as jobs of the simulator, with calibrations, logs and truth.

1. Each night has calibrations of the day and of the twilight, a standard star and an astrometric field, for each
   instrument mode of its OBs. What is special about a night is left out or spoilt.
2. An OB begins with an ILLUM at the temperature of its exposures.
3. Numbers of exposures, which make the noise, come from the date of the night: nights that are added later change
   nothing.
4. When all frames are there, the logs are laid beside them, and programmes, static calibrations and truth are written.
"""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.progress import Progress
from musedeep.simulate.campaign.nights import evening_of, night_number
from musedeep.simulate.campaign.ob import SimulatedExposure, SimulatedOb
from musedeep.simulate.campaign.request import CampaignRequest, TargetRequest
from musedeep.simulate.campaign.truth import write_pixel_truth
from musedeep.simulate.campaign.write import night_log, observation_of, write_programmes
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.job import Job
from musedeep.simulate.night import Simulation, night_statics
from musedeep.simulate.optics import Instrument, stream
from musedeep.simulate.request import Request, request_of
from musedeep.simulate.scene import Scene, make_scene
from musedeep.simulate.schedule import (
    DARK_SUN,
    DAY_START,
    SCHEDULE,
    SMALL,
    TWILIGHT_SUN,
    Clock,
    Counts,
    calibrators,
    day_calibrations,
    illumination,
    twilight_flats,
    weather,
)
from musedeep.simulate.source import Source
from musedeep.simulate.sun import sunset
from musedeep.simulate.templates import flux_of_magnitude, star_template

TEMPERATURE: Final = 11.2
"""Of the instrument at night, degrees Celsius."""
PER_NIGHT: Final = 10_000
FIRST_NIGHT: Final = 56_000
"""Exposures of a night have numbers from PER_NIGHT times its MJD less FIRST_NIGHT on."""
BRIGHT_STAR: Final = (8.0, 0.0)
"""Offset of a bright star to the east and north of the centre [arcsec]."""
BRIGHT_TEMPERATURE: Final = 6000.0


def simulate_campaign(
    directory: Path,
    request: CampaignRequest,
    obs: Sequence[SimulatedOb],
    workers: int | None,
    overwrite: bool,
    progress: Progress,
) -> int:
    """Make the raw frames of a campaign, and all that belongs to them; how many frames there are.

    An interrupted campaign goes on with what is missing. Parameters and errors are those of `simulate_night`.

    Raises
    ------
    MusedeepError
        A target without nights, or in the narrow-field mode; targets that are drawn.
    """
    _check(request)
    scenes = {target.name: scene_of(target) for target in request.targets}
    jobs = campaign_jobs(request, obs, scenes)

    def finish(new: Path, final: Path) -> None:
        (new / "static").mkdir()
        night_statics(new / "static", next(iter(jobs.values())).instrument)
        for ob in obs:
            first = ob.exposures[0].date_obs
            (new.parent / _directory(ob, jobs) / f"MUSE.{first}.NL.txt").write_text(night_log(ob), encoding="utf-8")
        write_programmes(new / "programmes.csv", obs)
        (new / "truth").mkdir()
        write_pixel_truth(new / "truth", new.parent, request, obs, jobs, scenes)

    simulation = Simulation(jobs, _request(request, jobs), finish)
    simulation.run(directory, workers, overwrite, progress)
    return simulation.total


def _check(request: CampaignRequest) -> None:
    what = "--headers-only makes headers without pixels"
    if request.drawn is not None:
        raise MusedeepError(f"drawn: targets that are drawn have no pixels; list them under 'targets', or {what}")
    for target in request.targets:
        if not target.nights:
            raise MusedeepError(f"target {target.name}: frames with pixels need 'nights', its evenings; or {what}")
        if any(mode.startswith("NFM") for mode in target.modes):
            raise MusedeepError(f"target {target.name}: frames of the narrow-field mode have no pixels here; {what}")


def scene_of(target: TargetRequest) -> Scene:
    """What the telescope sees of a target. Raises MusedeepError if there is no such scene."""
    scene = make_scene(target.scene, target.ra, target.dec, seed=target.scene_seed, stars=target.stars)
    sources = scene.sources
    if target.bright_star is not None:
        light = star_template(BRIGHT_TEMPERATURE), flux_of_magnitude(target.bright_star)
        sources = (*sources, Source("bright-star", *BRIGHT_STAR, *light))
    return replace(scene, name=target.name, sources=sources)


def campaign_jobs(request: CampaignRequest, obs: Sequence[SimulatedOb], scenes: Mapping[str, Scene]) -> dict[str, Job]:
    """The nights of a campaign, by the directory of their raw frames: one for each instrument mode of a night."""
    nights: dict[datetime.date, list[SimulatedOb]] = {}
    for ob in sorted(obs, key=lambda one: one.start):
        nights.setdefault(evening_of(ob.start), []).append(ob)
    jobs = {}
    for date, members in nights.items():
        exposures = night_exposures(request, date, members, scenes)
        for k, mode in enumerate(dict.fromkeys(one.mode for one in exposures)):
            instrument = Instrument(mode, request.seed, tuple(sorted(request.ifus)))
            of_mode = tuple(one for one in exposures if one.mode == mode)
            name = f"raw/{date}-{mode}" if k else f"raw/{date}"
            jobs[name] = Job(of_mode, instrument, seed=request.seed, compress=request.compress)
    return jobs


def night_exposures(
    request: CampaignRequest, date: datetime.date, obs: Sequence[SimulatedOb], scenes: Mapping[str, Scene]
) -> list[Exposure]:
    """All exposures of a night, in the order of time, of OBs in that order."""
    night, special = night_number(date), request.night(date)
    counts = replace(SMALL if request.small else Counts(), darks=0)
    modes = sorted({ob.mode for ob in obs})
    rng = stream(request.seed, SCHEDULE, night)
    clock = Clock(night - DAY_START)
    clock.index = (night - FIRST_NIGHT) * PER_NIGHT
    found: list[Exposure] = []
    for mode in modes:
        # biases know no mode
        found += day_calibrations(clock, mode, replace(counts, biases=0 if found else counts.biases))
    clock.until(sunset(night, TWILIGHT_SUN))
    for mode in modes:
        found += twilight_flats(clock, mode, counts, rng)
    clock.until(sunset(night, DARK_SUN))
    for mode in modes:
        for frame in calibrators(clock, mode, request.seed, counts, rng):
            found.append(replace(frame, transparency=special.standard_light) if frame.kind == "STD" else frame)
    found = [frame for frame in found if frame.kind not in special.missing]
    for ob in obs:
        clock.until(ob.start)
        warm = ob.exposures[0].instrument_temperature
        found.append(illumination(clock, ob.mode, TEMPERATURE if warm is None else warm))
        for one in ob.exposures:
            clock.index += 1
            found.append(_exposure(one, clock.index, scenes[ob.target], rng))
        last = ob.exposures[-1]
        clock.until(last.mjd + last.exposure_time / 86400.0)
    return found


def _exposure(one: SimulatedExposure, index: int, scene: Scene, rng: np.random.Generator) -> Exposure:
    """An exposure of an OB as the simulator takes it."""
    warm = one.instrument_temperature
    air = weather(rng, one.ob.mode, TEMPERATURE if warm is None else warm) | {"seeing": round(one.seeing, 3)}
    blank = Scene("empty", one.ra, one.dec)
    return Exposure(
        index=index,
        kind=one.kind,
        date_obs=one.date_obs,
        mjd=one.mjd,
        exposure_time=one.exposure_time,
        scene=scene if one.kind == "OBJECT" else blank,
        ra=one.ra,
        dec=one.dec,
        position_angle=one.position_angle,
        pointing_error=one.pointing_error,
        transparency=one.transparency,
        sky_brightness=one.sky_brightness,
        satellite=one.satellite,
        field_rotation=one.field_rotation,
        wavelength_shift=one.wavelength_shift,
        observation=observation_of(one.ob),
        **air,
    )


def _directory(ob: SimulatedOb, jobs: Mapping[str, Job]) -> str:
    """Where the raw frames of an OB are."""
    date = f"raw/{evening_of(ob.start)}"
    return next(name for name in (date, f"{date}-{ob.mode}") if name in jobs and jobs[name].instrument.mode == ob.mode)


def _request(request: CampaignRequest, jobs: Mapping[str, Job]) -> Request:
    """What a directory of the campaign is known by."""
    details = [dict(request_of(job, "night")) for job in jobs.values()]
    first = next(iter(details))
    known = {name: first[name] for name in ("version", "code", "IFUs", "seed", "compression")}
    known |= {
        "kind": "campaign",
        "nights": str(len(jobs)),
        "frames": str(sum(len(job.exposures) for job in jobs.values())),
    }
    asked = request.model_dump_json() + repr(details)
    return known | {"details": hashlib.sha256(asked.encode()).hexdigest()[:16]}
