"""Where the sun is: when it is dark over the telescope."""

from typing import Final

import numpy as np

from musedeep.simulate.pointing import zenith_distance

MINUTE: Final = 1.0 / 1440.0
"""Days."""


def sun_altitude(mjd: float) -> float:
    """Altitude of the sun over the telescope's horizon without refraction, degrees.

    Low-precision formulae of the Astronomical Almanac: 0.01 degrees from 1950 to 2050.
    """
    days = mjd - 51544.5
    mean, anomaly = 280.460 + 0.9856474 * days, np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(mean + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    ra = np.degrees(np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude)))
    dec = np.degrees(np.arcsin(np.sin(obliquity) * np.sin(longitude)))
    return 90.0 - zenith_distance(float(ra), float(dec), mjd)


def sunset(night: int, altitude: float) -> float:
    """When the sun falls to an altitude (degrees, above -20) in the evening: MJD, to the second.

    `night` is the MJD of the night's latter part.
    """
    # the sun stands in the south at 16:40 UT and below -30 degrees, whatever the season, at 4:40 UT
    high, low = night - 0.305, night + 0.195
    while low - high > 1e-5:
        middle = 0.5 * (high + low)
        if sun_altitude(middle) > altitude:
            high = middle
        else:
            low = middle
    return 0.5 * (high + low)
