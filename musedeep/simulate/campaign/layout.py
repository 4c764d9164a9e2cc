"""The exposures of a campaign: when and how its OBs were executed, what logs say of them, and what is right.

1. Targets are those of the request, and others that are drawn: single fields, mosaics, names of one series, fields
   that two programmes observe under different names, neighbours that do not overlap, one name at two places, fields
   near 0 h and near the pole, sequences of exposure times, OBs in the narrow-field mode.
2. An OB is executed in the night that the request names, when its target stands high in the dark; or else in a night
   in which its target passes the meridian in the dark. Its exposures follow each other, dithered by an arcsecond or
   two and turned by 90 degrees, or as the request says.
3. An OB may have a defect, which headers, night log or pixels show. What a careful person makes of each exposure goes
   into the truth.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from astropy.time import Time

from musedeep.instrument import N_IFUS
from musedeep.simulate.campaign.defects import DRAWN, GRADES, SEEING, TRUE_DECISIONS, spoil
from musedeep.simulate.campaign.nights import evening_of, planned_starts
from musedeep.simulate.campaign.ob import SimulatedExposure, SimulatedOb
from musedeep.simulate.campaign.request import CampaignRequest, DrawnRequest, TargetRequest
from musedeep.simulate.pointing import local_sidereal_time

READ_OUT: Final = 75.0
"""Seconds between exposures."""
OVERHEAD: Final = 600.0
"""Seconds before an OB."""
DUSK, DAWN, MIDNIGHT = 0.02, 0.38, 0.19
"""Fractions of an MJD: begin, end and middle of a night on Paranal."""
SKY_OFFSET: Final = 150.0
"""Distance of the blank sky from the target [arcsec]."""
SKY_TIME: Final = 200.0
"""Of an exposure of the blank sky [s]."""


def campaign_obs(request: CampaignRequest) -> list[SimulatedOb]:
    """The OBs of a campaign, in the order of their targets.

    Raises MusedeepError for a target that cannot be observed in a night that is named for it.
    """
    rng = np.random.default_rng([request.seed, 17])
    targets = list(request.targets)
    if request.drawn is not None:
        targets += drawn_targets(request.drawn, rng, len(targets))
    clock = _Clock(request.year)
    starts = planned_starts({(one.name, k): length_of(one) for one in targets for k in range(number_of(one))}, targets)
    obs: list[SimulatedOb] = []
    for target in targets:
        for at, offset in enumerate(target.pointings):
            for number in range(target.obs):
                start = starts.get((target.name, at * target.obs + number))
                ob = _execute(target, offset, at, number, len(obs), clock, rng, start, len(request.ifus))
                _expose(ob, target, request, np.random.default_rng([request.seed, 18, len(obs)]))
                obs.append(ob)
    return obs


def number_of(target: TargetRequest) -> int:
    """How many OBs a target has."""
    return target.obs * len(target.pointings)


def length_of(target: TargetRequest) -> float:
    """What an OB takes [s]."""
    times = _times(target)
    return OVERHEAD + sum(times) + READ_OUT * len(times) + (300.0 if target.sky else 0.0)


def _times(target: TargetRequest) -> list[float]:
    return [target.exposure_times[k % len(target.exposure_times)] for k in range(target.exposures)]


def _expose(ob: SimulatedOb, target: TargetRequest, request: CampaignRequest, rng: np.random.Generator) -> None:
    """Give the exposures of an OB the errors of the telescope, what is special about the night, and the defect."""
    night = request.night(evening_of(ob.start))
    for k, one in enumerate(ob.exposures):
        east, north = (round(float(value), 4) for value in rng.normal(0.0, target.pointing_error, 2))
        ob.exposures[k] = replace(
            one, pointing_error=(east, north), sky_brightness=night.moon, transparency=night.transparency
        )
    spoil(ob)


class _Clock:
    """Hands out times of the dark: one night after the other, each night filled from dusk to dawn."""

    def __init__(self, year: int) -> None:
        self.first = int(Time(f"{year}-01-01", format="iso").mjd)
        self.used: dict[int, float] = {}

    def take(self, ra: float, seconds: float, year: int, jitter: float) -> float:
        """Start [MJD] of an OB on a target near the meridian in the middle of the night."""
        behind = (ra - local_sidereal_time(self.first + MIDNIGHT)) % 360.0
        night = self.first + round(behind / 360.0 * 365.25 + 365.25 * year + jitter)
        while True:
            start = self.used.get(night, night + DUSK)
            if start + seconds / 86400.0 < night + DAWN or night not in self.used:
                self.used[night] = start + seconds / 86400.0
                return start
            night += 1


def _execute(
    target: TargetRequest,
    offset: tuple[float, float],
    pointing: int,
    number: int,
    index: int,
    clock: _Clock,
    rng: np.random.Generator,
    planned: float | None,
    n_ifus: int,
) -> SimulatedOb:
    which = pointing * target.obs + number
    defect = target.defects[which] if which < len(target.defects) else None
    times = _times(target)
    year, jitter = int(rng.integers(0, 3)), float(rng.uniform(-30, 30))
    start = clock.take(target.ra, length_of(target), year, jitter) if planned is None else planned
    mode = target.modes[which % len(target.modes)]
    asked = float(rng.choice([0.6, 0.8, 1.0, 1.2])) if not target.visitor else math.nan
    requested = asked if target.seeing is None or target.visitor else target.seeing
    name = target.spellings[which % len(target.spellings)] if target.spellings else target.name
    seeing = requested if not target.visitor else target.seeing or 0.9
    factor = SEEING.get(defect or "", float(rng.uniform(0.7, 1.05)))
    grade = "X" if target.visitor else GRADES.get(defect or "", "B" if factor > 1 else "A")
    decision, rule = TRUE_DECISIONS.get(defect or "", ("keep", ""))
    if mode.startswith("NFM"):
        decision, rule = "reject", "mode"
    ob = SimulatedOb(
        number=1_000_000 + 7 * index,
        name=f"{name.replace(' ', '_')}_{number + 1}",
        run=target.runs[which % len(target.runs)],
        mode=mode,
        start=start,
        requested=requested,
        grade=grade,
        defect=defect,
        target=target.name,
    )
    now = start + OVERHEAD / 86400.0
    cos = max(math.cos(math.radians(target.dec)), 1e-6)
    for k, length in enumerate(times):
        dither = rng.uniform(-1.5, 1.5, 2)
        # a strip of a few IFUs is dithered along itself
        east, north = offset[0] + dither[0], offset[1] + dither[1] * min(1.0, n_ifus / N_IFUS)
        ob.exposures.append(
            SimulatedExposure(
                kind="OBJECT",
                mjd=round(now * 86400.0, 3) / 86400.0,
                exposure_time=length,
                ra=(target.ra + east / 3600.0 / cos) % 360.0,
                dec=float(np.clip(target.dec + north / 3600.0, -90.0, 90.0)),
                position_angle=target.position_angles[k % len(target.position_angles)],
                name=name,
                seeing=seeing * factor * float(rng.uniform(0.98, 1.02)),
                ob=ob,
                number=k + 1,
                truth=target.name,
                decision=decision,
                rule=rule,
            )
        )
        now += (length + READ_OUT) / 86400.0
    if target.sky:
        last = ob.exposures[-1]
        ob.exposures.append(
            replace(
                last,
                kind="SKY",
                mjd=round(now * 86400.0, 3) / 86400.0,
                exposure_time=SKY_TIME,
                dec=max(last.dec - SKY_OFFSET / 3600.0, -90.0),
                number=len(times) + 1,
                decision="keep",
                rule="",
            )
        )
    return ob


def drawn_targets(drawn: DrawnRequest, rng: np.random.Generator, taken: int) -> list[TargetRequest]:
    """Targets of all kinds, drawn; their OBs have some ten defects in a hundred."""
    each = drawn.exposures / drawn.targets
    found: list[TargetRequest] = []
    left = drawn.exposures
    for k in range(drawn.targets):
        kind = _KINDS[k % len(_KINDS)]
        exposures = 4 if kind != "single" else 1
        fields = {"mosaic": 4, "series": 3}.get(kind, 1)
        wanted = left if k == drawn.targets - 1 else each * float(rng.uniform(0.5, 1.5))
        obs = max(1, round(wanted / exposures / fields)) if kind not in ("single", "one OB") else 1
        ra, dec = float(rng.uniform(0, 360)), math.degrees(math.asin(float(rng.uniform(-0.98, 0.4))))
        if kind == "zero":
            ra = float(rng.uniform(-0.004, 0.004)) % 360.0
        elif kind == "pole":
            # one beside the pole, the others on circles around it
            dec = -89.995 + 0.05 * (k // len(_KINDS))
        elif kind == "neighbour" and found:
            # does not overlap, though turned fields reach further
            ra, dec = found[-1].ra, max(found[-1].dec - 95.0 / 3600.0, -89.9)
        name, spellings = _names(kind, k + taken, rng, found)
        steps = [(0.0, 0.0), (50.0, 0.0), (0.0, 50.0), (50.0, 50.0)]
        runs = [f"{rng.integers(94, 110):03d}.{'ABCD'[k % 4]}-{rng.integers(1, 800):04d}(A)" for _ in range(2)]
        modes = ["WFM-NOAO-N", "WFM-AO-N"] if k % 3 == 0 else [_MODES[k % len(_MODES)]]
        times = [10.0, 100.0, 1000.0] if kind == "times" else [float(rng.choice([600, 900, 1500]))]
        defects = [str(rng.choice(DRAWN)) if rng.random() < 0.1 else None for _ in range(obs * fields)]
        found.append(
            TargetRequest.model_validate(
                {
                    "name": name, "ra": ra, "dec": dec, "spellings": spellings, "pointings": steps[:fields],
                    "runs": runs if k % 2 else runs[:1], "obs": obs, "exposures": exposures,
                    "exposure_times": times,
                    "modes": ["NFM-AO-N"] if kind == "narrow" else modes,
                    "visitor": k % 11 == 5, "sky": k % 7 == 3,
                    "defects": [None if k % 11 == 5 and one in _GRADED else one for one in defects],
                }
            )
        )  # fmt: skip
        left -= obs * exposures * fields
    return found


_KINDS: Final = (
    "field", "mosaic", "sloppy", "two names", "neighbour", "same name", "zero", "series", "field", "one OB", "sloppy",
    "field", "pole", "field", "single", "times", "narrow", "field", "two names", "field",
)  # fmt: skip
_MODES: Final = ("WFM-NOAO-N", "WFM-NOAO-N", "WFM-AO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E")
_GRADED: Final = ("violated constraint", "grade D", "bad seeing")
"""Defects that visitor mode does not show."""


def _names(kind: str, k: int, rng: np.random.Generator, found: Sequence[TargetRequest]) -> tuple[str, list[str]]:
    """The true name of a target, and what observers write."""
    stem = str(rng.choice(["HDFS", "CDFS", "NGC", "Abell", "QSO J", "LBG field ", "étoile "]))
    name = f"{stem}{'' if stem[-1] == ' ' else ' '}{1000 + k}"
    if kind == "same name" and len(found) > 3:
        return f"{found[-3].name} elsewhere", [found[-3].name]
    if kind == "sloppy":
        return name, list(_sloppy(name, rng))
    if kind == "two names":
        return name, [name, f"{rng.choice(['SMACS', 'RXC J', 'cluster '])}{2000 + k}"]
    if kind == "series":
        return f"{stem.strip()} series {k}", [f"Survey{k}-{number:02d}" for number in (1, 2, 3)]
    return name, []


def _sloppy(name: str, rng: np.random.Generator) -> Iterator[str]:
    yield name
    yield name.lower().replace(" ", "-")
    yield name.replace(" ", "_").upper()
    yield f"{name} rep"
    at = int(rng.integers(1, 3))
    yield name[:at] + name[at + 1] + name[at] + name[at + 2 :] if name[at + 1].isalpha() else name
