"""From a place in the field of view to the place on the sky whose light lands there.

Frames: the field frame has its origin in the middle of the field, in arcsec of the nominal scale; the sky frame has
offsets east and north of the scene's centre (gnomonic), in arcsec.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import LATITUDE, LONGITUDE
from musedeep.kernels.field.tangent import tangent_offsets
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure

Array = NDArray[np.float64]

SECONDS_PER_DAY = 86400.0
DISTORTION = 2.7e-7
"""Relative radial distortion per square arcsec: 0.02 arcsec in the corner of the field."""
SCALE = (0.9985, 1.0012)
"""True scale of the field along x and y over the nominal one."""
ROTATION = 0.08
"""Rotation of the field against the derotator's zero, degrees."""
WOBBLE = 0.12
"""Radius of the circle on which the field's centre moves as the derotator turns, arcsec (real ones: tenths)."""


def local_sidereal_time(mjd: float) -> float:
    """Mean sidereal time at the telescope, degrees in [0, 360) (IAU 1982 expression, UT1 = UTC)."""
    days = mjd - 51544.5
    centuries = days / 36525.0
    greenwich = 280.46061837 + 360.98564736629 * days + 0.000387933 * centuries**2
    return float((greenwich + LONGITUDE) % 360.0)


def hour_angle(ra: float, mjd: float) -> float:
    """Hour angle, degrees in [-180, 180)."""
    return (local_sidereal_time(mjd) - ra + 180.0) % 360.0 - 180.0


def zenith_distance(ra: float, dec: float, mjd: float) -> float:
    """Distance from the zenith without refraction, degrees."""
    angle, latitude, declination = np.radians([hour_angle(ra, mjd), LATITUDE, dec])
    cosine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def airmass(ra: float, dec: float, mjd: float) -> float:
    """Airmass (Young & Irvine 1967); that of 85 degrees where the object is lower."""
    secant = 1.0 / np.cos(np.radians(min(zenith_distance(ra, dec, mjd), 85.0)))
    return float(secant * (1.0 - 0.0012 * (secant**2 - 1.0)))


def parallactic_angle(ra: float, dec: float, mjd: float) -> float:
    """Position angle of the zenith as seen from the object, north through east, degrees."""
    angle, latitude, declination = np.radians([hour_angle(ra, mjd), LATITUDE, dec])
    opposite = np.sin(angle)
    adjacent = np.tan(latitude) * np.cos(declination) - np.sin(declination) * np.cos(angle)
    return float(np.degrees(np.arctan2(opposite, adjacent)))


def middle(exposure: Exposure) -> float:
    """MJD of the middle of an exposure."""
    return exposure.mjd + 0.5 * exposure.exposure_time / SECONDS_PER_DAY


@dataclass(frozen=True)
class Pointing:
    """Where the field of one exposure lies on the sky, in the middle of the exposure.

    Attributes
    ----------
    aim : field position that the header's RA and DEC describe, arcsec: the middle of the IFUs that there are
    centre : true sky position of `aim`, offsets from the scene's centre, arcsec
    matrix : (2, 2) field to sky, both arcsec
    parallactic : position angle of the zenith, radians
    distortion : relative radial distortion per square arcsec
    atmosphere : gives the refraction; None: there is none
    """

    aim: tuple[float, float]
    centre: tuple[float, float]
    matrix: Array
    parallactic: float
    distortion: float
    atmosphere: Atmosphere | None

    def sky(self, x: Array, y: Array, wavelength: Array) -> tuple[Array, Array]:
        """True sky position (arcsec) of the light of a wavelength (Angstrom) that lands at a field position."""
        stretch = 1.0 + self.distortion * (x * x + y * y)
        u, v = x * stretch - self.aim[0], y * stretch - self.aim[1]
        xi = self.centre[0] + self.matrix[0, 0] * u + self.matrix[0, 1] * v
        eta = self.centre[1] + self.matrix[1, 0] * u + self.matrix[1, 1] * v
        if self.atmosphere is None:
            return xi, eta
        # what lands here was lifted towards the zenith on its way
        lift = self.atmosphere.refraction(wavelength)
        return xi - lift * np.sin(self.parallactic), eta - lift * np.cos(self.parallactic)


def field_to_sky(position_angle: float, ideal: bool = False) -> Array:
    """Matrix (2, 2) from field to sky; the field's y axis points to the position angle (degrees), x to its west."""
    angle = np.radians(position_angle + (0.0 if ideal else ROTATION))
    scale_x, scale_y = (1.0, 1.0) if ideal else SCALE
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return turn @ np.array([[-scale_x, 0.0], [0.0, scale_y]])


def point(exposure: Exposure, atmosphere: Atmosphere, effects: Effects, aim: tuple[float, float]) -> Pointing:
    """The pointing of an exposure of a scene."""
    assert exposure.scene is not None
    mjd = middle(exposure)
    place = np.array(exposure.ra), np.array(exposure.dec)
    xi, eta = (float(offset) for offset in tangent_offsets(*place, exposure.scene.ra, exposure.scene.dec))
    matrix = field_to_sky(exposure.position_angle, ideal=not effects.geometry_offsets)
    centre = np.array([xi + exposure.pointing_error[0], eta + exposure.pointing_error[1]])
    if effects.derotator_wobble:
        angle = np.radians(exposure.position_angle)
        centre += WOBBLE * (matrix @ np.array([np.cos(angle) - 1.0, np.sin(angle)]))
    return Pointing(
        aim=aim,
        centre=(float(centre[0]), float(centre[1])),
        matrix=matrix,
        parallactic=float(np.radians(parallactic_angle(exposure.ra, exposure.dec, mjd))),
        distortion=DISTORTION if effects.distortion else 0.0,
        atmosphere=atmosphere if effects.refraction else None,
    )
