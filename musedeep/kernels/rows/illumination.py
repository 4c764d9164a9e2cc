"""Correction of the rows of a pixel table for illumination: division by a smooth cube of the twilight sky.

Memory traffic takes the time.
"""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray


@nb.njit(nogil=True, cache=True)
def count_flag(dq: NDArray[np.int32], flag: Any) -> Any:
    """Number of pixels of an image, int32 (rows, columns), that carry a flag."""
    n = 0
    for y in range(dq.shape[0]):
        for x in range(dq.shape[1]):
            if dq[y, x] & flag:
                n += 1
    return n


@nb.njit(nogil=True, cache=True, inline="always")
def _nearest(position, size):  # type: ignore[no-untyped-def]
    return min(max(int(np.floor(position + 0.5)), 0), size - 1)


@nb.njit(nogil=True, cache=True)
def correct_rows(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    origin: NDArray[np.int32],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    factors: NDArray[np.float64],
    cube: NDArray[np.float32],
    start: NDArray[np.float64],
    step: NDArray[np.float64],
) -> None:
    """Multiply rows of a pixel table by the factor of their slice, and divide them by a cube at their place.

    The nearest pixel of the field counts; in wavelength the cube is interpolated linearly, and beyond its ends the
    last plane holds (found by experiments on the reference). Where the cube is not above 0 it changes nothing.

    Parameters
    ----------
    xpos, ypos, wavelength : float32 (rows,), in the units of the cube's axes
    origin : int32 (rows,), its lowest six bits are the number of the slice, from 1
    data, stat : float32 (rows,), changed
    factors : float64 (slices,)
    cube : float32 (wavelengths, y, x); with no wavelengths only the factors count
    start, step : float64 (3,), coordinate of the first pixel and step of x, y and wavelength
    """
    n_planes, n_y, n_x = cube.shape
    for i in range(data.size):
        total = factors[(origin[i] & 63) - 1]
        if n_planes > 0:
            x = _nearest((xpos[i] - start[0]) / step[0], n_x)
            y = _nearest((ypos[i] - start[1]) / step[1], n_y)
            place = min(max((wavelength[i] - start[2]) / step[2], 0.0), n_planes - 1.0)
            z = min(int(place), max(n_planes - 2, 0))
            part = place - z
            value = np.float64(cube[z, y, x])
            if part > 0.0:
                value = (1.0 - part) * value + part * cube[z + 1, y, x]
            if value > 0.0:
                total /= value
        data[i] = data[i] * total
        stat[i] = stat[i] * total * total
