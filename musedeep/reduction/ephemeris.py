"""Where the telescope is and how fast it moves: astropy with its own ephemeris and tables of the Earth's rotation.

Nothing is fetched, which costs less than 1 m/s. Velocities are those of Wright & Eastman 2014 (PASP 126, 838).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.coordinates import EarthLocation


@contextmanager
def own_tables() -> Iterator[None]:
    """Let astropy work with what it came with meanwhile."""
    from astropy.coordinates import solar_system_ephemeris
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        solar_system_ephemeris.set("builtin"),
    ):
        yield


def site(longitude: float, latitude: float, elevation: float) -> "EarthLocation":
    """A place on the Earth, geodetic coordinates [deg, m]."""
    from astropy import units
    from astropy.coordinates import EarthLocation

    return EarthLocation.from_geodetic(longitude * units.deg, latitude * units.deg, elevation * units.m)


def velocity(kind: str, ra: Any, dec: Any, mjd: Any, where: "EarthLocation") -> Any:
    """Velocities to be added to those measured at a place [km/s].

    Parameters
    ----------
    kind : barycentric, heliocentric or geocentric: where they are measured from then
    ra, dec : of what is looked at, ICRS [deg]: numbers, or float64 (n,)
    mjd : UTC, of the same shape

    Returns
    -------
    a number, or float64 (n,)
    """
    from astropy import units
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    with own_tables():
        time = Time(mjd, format="mjd", scale="utc", location=where)
        place = SkyCoord(ra * units.deg, dec * units.deg, frame="icrs")
        if kind == "geocentric":
            _, motion = where.get_gcrs_posvel(time)
            return motion.dot(place.cartesian).to_value("km/s")
        return place.radial_velocity_correction(kind, obstime=time).to_value("km/s")
