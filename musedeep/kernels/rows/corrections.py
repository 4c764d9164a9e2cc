"""Corrections of the rows of a pixel table: position by wavelength, flux by wavelength, wavelength, native coordinates.

Each is one pass over the rows, in place. What depends on the wavelength comes from a table on a regular grid, between
whose nodes it is interpolated linearly. Memory traffic takes the time; `to_native` takes about 60 operations a row.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

_TAN_EIGHTH = math.sqrt(2.0) - 1.0


@nb.njit(inline="always")
def _cell(wavelength, start, per_step, last):  # type: ignore[no-untyped-def]
    """Cell of a regular grid that holds a wavelength, and where in it, from 0 to 1; the ends hold beyond the grid."""
    place = min(max((np.float64(wavelength) - start) * per_step, 0.0), np.float64(last))
    cell = min(int(place), last - 1)
    return cell, place - cell


@nb.njit(nogil=True, cache=True, error_model="numpy")
def shift_positions(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    shifts: NDArray[np.float64],
    start: float,
    step: float,
) -> None:
    """Add to each position the shift of its wavelength.

    Parameters
    ----------
    xpos, ypos : float32 (rows,), changed
    wavelength : float32 (rows,)
    shifts : float64 (nodes, 2), shift in x and y at each node, in the unit of the positions; two nodes at least
    start, step : float, of the nodes, in the unit of the wavelengths
    """
    last, per_step = shifts.shape[0] - 1, 1.0 / step
    for i in range(xpos.size):
        k, part = _cell(wavelength[i], start, per_step, last)
        rest = 1.0 - part
        xpos[i] = np.float32(xpos[i] + (rest * shifts[k, 0] + part * shifts[k + 1, 0]))
        ypos[i] = np.float32(ypos[i] + (rest * shifts[k, 1] + part * shifts[k + 1, 1]))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def multiply_by_wavelength(
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    curve: NDArray[np.float64],
    start: float,
    step: float,
) -> None:
    """Multiply data by a factor that depends on the wavelength, and take its uncertainty into the variances.

    Parameters
    ----------
    data, stat : float32 (rows,), changed: data f, and f**2 (stat + data**2 v)
    wavelength : float32 (rows,)
    curve : float64 (nodes, 2), factor f, and its relative variance v, at each node; two nodes at least
    start, step : float, of the nodes, in the unit of the wavelengths
    """
    last, per_step = curve.shape[0] - 1, 1.0 / step
    for i in range(data.size):
        k, part = _cell(wavelength[i], start, per_step, last)
        rest = 1.0 - part
        factor = rest * curve[k, 0] + part * curve[k + 1, 0]
        variance = rest * curve[k, 1] + part * curve[k + 1, 1]
        value = np.float64(data[i])
        data[i] = np.float32(value * factor)
        stat[i] = np.float32(factor * factor * (stat[i] + value * value * variance))


@nb.njit(nogil=True, cache=True)
def stretch(wavelength: NDArray[np.float32], factor: float) -> None:
    """Multiply wavelengths, float32 (rows,), in place, in float64."""
    for i in range(wavelength.size):
        wavelength[i] = np.float32(wavelength[i] * factor)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def to_native(
    xpos: NDArray[np.float32], ypos: NDArray[np.float32], centre: NDArray[np.float64], matrix: NDArray[np.float64]
) -> None:
    """Positions in the field of view become native spherical coordinates of the gnomonic projection (manual A.3.2).

    Intermediate coordinates x, y = matrix (position - centre); phi = arg(-y, x), R = |x, y| = 1 / tan theta
    (Calabretta & Greisen 2002, A&A 395, 1077, eqs. 14, 15, 55). phi is right within 1e-10 rad before it is rounded,
    theta - pi/2 = -arctan R within 1e-15 for R < 0.03.

    Parameters
    ----------
    xpos, ypos : float32 (rows,) [pixel], changed to phi, from 0 to 2 pi, and theta - pi/2 [rad]
    centre : float64 (2,), position of the reference point [pixel]
    matrix : float64 (2, 2) [rad/pixel]
    """
    m00, m01, m10, m11 = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    x0, y0 = centre[0], centre[1]
    for i in range(xpos.size):
        dx, dy = xpos[i] - x0, ypos[i] - y0
        x, y = m00 * dx + m01 * dy, -(m10 * dx + m11 * dy)
        # arctangent of the smaller over the larger, about tan(pi/8) reduced to +-tan(pi/8)
        ax, ay = abs(x), abs(y)
        large, small = max(ax, ay), min(ax, ay)
        far = small > _TAN_EIGHTH * large
        t = (small - large if far else small) / max(small + large if far else large, 1e-300)
        q = t * t
        s = 1.0 / 15.0 - q * (1.0 / 17.0 - q * (1.0 / 19.0 - q * (1.0 / 21.0 - q / 23.0)))
        s = 1.0 / 5.0 - q * (1.0 / 7.0 - q * (1.0 / 9.0 - q * (1.0 / 11.0 - q * (1.0 / 13.0 - q * s))))
        phi = t * (1.0 - q * (1.0 / 3.0 - q * s))
        phi = phi + (0.25 * math.pi if far else 0.0)
        phi = 0.5 * math.pi - phi if ax > ay else phi
        phi = math.pi - phi if y < 0.0 else phi
        phi = 2.0 * math.pi - phi if x < 0.0 else phi
        r = math.sqrt(x * x + y * y)
        q = r * r
        xpos[i] = np.float32(phi)
        ypos[i] = np.float32(-r * (1.0 - q * (1.0 / 3 - q * (1.0 / 5 - q * (1.0 / 7 - q * (1.0 / 9 - q / 11))))))
