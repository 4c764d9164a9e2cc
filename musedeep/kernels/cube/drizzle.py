"""The drizzle where a row reaches at most two voxels per axis: the usual one, and most of the time of a combination.

1. The side of the voxel's centre on which the row lies selects the second voxel of each axis; no other is tried.
2. The overlaps with these two by two by two voxels are computed; outside the core of the box they are zero.
3. The row is added to the sums of all eight, some of the weights being zero.

The bits are those of `resample.accumulate`, in half the time.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray


class CellRows(NamedTuple):
    """Rows of a box, sorted by cell.

    Attributes
    ----------
    ra, dec, wavelength, data, stat : float32 (rows,)
        Position relative to the reference [deg], wavelength [Angstrom], value and variance.
    exposure : uint16 (rows,)
    skip : uint8 (rows,), rows that take no part (rejected or bad)
    start : int64 (cells + 1,)
    """

    ra: NDArray[np.float32]
    dec: NDArray[np.float32]
    wavelength: NDArray[np.float32]
    data: NDArray[np.float32]
    stat: NDArray[np.float32]
    exposure: NDArray[np.uint16]
    skip: NDArray[np.uint8]
    start: NDArray[np.int64]


class Voxels(NamedTuple):
    """Voxels of a box.

    Attributes
    ----------
    shape : (int, int, int), nz, ny, nx of the box
    planes, lines : (int, int), core of the box: planes and lines [first, last) whose sums are wanted
    ra, dec, cosine : float64 (ny, nx)
        Centres of the voxels, relative to the reference [deg], and cosine of their declination.
    wavelength, size : float64 (nz,)
        Centres of the planes, on the scale of the rows [Angstrom], and their thickness [detector's sampling].
    units : float64 (2,), the detector's sampling per degree and per Angstrom
    turn : float64 (2, 2)
        From distances along RA and declination [detector's sampling] to distances along x and y [voxel].
    scale : float64 (2,), size of a voxel along x and y [detector's sampling]
    """

    shape: tuple[int, int, int]
    planes: tuple[int, int]
    lines: tuple[int, int]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    cosine: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    size: NDArray[np.float64]
    units: NDArray[np.float64]
    turn: NDArray[np.float64]
    scale: NDArray[np.float64]


class Weights(NamedTuple):
    """Weights of the rows.

    Attributes
    ----------
    exposure : float64 (exposures,)
    row : float32 (rows,) or (0,), further weight of each row, if any
    """

    exposure: NDArray[np.float64]
    row: NDArray[np.float32]


@nb.njit(inline="always")
def overlap(d, reach, most, inverse):
    """Share of an interval at distance d that lies within a voxel.

    Parameters
    ----------
    d : float, distance of the centres
    reach : float, half the widths of both together
    most : float, the smaller of both
    inverse : float, 1 / width of the interval
    """
    return max(0.0, min(most, reach - d)) * inverse


def two_planes_at_most(
    plane_wavelength: NDArray[np.float64], plane_size: NDArray[np.float64], per_angstrom: float, fraction: float
) -> bool:
    """Whether no row reaches the planes on both sides of its own; False if planes are not in order of wavelength.

    Parameters
    ----------
    plane_wavelength, plane_size : float64 (planes,), see `Voxels`
    per_angstrom, fraction : float, the detector's sampling per Angstrom, pixfrac along the wavelength
    """
    gap = np.diff(plane_wavelength) * per_angstrom
    return bool((gap > 0.5 * (np.maximum(plane_size[1:], plane_size[:-1]) + fraction) - 1e-9).all())


@nb.njit(inline="always")
def _moved(k, first, last):
    """Place of a neighbour among those wanted, [first, last), or of the nearest one of them and 0.0."""
    place = min(max(k, first), last - 1)
    return place - first, 1.0 if place == k else 0.0


@nb.njit(inline="always")
def _add(sums, k, w, value, variance):
    sums[k] += w * value
    sums[k + 1] += w
    sums[k + 2] += w * w * variance


@nb.njit(inline="always")
def _mark(seen, k, w, bit):
    seen[k] |= bit if w != 0.0 else np.uint64(0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def drizzle(rows, voxels, weights, fractions, sums, seen):
    """Add all rows of a box to the sums of the voxels of its core.

    Parameters
    ----------
    rows : CellRows
    voxels : Voxels, the planes are in the order of their wavelengths
    weights : Weights
    fractions, sums, seen : see `resample.accumulate`

    Notes
    -----
    Bound by arithmetic and scattered additions, about 24 ns a row on one core.
    """
    ra, dec, wavelength, data, stat, exposure, skip, start = rows
    exposure_weight, row_weight = weights
    voxel_ra, voxel_dec, voxel_cosine = voxels.ra, voxels.dec, voxels.cosine
    plane_wavelength, plane_size, units, turn, scale = (
        voxels.wavelength, voxels.size, voxels.units, voxels.turn, voxels.scale
    )  # fmt: skip
    nz, ny, nx = voxels.shape
    zf, zl = voxels.planes
    yf, yl = voxels.lines
    weigh_rows = row_weight.size > 0
    mark = seen.size > 0
    words = seen.shape[3]
    fx, fy, fz = fractions[0], fractions[1], fractions[2]
    most_x, most_y = min(scale[0], fx), min(scale[1], fy)
    reach_x, reach_y = 0.5 * (scale[0] + fx), 0.5 * (scale[1] + fy)
    per_x, per_y, per_z = 1.0 / fx, 1.0 / fy, 1.0 / fz
    per_degree, per_angstrom = units[0], units[1]
    flat_sums, flat_seen = sums.reshape(-1), seen.reshape(-1)
    plane = (yl - yf) * nx
    for z in range(max(0, zf - 1), min(nz, zl + 1)):
        for y in range(max(0, yf - 1), min(ny, yl + 1)):
            line = (z * ny + y) * nx
            iz0, in_z0 = _moved(z, zf, zl)
            iy0, in_y0 = _moved(y, yf, yl)
            for x in range(nx):
                first, last = start[line + x], start[line + x + 1]
                if first == last:
                    continue
                own_ra, own_dec, own_cosine = voxel_ra[y, x], voxel_dec[y, x], voxel_cosine[y, x]
                for i in range(first, last):
                    if skip[i]:
                        continue
                    row_ra, row_dec, row_wave = np.float64(ra[i]), np.float64(dec[i]), np.float64(wavelength[i])
                    value, variance = np.float64(data[i]), np.float64(stat[i])
                    e = exposure[i]
                    weight = exposure_weight[e]
                    if weigh_rows:
                        weight *= row_weight[i]
                    east, north = (row_ra - own_ra) * own_cosine * per_degree, (row_dec - own_dec) * per_degree
                    # the neighbours towards the row, within the box; within its core, or weighed by zero
                    x1 = x + (1 if turn[0, 0] * east + turn[0, 1] * north > 0.0 else -1)
                    y1 = y + (1 if turn[1, 0] * east + turn[1, 1] * north > 0.0 else -1)
                    z1 = z + (1 if row_wave > plane_wavelength[z] else -1)
                    ix1, in_x1 = _moved(x1, 0, nx)
                    iy1, in_y1 = _moved(y1, yf, yl)
                    iz1, in_z1 = _moved(z1, zf, zl)
                    y1, z1 = min(max(y1, 0), ny - 1), min(max(z1, 0), nz - 1)

                    ax = abs(own_ra - row_ra) * own_cosine * per_degree
                    ay = abs(own_dec - row_dec) * per_degree
                    w00 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y) * in_y0
                    ax = abs(voxel_ra[y, ix1] - row_ra) * voxel_cosine[y, ix1] * per_degree
                    ay = abs(voxel_dec[y, ix1] - row_dec) * per_degree
                    w01 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y) * (in_y0 * in_x1)
                    ax = abs(voxel_ra[y1, x] - row_ra) * voxel_cosine[y1, x] * per_degree
                    ay = abs(voxel_dec[y1, x] - row_dec) * per_degree
                    w10 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y) * in_y1
                    ax = abs(voxel_ra[y1, ix1] - row_ra) * voxel_cosine[y1, ix1] * per_degree
                    ay = abs(voxel_dec[y1, ix1] - row_dec) * per_degree
                    w11 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y) * (in_y1 * in_x1)
                    size = plane_size[z]
                    az = abs(plane_wavelength[z] - row_wave) * per_angstrom
                    wz0 = overlap(az, 0.5 * (size + fz), min(size, fz), per_z) * weight * in_z0
                    size = plane_size[z1]
                    az = abs(plane_wavelength[z1] - row_wave) * per_angstrom
                    wz1 = overlap(az, 0.5 * (size + fz), min(size, fz), per_z) * weight * in_z1

                    k00, k01, k10, k11 = iy0 * nx + x, iy0 * nx + ix1, iy1 * nx + x, iy1 * nx + ix1
                    k = iz0 * plane
                    _add(flat_sums, 3 * (k + k00), w00 * wz0, value, variance)
                    _add(flat_sums, 3 * (k + k01), w01 * wz0, value, variance)
                    _add(flat_sums, 3 * (k + k10), w10 * wz0, value, variance)
                    _add(flat_sums, 3 * (k + k11), w11 * wz0, value, variance)
                    k1 = iz1 * plane
                    _add(flat_sums, 3 * (k1 + k00), w00 * wz1, value, variance)
                    _add(flat_sums, 3 * (k1 + k01), w01 * wz1, value, variance)
                    _add(flat_sums, 3 * (k1 + k10), w10 * wz1, value, variance)
                    _add(flat_sums, 3 * (k1 + k11), w11 * wz1, value, variance)
                    if mark:
                        word, bit = np.int64(e >> 6), np.uint64(1) << np.uint64(e & 63)
                        _mark(flat_seen, words * (k + k00) + word, w00 * wz0, bit)
                        _mark(flat_seen, words * (k + k01) + word, w01 * wz0, bit)
                        _mark(flat_seen, words * (k + k10) + word, w10 * wz0, bit)
                        _mark(flat_seen, words * (k + k11) + word, w11 * wz0, bit)
                        _mark(flat_seen, words * (k1 + k00) + word, w00 * wz1, bit)
                        _mark(flat_seen, words * (k1 + k01) + word, w01 * wz1, bit)
                        _mark(flat_seen, words * (k1 + k10) + word, w10 * wz1, bit)
                        _mark(flat_seen, words * (k1 + k11) + word, w11 * wz1, bit)
