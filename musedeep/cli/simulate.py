"""`musedeep simulate`: nights and frames of the simulated instrument."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.cli.errors import UsageProblem
from musedeep.cli.progress import TerminalProgress, shown
from musedeep.errors import MusedeepError

if TYPE_CHECKING:
    from musedeep.simulate.effects import Effects
    from musedeep.simulate.optics import Instrument
    from musedeep.simulate.scene import Scene


@dataclass(frozen=True)
class Choice:
    """What the options say about a simulation; names as on the command line."""

    ifus: str
    seed: int
    mode: str
    scene: str
    ra: float | None
    dec: float | None
    fill_nan: bool
    without: str
    compress: bool
    workers: int | None
    overwrite: bool


def parse_ifus(text: str) -> tuple[int, ...]:
    """Numbers and ranges, as in 1,5,11-13; MusedeepError for what is no number or range, or no IFU."""
    chosen: set[int] = set()
    for word in text.split(","):
        first, _, last = word.strip().partition("-")
        try:
            low, high = int(first), int(last or first)
        except ValueError:
            raise MusedeepError(
                f"--ifus {text}: '{word}' is no IFU; write numbers and ranges as in 1,5,11-13"
            ) from None
        if not 1 <= low <= high <= 24:
            raise MusedeepError(f"--ifus {text}: '{word}' is outside 1 to 24 or runs backwards; IFUs are 1 to 24")
        chosen.update(range(low, high + 1))
    return tuple(sorted(chosen))


def simulate_night_command(
    directory: Path, choice: Choice, exposures: int | None, exposure_time: float, small: bool, masks: int, lsf_arcs: int
) -> None:
    """Simulate a night and say what there is."""
    from musedeep.simulate.job import Job
    from musedeep.simulate.night import simulate_night
    from musedeep.simulate.schedule import SMALL, Counts, night_schedule

    scene, instrument, effects = _prepare(choice)
    counts = replace(SMALL if small else Counts(), exposure_time=exposure_time, masks=masks, lsf_arcs=lsf_arcs)
    if exposures is not None:
        counts = replace(counts, objects=exposures)
    taken = night_schedule(choice.mode, scene, choice.seed, counts, len(instrument.ifus))
    job = Job(tuple(taken), instrument, effects, choice.seed, choice.compress)
    with shown(_made) as progress:
        simulate_night(directory, job, choice.workers, choice.overwrite, progress)
    print(f"{directory}: {len(taken)} raw frames of {len(instrument.ifus)} IFUs in raw/; static/, sof/, truth/")


def simulate_frame_command(
    kind: str, directory: Path, choice: Choice, number: int, lamp: str | None, exposure_time: float | None
) -> None:
    """Simulate frames of one type and name them."""
    from musedeep.simulate.job import Job
    from musedeep.simulate.lamps import ARC_TIME
    from musedeep.simulate.night import simulate_frames
    from musedeep.simulate.schedule import single_frames

    if lamp is not None and lamp not in ARC_TIME:
        raise MusedeepError(f"lamp '{lamp}' is unknown; the arc lamps are {', '.join(ARC_TIME)}")
    if lamp is not None and kind.upper() not in ("ARC", "ARC_LSF"):
        raise UsageProblem(f"--lamp goes with ARC and ARC_LSF frames, not with {kind}")
    if exposure_time is not None and kind.upper() not in ("DARK", "SKY", "OBJECT"):
        raise UsageProblem(f"--exposure-time goes with DARK, SKY and OBJECT frames, not with {kind}")
    scene, instrument, effects = _prepare(choice)
    taken = single_frames(kind.upper(), choice.mode, number, choice.seed, lamp, scene, exposure_time)
    job = Job(tuple(taken), instrument, effects, choice.seed, choice.compress)
    with shown(_made) as progress:
        simulate_frames(directory, job, choice.workers, choice.overwrite, progress)
    for exposure in taken:
        print(directory / job.file_name(exposure), exposure.kind)


def _prepare(choice: Choice) -> "tuple[Scene, Instrument, Effects]":
    """Scene, instrument and effects of the options."""
    from musedeep.simulate.effects import effects_without
    from musedeep.simulate.optics import Instrument
    from musedeep.simulate.scene import make_scene

    names = [name.strip() for name in choice.without.split(",") if name.strip()]
    effects = effects_without(names)
    instrument = Instrument(choice.mode, choice.seed, parse_ifus(choice.ifus), effects)
    size = 60.0 if choice.mode.startswith("WFM") else 7.5
    scene = make_scene(choice.scene, choice.ra, choice.dec, seed=choice.seed, size=size, fill_nan=choice.fill_nan)
    return scene, instrument, effects


def _made(progress: TerminalProgress) -> str:
    """What an interrupted simulation leaves."""
    made = f"{progress.done} of {progress.total} frames are made; " if progress.total else ""
    return f"{made}the same command goes on"


def simulate_campaign_command(
    file: Path, directory: Path, headers_only: bool, workers: int | None, overwrite: bool
) -> None:
    """Simulate a campaign, or its headers alone, and say what there is."""
    from musedeep.simulate.campaign.layout import campaign_obs
    from musedeep.simulate.campaign.nights import evening_of
    from musedeep.simulate.campaign.request import read_campaign
    from musedeep.simulate.campaign.write import write_campaign

    request = read_campaign(file)
    obs = campaign_obs(request)
    of_nights = f"of {len(obs)} OBs in {len({evening_of(ob.start) for ob in obs})} nights in raw/; programmes.csv"
    if headers_only:
        with TerminalProgress() as progress:
            number = write_campaign(directory, obs, overwrite, progress)
        print(f"{directory}: {number} headers {of_nights}, truth/")
        return
    from musedeep.simulate.campaign.frames import simulate_campaign

    with shown(_made) as progress:
        number = simulate_campaign(directory, request, obs, workers, overwrite, progress)
    print(f"{directory}: {number} raw frames {of_nights}, static/, truth/")
