"""From rows to voxels: the one resampling of the whole reduction.

1. Rows come sorted by cell (`voxels`): the sums of a voxel have the same order however the cube is divided, and the
   accumulators in use stay in the cache.
2. The distances of each row to the voxels around it are measured on the sky, as the ESO pipeline does (found by
   experiment): |difference in RA| x cos(declination of the voxel), |difference in declination| and |difference in
   wavelength|, in units of the detector's own sampling (0.2 arcsec in the wide-field mode, 1.25 Angstrom). In these
   units a voxel has the size `scale`: 1 in all directions unless dx, dy, dlambda or an OUTPUT_WCS say otherwise.
3. Each row adds weight x value, weight, and weight^2 x variance to the sums of these voxels (`accumulate`).
4. A voxel is the weighted mean of its rows, with variance sum(w^2 v) / (sum w)^2 (`finish`; Weilbacher et al. 2020, A&A
   641, A28, section 4.2; manual 9.14.3).

The weights, for distances dx, dy, dz and their norm r:

- drizzle: the share of the pixel, shrunk by pixfrac, that overlaps the voxel (Fruchter & Hook 2002);
- linear 1 / r; quadratic 1 / r^2;
- renka ((R - r) / (R r))^2 within R = rc |scale| (Renka 1988), a vanishing weight outside it, so that
  a voxel without nearer rows takes their plain mean;
- lanczos sinc(d) sinc(d / ld) in each direction within ld;
- nearest: one row per voxel, see `nearest`.

Arithmetic and scattered additions take the time: 27 voxels per row with ld 1. The usual drizzle has a kernel of its own
(`drizzle`).
"""

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.drizzle import CellRows, Voxels, Weights, drizzled_planes, overlap, two_planes_at_most

NEAREST, LINEAR, QUADRATIC, RENKA, DRIZZLE, LANCZOS = 0, 1, 2, 3, 4, 5
METHODS = {
    "nearest": NEAREST,
    "linear": LINEAR,
    "quadratic": QUADRATIC,
    "renka": RENKA,
    "drizzle": DRIZZLE,
    "lanczos": LANCZOS,
}

TINY = 1.1754943508222875e-38
"""Weight outside the radius of renka, and the smallest squared distance of linear and quadratic."""


@nb.njit(inline="always")
def _sinc(d):
    a = math.pi * d
    return 1.0 if d == 0.0 else math.sin(a) / a


class Kernel(NamedTuple):
    """Function that a row is spread by.

    Attributes
    ----------
    method : int, of METHODS
    distance : int, loop distance ld, in voxels
    radius : float, rc of renka, multiplied by the length of the voxel's diagonal
    fractions : float64 (3,), pixfrac along x, y, z
    """

    method: int
    distance: int
    radius: float
    fractions: NDArray[np.float64]


def accumulate(  # type: ignore[no-untyped-def]
    rows: CellRows, voxels: Voxels, weights: Weights, kernel: Kernel, sums, seen
):
    """Add all rows of a box to the sums of the voxels of its core.

    Parameters
    ----------
    sums : float64 (planes, lines, nx, 3), sum of w d, w, w^2 v of the core; added to
    seen : uint64 (planes, lines, nx, words) or (0, 0, 0, 0), one bit per exposure that contributed; added to
    """
    # chosen here and not in a kernel, so that only one of the two is compiled
    if _is_near(voxels, kernel):
        for k, some, marks in drizzled_planes(rows, voxels, weights, kernel.fractions, seen.shape[3]):
            sums[k : k + 1] += some
            if marks.size:
                seen[k : k + 1] |= marks
    else:
        _accumulate(rows, voxels, weights, kernel, sums, seen)


def resample(
    rows: CellRows,
    voxels: Voxels,
    weights: Weights,
    kernel: Kernel,
    exposure_seconds: NDArray[np.float64],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    number: NDArray[np.uint16],
    seconds: NDArray[np.float32],
) -> None:
    """Fill the voxels of the core of a box from all its rows.

    Parameters
    ----------
    exposure_seconds, data, stat, number, seconds : see `finish`
    """
    words = (exposure_seconds.size + 63) // 64 if number.size else 0
    if _is_near(voxels, kernel):
        for k, some, marks in drizzled_planes(rows, voxels, weights, kernel.fractions, words):
            plane = slice(k, k + 1)
            finish(some, marks, exposure_seconds, data[plane], stat[plane], number[plane], seconds[plane])
        return
    sums = np.zeros((*data.shape, 3), np.float64)
    seen = np.zeros((*data.shape, words) if words else (0, 0, 0, 0), np.uint64)
    _accumulate(rows, voxels, weights, kernel, sums, seen)
    finish(sums, seen, exposure_seconds, data, stat, number, seconds)


