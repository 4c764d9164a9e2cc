"""Where a detector pixel falls in the output cube.

Rows of a reduced pixel table carry native spherical coordinates of the gnomonic projection about the
pointing of their exposure. Here they become right ascension and declination relative to the reference
position of the cube, and from there voxel coordinates (Calabretta & Greisen 2002, A&A 395, 1077).

The relative positions are rounded to float32 at the same two places as the reference pipeline does (found
by experiment: relative to the exposure, then shifted to the common reference), so that the voxel
coordinates of both agree to 1e-8 of a pixel. All angles are small except the native longitude, so that
everything but one sine and cosine is a short power series; this keeps the loop free of calls and lets the
compiler vectorise it. Bound by arithmetic: about 100 operations a row.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

BLOCK = 512
"""Rows projected at a time; the scratch arrays stay in the first-level cache."""

FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
"""Reordering of minima and maxima, so that they vectorise; only where rows are known to be finite."""

_HALF_PI_HIGH = 1.57079632673412561417e00
_HALF_PI_LOW = 6.07710050650619224932e-11
_DEGREE = math.pi / 180.0


@nb.njit(inline="always")
def _sine_cosine(angle):
    """Sine and cosine of 0 <= angle <= 2 pi, to 1e-15, without a branch."""
    quadrant = math.floor(angle * (2.0 / math.pi) + 0.5)
    r = (angle - quadrant * _HALF_PI_HIGH) - quadrant * _HALF_PI_LOW
    q = r * r
    s = 1.0 / 6227020800.0 - q * (1.0 / 1307674368000.0)
    s = 1.0 / 39916800.0 - q * s
    s = 1.0 / 362880.0 - q * s
    s = 1.0 / 5040.0 - q * s
    s = 1.0 / 120.0 - q * s
    s = 1.0 / 6.0 - q * s
    s = r - r * q * s
    c = 1.0 / 479001600.0 - q * (1.0 / 87178291200.0)
    c = 1.0 / 3628800.0 - q * c
    c = 1.0 / 40320.0 - q * c
    c = 1.0 / 720.0 - q * c
    c = 1.0 / 24.0 - q * c
    c = 1.0 - q * (0.5 - q * c)
    odd = quadrant - 2.0 * math.floor(quadrant * 0.5)
    half = math.floor(quadrant * 0.5)
    sign_s = 1.0 - 2.0 * (half - 2.0 * math.floor(half * 0.5))
    half = math.floor((quadrant + 1.0) * 0.5)
    sign_c = 1.0 - 2.0 * (half - 2.0 * math.floor(half * 0.5))
    return sign_s * (s + odd * (c - s)), sign_c * (c + odd * (s - c))


@nb.njit(inline="always")
def _arctangent(t):
    """Arctangent of |t| < 0.03, to 1e-16."""
    q = t * t
    return t * (1.0 - q * (1.0 / 3 - q * (1.0 / 5 - q * (1.0 / 7 - q * (1.0 / 9 - q / 11)))))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def relative_positions(xpos, ypos, declination, shift_ra, shift_dec, out_ra, out_dec):
    """Right ascension and declination relative to the reference position.

    Parameters
    ----------
    xpos, ypos : float32 (rows,), native longitude, and native latitude minus pi/2 [rad] (manual A.3.2)
    declination : float, declination of the exposure's pointing [rad]
    shift_ra, shift_dec : float, position of the exposure's pointing minus the reference position [deg]
    out_ra, out_dec : float32 (rows,)
        Filled with the differences in right ascension (without the cosine of declination) and declination
        [deg].

    Notes
    -----
    Series are good to 1e-15 for fields within one degree of the pointing and for declinations within 88
    degrees of the equator; both hold for every MUSE exposure.
    """
    sd, cd = math.sin(declination), math.cos(declination)
    for i in range(xpos.size):
        s, c = _sine_cosine(np.float64(xpos[i]))
        u = -np.float64(ypos[i])
        q = u * u
        radius = u * (1.0 + q * (1.0 / 3 + q * (2.0 / 15 + q * (17.0 / 315))))
        xi = radius * s
        eta = -radius * c
        t = xi / (cd - eta * sd)
        q = t * t
        ra = _arctangent(t)
        # 1 - cos(ra), without cancellation
        versine = q * (0.5 - q * (0.375 - q * (0.3125 - q * 0.2734375)))
        n = sd + eta * cd
        dec = _arctangent((eta - versine * n * cd) / (1.0 - versine * n * sd))
        out_ra[i] = np.float32(np.float64(np.float32(ra / _DEGREE)) + shift_ra)
        out_dec[i] = np.float32(np.float64(np.float32(dec / _DEGREE)) + shift_dec)


@nb.njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def rough_tangent(xpos, ypos, x, y):
    """Tangent-plane coordinates, to 2e-6 of the distance from the pointing.

    Parameters
    ----------
    xpos, ypos : float32 (rows,), as for `relative_positions`
    x, y : float32 (rows,), filled with xi (east) and eta (north) [rad]

    Notes
    -----
    xi = R sin(xpos), eta = -R cos(xpos), R = tan(-ypos) (Calabretta & Greisen 2002, A&A 395, 1077, eqs. 12,
    13, 54). Sine and cosine are polynomials good to 1e-6, R is u + u^3/3.
    """
    f = np.float32
    for i in range(x.size):
        phi, u = xpos[i], -ypos[i]
        # sine and cosine of phi = r + pi, r in [-pi, pi], through half the angle, by power series
        r = phi - f(2.0 * math.pi) * np.floor(phi * f(0.5 / math.pi)) - f(math.pi)
        h = f(0.5) * r
        q = h * h
        s = f(1 / 5040) - q * (f(1 / 362880) - q * f(1 / 39916800))
        s = h * (f(1) - q * (f(1 / 6) - q * (f(1 / 120) - q * s)))
        c = f(1) - q * (f(0.5) - q * (f(1 / 24) - q * (f(1 / 720) - q * (f(1 / 40320) - q * f(1 / 3628800)))))
        radius = u + u * u * u * f(1.0 / 3)
        x[i] = f(-2) * s * c * radius
        y[i] = (f(1) - f(2) * s * s) * radius


@nb.njit(nogil=True, cache=True, error_model="numpy")
def voxel_positions(ra, dec, offset_ra, offset_dec, reference_dec, matrix, crpix, out_x, out_y):
    """Voxel coordinates, counted from 0, of positions relative to the reference.

    Parameters
    ----------
    ra, dec : float32 (rows,), position minus the reference position [deg]
    offset_ra, offset_dec : float, reference position minus CRVAL [deg]
    reference_dec : float, declination of the reference point of the projection, CRVAL2 [rad]
    matrix : float64 (2, 2), inverse of the CD matrix [pixel/deg]
    crpix : float64 (2,), reference pixel, counted from 1
    out_x, out_y : float64 (rows,), filled with the voxel coordinates
    """
    sd, cd = math.sin(reference_dec), math.cos(reference_dec)
    m00, m01 = matrix[0, 0] / _DEGREE, matrix[0, 1] / _DEGREE
    m10, m11 = matrix[1, 0] / _DEGREE, matrix[1, 1] / _DEGREE
    x0, y0 = crpix[0] - 1.0, crpix[1] - 1.0
    for i in range(ra.size):
        a = (np.float64(ra[i]) + offset_ra) * _DEGREE
        b = (np.float64(dec[i]) + offset_dec) * _DEGREE
        q = a * a
        sin_a = a * (1.0 - q * (1.0 / 6 - q * (1.0 / 120 - q * (1.0 / 5040 - q / 362880))))
        versine = q * (0.5 - q * (1.0 / 24 - q * (1.0 / 720 - q / 40320)))
        q = b * b
        sin_b = b * (1.0 - q * (1.0 / 6 - q * (1.0 / 120 - q * (1.0 / 5040 - q / 362880))))
        cos_b = 1.0 - q * (0.5 - q * (1.0 / 24 - q * (1.0 / 720 - q / 40320)))
        cos_dec = cd * cos_b - sd * sin_b
        scale = 1.0 / (cos_b - cos_dec * cd * versine)
        xi = cos_dec * sin_a * scale
        eta = (sin_b + cos_dec * sd * versine) * scale
        out_x[i] = m00 * xi + m01 * eta + x0
        out_y[i] = m10 * xi + m11 * eta + y0


@nb.njit(nogil=True, cache=True, error_model="numpy")
def position_limits(ra, dec, wavelength, low, high, limits):
    """Widen `limits` to the smallest and largest position and wavelength; returns the number of rows that count.

    Parameters
    ----------
    ra, dec, wavelength : float32 (rows,)
    low, high : float, only rows with low <= wavelength <= high count [Angstrom]
    limits : float64 (6,), smallest and largest ra, dec, wavelength; changed in place
    """
    x0, x1, y0, y1, z0, z1 = limits[0], limits[1], limits[2], limits[3], limits[4], limits[5]
    n = 0
    for i in range(ra.size):
        w = np.float64(wavelength[i])
        inside = (w >= low) & (w <= high)
        n += inside
        x, y = np.float64(ra[i]), np.float64(dec[i])
        x0 = min(x0, x if inside else x0)
        x1 = max(x1, x if inside else x1)
        y0 = min(y0, y if inside else y0)
        y1 = max(y1, y if inside else y1)
        z0 = min(z0, w if inside else z0)
        z1 = max(z1, w if inside else z1)
    limits[0], limits[1], limits[2], limits[3], limits[4], limits[5] = x0, x1, y0, y1, z0, z1
    return n


def spectral_coefficients(kind: int, crpix: float, crval: float, step: float) -> NDArray[np.float64]:
    """Coefficients of the spectral axis for `place_rows`: kind, reference plane from 0, CRVAL3, CD3_3."""
    return np.array([kind, crpix - 1.0, crval, step], np.float64)


@nb.njit(inline="always")
def to_vacuum(wavelength):
    """Vacuum wavelength of an air wavelength [Angstrom], rounded to float32 (Ciddor 1996, Applied Optics 35, 1566)."""
    s2 = (1e4 / wavelength) ** 2
    return np.float32(wavelength * (1.0 + 0.05792105 / (238.0185 - s2) + 0.00167917 / (57.362 - s2)))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def vacuum_wavelengths(wavelength):
    """Vacuum wavelengths of air wavelengths, float32 (rows,) [Angstrom]."""
    out = np.empty(wavelength.size, np.float32)
    for i in range(wavelength.size):
        out[i] = to_vacuum(np.float64(wavelength[i]))
    return out


@nb.njit(nogil=True, cache=True, error_model="numpy")
def plane_positions(wavelength, spectral, out_z):
    """Plane coordinates, counted from 0, of air wavelengths [Angstrom].

    Parameters
    ----------
    wavelength : float32 or float64 (rows,)
    spectral : float64 (4,), from `spectral_coefficients`
    out_z : float64 (rows,)
    """
    kind, p0, crval, step = spectral[0], spectral[1], spectral[2], spectral[3]
    for i in range(wavelength.size):
        w = np.float64(wavelength[i])
        if kind >= 2:
            w = np.float64(to_vacuum(w))
        if kind == 1 or kind == 3:
            out_z[i] = math.log(w / crval) * crval / step + p0
        else:
            out_z[i] = (w - crval) / step + p0
