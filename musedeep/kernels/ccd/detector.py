"""What particles do to a CCD."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def add_tracks(image, x, y, angle, length, charge, spread):
    """Add the charge of particles that crossed the CCD, in place.

    Parameters
    ----------
    image : float64 (n_rows, n_columns), electrons
    x, y : float64 (n,), where the particle entered, pixels from 0
    angle : float64 (n,), direction of the track on the CCD, radians
    length : float64 (n,), length of the track on the CCD, pixels
    charge : float64 (n,), electrons in all
    spread : float64 (n, m), relative ionisation along each track in m equal parts; each row has mean 1
    """
    n_rows, n_columns = image.shape
    parts = spread.shape[1]
    for k in range(x.size):
        steps = max(math.ceil(length[k] * 5.0), 5)
        each = charge[k] / steps
        for step in range(steps):
            along = (step + 0.5) / steps
            column = math.floor(x[k] + along * length[k] * math.cos(angle[k]) + 0.5)
            row = math.floor(y[k] + along * length[k] * math.sin(angle[k]) + 0.5)
            if 0 <= column < n_columns and 0 <= row < n_rows:
                image[row, column] += each * spread[k, min(int(along * parts), parts - 1)]


@numba.njit(cache=True, nogil=True)
def digitise(electrons, noise, gain, level, slope, ceiling, out):
    """Convert electrons to raw values of one quadrant.

    Parameters
    ----------
    electrons : float64 (n_rows, n_columns), collected charge
    noise : float32 (n_rows, n_columns), electrons
    gain : electrons per adu
    level : bias, adu
    slope : float64 (n_rows,), bias over `level` by row, adu
    ceiling : largest value
    out : uint16 (n_rows, n_columns), written
    """
    for y in range(electrons.shape[0]):
        base = level + slope[y]
        for x in range(electrons.shape[1]):
            value = np.rint((electrons[y, x] + noise[y, x]) / gain + base)
            out[y, x] = np.uint16(min(max(value, 0.0), ceiling))
