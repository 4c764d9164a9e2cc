"""Where the Sun and the Earth are at exposures: from their headers alone, many at once, with astropy's own tables.

Nothing is fetched; the built-in ephemeris and the Earth's rotation as astropy knows it cost less than 1 m/s, and less
than a hundredth of a degree.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE

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
    with _own_tables():
        from astropy import units
        from astropy.coordinates import SkyCoord
        from astropy.time import Time

        time = Time(np.asarray(mjd, float), format="mjd", scale="utc", location=_site())
        place = SkyCoord(np.asarray(ra, float) * units.deg, np.asarray(dec, float) * units.deg, frame="icrs")
        velocities = place.radial_velocity_correction("barycentric", obstime=time).to_value("km/s")
    return np.asarray(velocities, float)


def sun_altitudes(mjd: Sequence[float]) -> Floats:
    """Altitudes of the Sun at the telescope [deg], float64 (n,), without refraction; `mjd` in UTC."""
    if not len(mjd):
        return np.empty(0)
    with _own_tables():
        from astropy.coordinates import AltAz, get_sun
        from astropy.time import Time

        time = Time(np.asarray(mjd, float), format="mjd", scale="utc")
        altitudes = get_sun(time).transform_to(AltAz(obstime=time, location=_site())).alt.to_value("deg")
    return np.asarray(altitudes, float)


def _site() -> "object":
    from astropy import units
    from astropy.coordinates import EarthLocation

    return EarthLocation.from_geodetic(LONGITUDE * units.deg, LATITUDE * units.deg, ELEVATION * units.m)


@contextmanager
def _own_tables() -> Iterator[None]:
    from astropy.coordinates import solar_system_ephemeris
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        solar_system_ephemeris.set("builtin"),
    ):
        yield
