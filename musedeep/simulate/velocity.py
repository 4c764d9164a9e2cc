"""The velocity of the telescope."""

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE
from musedeep.reduction.ephemeris import site, velocity


def barycentric_velocity(ra: float, dec: float, mjd: float) -> float:
    """Velocity (km/s) to be added to one seen from the telescope to have it seen from the barycentre.

    Coordinates in degrees (ICRS), MJD in UTC. Wavelengths of the barycentre are those of the telescope times 1 + v/c.
    """
    return float(velocity("barycentric", ra, dec, mjd, site(LONGITUDE, LATITUDE, ELEVATION)))
