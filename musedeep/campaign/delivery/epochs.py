"""When a product was observed: nights, and the velocities of the telescope that were taken out.

Telluric lines lie at other wavelengths in barycentric frames of other dates. Where the velocities of a stack differ by
more than some 30 km/s, which takes months, what is left of these lines is broadened as much.
"""

import math
from dataclasses import dataclass

from musedeep.campaign.delivery.facts import Finished
from musedeep.selection.campaign.ephemeris import barycentric_velocities
from musedeep.selection.dates import night_of


@dataclass(frozen=True)
class Epoch:
    """A night: exposures, and their time [s]."""

    night: str
    exposures: int
    seconds: float


def epochs_of(product: Finished) -> list[Epoch]:
    """Nights of a product, in the order of time."""
    nights: dict[str, list[float]] = {}
    for one in product.exposures:
        nights.setdefault(night_of(one.mjd), []).append(one.exposure_time)
    return [Epoch(night, len(times), sum(times)) for night, times in nights.items()]


def velocity_span(product: Finished, ra: float | None, dec: float | None) -> float | None:
    """Span of barycentric velocities [km/s]; from the place [deg] where records have none; None if it is not known."""
    values = [one.barycentric for one in product.exposures]
    if None in values:
        if ra is None or dec is None:
            return None
        middles = [one.mjd + 0.5 * one.exposure_time / 86400.0 for one in product.exposures]
        values = list(barycentric_velocities([ra] * len(middles), [dec] * len(middles), middles))
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return max(known) - min(known) if known else None