def _is_near(voxels: Voxels, kernel: Kernel) -> bool:
    """Whether rows are drizzled, and none reaches beyond the nearest two voxels of each axis."""
    fractions, scale, turn = kernel.fractions, voxels.scale, voxels.turn
    # how far rows surely do not reach, although the axes are not quite straight on the sky
    straight = bool((np.abs(voxels.cosine - 1.0) < 1e-9).all()) and turn[0, 1] == turn[1, 0] == 0.0
    bent = 0.0 if straight else 0.05
    reach_x, reach_y = 0.5 * (scale[0] + fractions[0]), 0.5 * (scale[1] + fractions[1])
    far = max(abs(turn[k, 0]) * reach_x + abs(turn[k, 1]) * reach_y + bent for k in range(2))
    near = far <= 1.0 + 1e-9 and two_planes_at_most(voxels.wavelength, voxels.size, voxels.units[1], fractions[2])
    return kernel.method == DRIZZLE and near


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _accumulate(rows, voxels, weights, kernel, sums, seen):
    """See `accumulate`."""
    ra, dec, wavelength, data, stat, exposure, skip, start = rows
    exposure_weight, row_weight = weights
    method, distance, radius, fractions = kernel
    voxel_ra, voxel_dec, voxel_cosine = voxels.ra, voxels.dec, voxels.cosine
    plane_wavelength, plane_size, units, turn, scale = (
        voxels.wavelength, voxels.size, voxels.units, voxels.turn, voxels.scale
    )  # fmt: skip
    nz, ny, nx = voxels.shape
    zf, zl = voxels.planes
    yf, yl = voxels.lines
    weigh_rows = row_weight.size > 0
    mark = seen.size > 0
    inverse_distance = 1.0 / distance
    fx, fy, fz = fractions[0], fractions[1], fractions[2]
    sx, sy = scale[0], scale[1]
    reach_x, reach_y = 0.5 * (sx + fx), 0.5 * (sy + fy)
    most_x, most_y = min(sx, fx), min(sy, fy)
    per_x, per_y, per_z = 1.0 / fx, 1.0 / fy, 1.0 / fz
    per_degree, per_angstrom = units[0], units[1]
    bounded = method in (DRIZZLE, LANCZOS)
    if method == LANCZOS:
        reach_x = reach_y = np.float64(distance)
    # what is surely out of reach, although the axes are not quite straight
    far_x = abs(turn[0, 0]) * reach_x + abs(turn[0, 1]) * reach_y + 0.05
    far_y = abs(turn[1, 0]) * reach_x + abs(turn[1, 1]) * reach_y + 0.05
    for z in range(max(0, zf - distance), min(nz, zl + distance)):
        for y in range(max(0, yf - distance), min(ny, yl + distance)):
            line = (z * ny + y) * nx
            for x in range(nx):
                first, last = start[line + x], start[line + x + 1]
                if first == last:
                    continue
                own_ra, own_dec = voxel_ra[y, x], voxel_dec[y, x]
                own_cosine = voxel_cosine[y, x] * per_degree
                for i in range(first, last):
                    if skip[i]:
                        continue
                    row_ra, row_dec, row_wave = np.float64(ra[i]), np.float64(dec[i]), np.float64(wavelength[i])
                    value, variance = np.float64(data[i]), np.float64(stat[i])
                    e = exposure[i]
                    weight = exposure_weight[e]
                    if weigh_rows:
                        weight *= row_weight[i]
                    word, bit = e >> 6, np.uint64(1) << np.uint64(e & 63)
                    east, north = (row_ra - own_ra) * own_cosine, (row_dec - own_dec) * per_degree
                    px, py = turn[0, 0] * east + turn[0, 1] * north, turn[1, 0] * east + turn[1, 1] * north
                    for kz in range(max(-distance, zf - z), min(distance, zl - 1 - z) + 1):
                        az = abs(plane_wavelength[z + kz] - row_wave) * per_angstrom
                        sz = plane_size[z + kz]
                        if bounded and az >= (0.5 * (sz + fz) if method == DRIZZLE else distance):
                            continue
                        if method == DRIZZLE:
                            wz = overlap(az, 0.5 * (sz + fz), min(sz, fz), per_z) * weight
                        elif method == LANCZOS:
                            wz = _sinc(az) * _sinc(az * inverse_distance) * weight
                        else:
                            wz = az * az
                        for ky in range(max(-distance, yf - y), min(distance, yl - 1 - y) + 1):
                            if bounded and abs(ky - py) > far_y:
                                continue
                            for kx in range(max(-distance, -x), min(distance, nx - 1 - x) + 1):
                                if bounded and abs(kx - px) > far_x:
                                    continue
                                ay = abs(voxel_dec[y + ky, x + kx] - row_dec) * per_degree
                                ax = abs(voxel_ra[y + ky, x + kx] - row_ra) * voxel_cosine[y + ky, x + kx] * per_degree
                                if bounded and (ax >= reach_x or ay >= reach_y):
                                    continue
                                if method == DRIZZLE:
                                    w = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y) * wz
                                elif method == LANCZOS:
                                    w = _sinc(ax) * _sinc(ax * inverse_distance) * wz
                                    w *= _sinc(ay) * _sinc(ay * inverse_distance)
                                else:
                                    square = max(wz + ay * ay + ax * ax, TINY)
                                    if method == QUADRATIC:
                                        w = weight / square
                                    elif method == LINEAR:
                                        w = weight / math.sqrt(square)
                                    else:
                                        r = math.sqrt(square)
                                        near = (radius - r) / (radius * r)
                                        w = weight * (near * near if r < radius else TINY)
                                if w == 0.0:
                                    continue
                                cell = sums[z + kz - zf, y + ky - yf, x + kx]
                                cell[0] += w * value
                                cell[1] += w
                                cell[2] += w * w * variance
                                if mark:
                                    seen[z + kz - zf, y + ky - yf, x + kx, word] |= bit


