"""Between the sky and the plane that touches it."""

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


def sky_position(xi: Array, eta: Array, centre_ra: float, centre_dec: float) -> tuple[Array, Array]:
    """Right ascension (0 to 360) and declination, degrees, of gnomonic offsets (arcsec, any shape) from a centre."""
    x, y = np.radians(np.asarray(xi) / 3600.0), np.radians(np.asarray(eta) / 3600.0)
    delta_0 = np.radians(centre_dec)
    cosine = np.cos(delta_0) - y * np.sin(delta_0)
    alpha = np.arctan2(x, cosine)
    delta = np.arctan2(np.sin(delta_0) + y * np.cos(delta_0), np.hypot(x, cosine))
    return (np.degrees(alpha) + centre_ra) % 360.0, np.degrees(delta)
