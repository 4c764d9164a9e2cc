"""Rows of pixel tables in field coordinates (pixels of the field of view) to a cube of the field, by drizzling.

The weights are those of `cube.resample` (Fruchter & Hook 2002), which works on the sky.
"""

from typing import Final

import numba as nb
import numpy as np

from musedeep.instrument import DQ

MISSING: Final = int(DQ.MISSING)


@nb.njit(inline="always")
def _share(distance, fraction):
    """Share of an interval of width `fraction` that lies within a voxel of width 1."""
    return max(0.0, min(fraction, 0.5 + 0.5 * fraction - abs(distance))) / fraction


@nb.njit(nogil=True, cache=True)
def drizzle_rows(x, y, wavelength, data, stat, dq, origin, step, fraction, sums):
    """Add rows to the sums of a cube.

    Bound by scattered additions, some 4 voxels a row.

    Parameters
    ----------
    x, y, wavelength, data, stat : float32 (rows,), pixels of the field and Angstrom
    dq : int32 (rows,), flagged rows are left out
    origin : float64 (3,), x, y, wavelength of the first voxel's centre
    step : of the planes, Angstrom
    fraction : of a pixel that is drizzled (pixfrac)
    sums : float32 (planes, lines, columns, 3), sums of weight x value, weight, weight**2 x variance; added to
    """
    nz, ny, nx, _ = sums.shape
    reach = 0.5 + 0.5 * fraction
    for i in range(x.size):
        if dq[i] != 0:
            continue
        px, py, pz = x[i] - origin[0], y[i] - origin[1], (wavelength[i] - origin[2]) / step
        for kz in range(max(int(np.ceil(pz - reach)), 0), min(int(np.floor(pz + reach)), nz - 1) + 1):
            wz = _share(pz - kz, fraction)
            for ky in range(max(int(np.ceil(py - reach)), 0), min(int(np.floor(py + reach)), ny - 1) + 1):
                wy = wz * _share(py - ky, fraction)
                for kx in range(max(int(np.ceil(px - reach)), 0), min(int(np.floor(px + reach)), nx - 1) + 1):
                    w = wy * _share(px - kx, fraction)
                    sums[kz, ky, kx, 0] += w * data[i]
                    sums[kz, ky, kx, 1] += w
                    sums[kz, ky, kx, 2] += w * w * stat[i]


@nb.njit(nogil=True, cache=True)
def finish_cube(sums, data, dq, stat):
    """Turn sums into voxels: 0 with the flag DQ.MISSING where there are none, as in the reference's cubes.

    Parameters
    ----------
    sums : float32 (planes, lines, columns, 3), of `drizzle_rows`
    data, stat : float32 (planes, lines, columns), filled
    dq : int32 (planes, lines, columns), filled
    """
    for z in range(data.shape[0]):
        for y in range(data.shape[1]):
            for x in range(data.shape[2]):
                w = sums[z, y, x, 1]
                if w > 0:
                    data[z, y, x] = sums[z, y, x, 0] / w
                    stat[z, y, x] = sums[z, y, x, 2] / (w * w)
                    dq[z, y, x] = 0
                else:
                    data[z, y, x] = stat[z, y, x] = 0.0
                    dq[z, y, x] = MISSING


@nb.njit(nogil=True, cache=True)
def white_image(data, dq, image, image_dq):
    """Mean of the planes of a cube without flagged voxels: float32 and int32 (lines, columns), filled."""
    for y in range(data.shape[1]):
        for x in range(data.shape[2]):
            total, n = 0.0, 0
            for z in range(data.shape[0]):
                if dq[z, y, x] == 0:
                    total += data[z, y, x]
                    n += 1
            image[y, x] = total / n if n > 0 else 0.0
            image_dq[y, x] = 0 if n > 0 else MISSING
