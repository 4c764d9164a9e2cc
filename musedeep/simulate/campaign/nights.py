"""When the OBs of a campaign are executed: each in its night, one after the other, its target high in the dark."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.simulate.campaign.request import TargetRequest
from musedeep.simulate.pointing import hour_angle
from musedeep.simulate.scene import Scene
from musedeep.simulate.schedule import DARK_SUN, MIDNIGHT, Clock, wait
from musedeep.simulate.sun import sunset

DAY_ZERO: Final = datetime.date(1858, 11, 17)
"""Of the MJD."""
CALIBRATORS: Final = 0.009
"""Standard star and astrometric field of an instrument mode, at the begin of the night [d]."""


def night_number(date: datetime.date) -> int:
    """MJD of the latter part of the night that begins in the evening of a date."""
    return (date - DAY_ZERO).days + 1


def evening_of(mjd: float) -> datetime.date:
    """Date of the evening of the night that a time is in."""
    return DAY_ZERO + datetime.timedelta(days=int(mjd + 0.5) - 1)


def planned_starts(
    lengths: Mapping[tuple[str, int], float], targets: Sequence[TargetRequest]
) -> dict[tuple[str, int], float]:
    """Starts [MJD] of the OBs of targets with nights of their own.

    Parameters
    ----------
    lengths : of all OBs [s], by the name of the target and their number from 0

    Raises
    ------
    MusedeepError
        A target does not stand high in the dark for so long in the night, or the night is full.
    """
    known = {one.name: one for one in targets}
    by_night: dict[datetime.date, list[tuple[str, int]]] = {}
    for name, number in lengths:
        if nights := known[name].nights:
            by_night.setdefault(nights[number % len(nights)], []).append((name, number))
    starts: dict[tuple[str, int], float] = {}
    for date, obs in by_night.items():
        night = night_number(date)
        modes = {known[name].modes[number % len(known[name].modes)] for name, number in obs}
        clock = Clock(sunset(night, DARK_SUN) + CALIBRATORS * len(modes))
        # those that set first go first
        for key in sorted(obs, key=lambda one: (-hour_angle(known[one[0]].ra, night + MIDNIGHT), one)):
            target, seconds = known[key[0]], lengths[key]
            wait(clock, Scene(target.name, target.ra, target.dec), seconds)
            if clock.mjd > night + 0.5:
                raise MusedeepError(
                    f"target {target.name}: does not stand high in the dark of the night {date} for another OB of "
                    f"{seconds:.0f} s; give another night, fewer exposures or shorter ones"
                )
            starts[key] = clock.mjd
            clock.take(seconds)
    return starts
