"""The velocity of the telescope."""

from astropy import units
from astropy.coordinates import EarthLocation, SkyCoord, solar_system_ephemeris
from astropy.time import Time
from astropy.utils import iers

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE


def barycentric_velocity(ra: float, dec: float, mjd: float) -> float:
    """Velocity (km/s) to be added to one seen from the telescope to have it seen from the barycentre.

    Coordinates in degrees (ICRS), MJD in UTC. Wavelengths of the barycentre are those of the telescope times 1 + v/c.
    astropy's own ephemeris and tables are used: nothing is fetched, which costs less than 0.001 km/s.
    """
    site = EarthLocation.from_geodetic(LONGITUDE * units.deg, LATITUDE * units.deg, ELEVATION * units.m)
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        solar_system_ephemeris.set("builtin"),
    ):
        time = Time(mjd, format="mjd", scale="utc", location=site)
        position = SkyCoord(ra * units.deg, dec * units.deg, frame="icrs")
        correction = position.radial_velocity_correction("barycentric", obstime=time)
    return float(correction.to_value("km/s"))
