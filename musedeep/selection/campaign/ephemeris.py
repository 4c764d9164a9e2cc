"""Where the Sun and the Earth are at exposures: from their headers alone, many at once, with astropy's own tables.

Nothing is fetched; the built-in ephemeris and the Earth's rotation as astropy knows it cost less than 1 m/s, and less
than a hundredth of a degree.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE
from musedeep.reduction.ephemeris import own_tables, site, velocity

Floats = NDArray[np.float64]


def barycentric_velocities(ra: Sequence[float], dec: Sequence[float], mjd: Sequence[float]) -> Floats:
    """Velocities to be added to those measured at the telescope, to have them from the barycentre [km/s].

    Parameters
    ----------
    ra, dec : of the exposures [deg]
    mjd : of their middles, UTC

    Returns
    -------
    velocities, float64 (n,)
    """
    if not len(mjd):
        return np.empty(0)
    places, dates = np.asarray([ra, dec], float), np.asarray(mjd, float)
    found = velocity("barycentric", places[0], places[1], dates, site(LONGITUDE, LATITUDE, ELEVATION))
    return np.asarray(found, float)


def sun_altitudes(mjd: Sequence[float]) -> Floats:
    """Altitudes of the Sun at the telescope [deg], float64 (n,), without refraction; `mjd` in UTC."""
    if not len(mjd):
        return np.empty(0)
    with own_tables():
        from astropy.coordinates import AltAz, get_sun
        from astropy.time import Time

        time = Time(np.asarray(mjd, float), format="mjd", scale="utc")
        horizon = AltAz(obstime=time, location=site(LONGITUDE, LATITUDE, ELEVATION))
        altitudes = get_sun(time).transform_to(horizon).alt.to_value("deg")
    return np.asarray(altitudes, float)
