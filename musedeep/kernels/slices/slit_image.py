"""Rows of a slice on a plane of position and wavelength, for a look (muse_scibasic, parameter resample).

Positions go to the nearest column; along the wavelength, Renka's weights of inverse distance (Renka 1988, ACM TOMS
14, 139) with a critical radius of 1.25 steps. Found by experiments on the reference.
"""

from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

RADIUS: Final = 1.25
"""Steps of wavelength beyond which a row has no weight."""


@nb.njit(nogil=True, cache=True)
def resample_slice(
    xpos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    dq: NDArray[np.int32],
    x_start: Any,
    start: Any,
    step: Any,
    out: NDArray[np.float32],
) -> None:
    """Resample the rows of a slice.

    Parameters
    ----------
    xpos, wavelength, data : float32 (rows,)
    dq : int32 (rows,), rows with flags do not count
    x_start, start, step : float, position of the first column [pixel], first wavelength and step [Angstrom]
    out : float32 (wavelengths, columns), filled; 0 where there is nothing
    """
    n_z, n_x = out.shape
    sums = np.zeros((n_z, n_x))
    weights = np.zeros((n_z, n_x))
    for i in range(data.size):
        if dq[i] != 0:
            continue
        x = int(np.rint(xpos[i] - x_start))
        if x < 0 or x >= n_x:
            continue
        z = (wavelength[i] - start) / step
        middle = int(np.rint(z))
        for k in range(max(middle - 1, 0), min(middle + 2, n_z)):
            distance = max(abs(z - k), 1e-6)
            if distance < RADIUS:
                weight = ((RADIUS - distance) / (RADIUS * distance)) ** 2
                sums[k, x] += weight * data[i]
                weights[k, x] += weight
    for k in range(n_z):
        for x in range(n_x):
            out[k, x] = sums[k, x] / weights[k, x] if weights[k, x] > 0.0 else 0.0
