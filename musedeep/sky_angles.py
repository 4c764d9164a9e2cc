"""Right ascensions: their circle closes at 360 degrees, so that 359.99 and -0.01 are one place, 0.02 west of 0.01."""

import math


def ra_difference(ra: float, other: float) -> float:
    """How far a right ascension is east of another, the shorter way round, from -180 to 180 [deg].

    Where the difference is within that range already, it stays the same to the last bit.
    """
    return math.remainder(ra - other, 360.0)


def ra_on_circle(ra: float) -> float:
    """The right ascension from 0 to below 360 that is the same place [deg]."""
    turned = ra % 360.0
    return turned if turned < 360.0 else 0.0  # just below 0, 360 is the nearest number
