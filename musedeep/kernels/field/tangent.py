"""Between the sky and the plane that touches it."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def tangent_offsets(ra: Array, dec: Array, centre_ra: float, centre_dec: float) -> tuple[Array, Array]:
    """Gnomonic offsets east and north of a centre, arcsec, of positions in degrees (any shape)."""
    alpha, delta, delta_0 = np.radians(np.asarray(ra) - centre_ra), np.radians(dec), np.radians(centre_dec)
    cosine = np.sin(delta_0) * np.sin(delta) + np.cos(delta_0) * np.cos(delta) * np.cos(alpha)
    xi = np.cos(delta) * np.sin(alpha) / cosine
    eta = (np.cos(delta_0) * np.sin(delta) - np.sin(delta_0) * np.cos(delta) * np.cos(alpha)) / cosine
    return np.degrees(xi) * 3600.0, np.degrees(eta) * 3600.0


def east_north(ra: Array, dec: Array, centre: tuple[float, float]) -> Array:
    """Places near a centre on the sky, east and north of it on the circle of its declination [arcsec], float64 (n, 2).

    Parameters
    ----------
    ra, dec : float64 (n,) [deg]
    centre : right ascension and declination [deg]
    """
    east = ((ra - centre[0] + 180.0) % 360.0 - 180.0) * math.cos(math.radians(centre[1]))
    return np.column_stack([east, dec - centre[1]]) * 3600.0


def sky_position(xi: Array, eta: Array, centre_ra: float, centre_dec: float) -> tuple[Array, Array]:
    """Right ascension (0 to 360) and declination, degrees, of gnomonic offsets (arcsec, any shape) from a centre."""
    x, y = np.radians(np.asarray(xi) / 3600.0), np.radians(np.asarray(eta) / 3600.0)
    delta_0 = np.radians(centre_dec)
    cosine = np.cos(delta_0) - y * np.sin(delta_0)
    alpha = np.arctan2(x, cosine)
    delta = np.arctan2(np.sin(delta_0) + y * np.cos(delta_0), np.hypot(x, cosine))
    return (np.degrees(alpha) + centre_ra) % 360.0, np.degrees(delta)