@nb.njit(nogil=True, cache=True, error_model="numpy")
def finish(sums, seen, exposure_seconds, data, stat, number, seconds):
    """Turn sums into voxels.

    Parameters
    ----------
    sums, seen : as filled by `accumulate`
    exposure_seconds : float64 (exposures,)
    data, stat : float32 (planes, lines, nx)
        Filled; NaN where the weights do not sum to at least TINY, as in the reference.
    number : uint16 (planes, lines, nx) or (0, 0, 0)
    seconds : float32, like number
        Filled with the number of exposures that contributed and their summed exposure time [s].
    """
    nz, ny, nx = data.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                w = sums[z, y, x, 1]
                if abs(w) >= TINY:
                    data[z, y, x] = sums[z, y, x, 0] / w
                    stat[z, y, x] = sums[z, y, x, 2] / (w * w)
                else:
                    data[z, y, x] = np.nan
                    stat[z, y, x] = np.nan
                if seen.size > 0:
                    n = 0
                    total = 0.0
                    for word in range(seen.shape[3]):
                        bits = seen[z, y, x, word]
                        e = word << 6
                        while bits:
                            if bits & np.uint64(1):
                                n += 1
                                total += exposure_seconds[e]
                            bits >>= np.uint64(1)
                            e += 1
                    number[z, y, x] = n
                    seconds[z, y, x] = total


@nb.njit(nogil=True, cache=True, error_model="numpy")
def nearest(rows, voxels, far, out_data, out_stat, sums, seen):
    """One row a voxel, as the reference's "nearest" chooses it.

    The reference measures distances in the plane of the sky from a point given by the *absolute* position
    of the voxel to positions *relative* to the field centre; so of the rows of a cell it takes the one
    farthest towards a direction that depends on the position of the field, whether it is good or bad
    (found by experiment: agreement of 100 %). We do the same, since results have to be exchangeable; every
    other method is preferable (docs/validation/differences.md).

    Parameters
    ----------
    rows : CellRows, rows to skip may be chosen, and leave the voxel NaN
    voxels : Voxels
    far : float64 (2,), components along RA and declination of the vector to that point [detector's sampling]
    out_data, out_stat : float32 (planes, lines, nx), filled
    sums, seen : see `accumulate`; of sums only the weight is set
    """
    ra, dec, wavelength, data, stat, exposure, skip, start = rows
    _, ny, nx = voxels.shape
    (zf, zl), (yf, yl), units = voxels.planes, voxels.lines, voxels.units
    for z in range(zf, zl):
        for y in range(yf, yl):
            for x in range(nx):
                c = (z * ny + y) * nx + x
                best = np.inf
                chosen = -1
                for i in range(start[c], start[c + 1]):
                    px = (voxels.ra[y, x] - ra[i]) * voxels.cosine[y, x] * units[0]
                    py = (voxels.dec[y, x] - dec[i]) * units[0]
                    pz = (voxels.wavelength[z] - wavelength[i]) * units[1]
                    r = 2.0 * (far[0] * px + far[1] * py) + px * px + py * py + pz * pz
                    if r < best:
                        best = r
                        chosen = i
                oz, oy = z - zf, y - yf
                if chosen >= 0 and not skip[chosen]:
                    out_data[oz, oy, x] = data[chosen]
                    out_stat[oz, oy, x] = stat[chosen]
                    sums[oz, oy, x, 1] = 1.0
                    if seen.size > 0:
                        e = exposure[chosen]
                        seen[oz, oy, x, e >> 6] |= np.uint64(1) << np.uint64(e & 63)
                else:
                    out_data[oz, oy, x] = np.nan
                    out_stat[oz, oy, x] = np.nan
