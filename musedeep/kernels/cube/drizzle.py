"""The drizzle where a row reaches at most two voxels per axis: the usual one, and most of the time of a combination.

1. The side of the voxel's centre on which the row lies selects the second voxel of each axis; no other is tried.
2. The overlaps with these two by two by two voxels are computed, for several rows of a cell at a time (`_shares`).
3. Each row is added to the sums of all eight, some of the weights being zero (`add_plane`).
4. Rows go plane by plane. Three planes of sums are held, and stay in the cache: a plane is complete when the rows of
   the next one have been added (`drizzled_planes`).

The bits are those of trying every voxel (`resample`), in a third of the time.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

LANES = 8
"""Rows that go through the processor at a time."""

ROWS = 32
"""Rows of a cell whose overlaps are computed before they are added."""


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
def _shares(rows, first, n, voxels, cell, planes, fractions, steps, shares, offsets):
    """Overlaps of rows of a cell with the voxels that they reach.

    Parameters
    ----------
    rows : (ra, dec, wavelength), float32 (rows,) each
    first, n : int, the rows
    voxels : Voxels
    cell : (int, ...), its line, those before and after it, its column, those before and after it
    planes : (float, ...), wavelength and thickness of its plane, of the one before, and of the one after
    fractions : float64 (3,)
    steps : (int, int, int), from a voxel to its next line, to the plane before, and to the one after
    shares : float64 (6 ROWS,)
        Filled for all rows, one after the other: for the two columns (in their order) on the line of the cell, then on
        the other line; for the plane of the cell, and the other one.
    offsets : int64 (3 ROWS,), filled: from the cell to the first of its columns, to the other line, to the other plane
    """
    ra, dec, wavelength = rows
    y, yb, ya, x, xb, xa = cell
    v_ra, v_dec, v_cos, turn, scale = voxels.ra, voxels.dec, voxels.cosine, voxels.turn, voxels.scale
    own_ra, own_dec, own_cos = v_ra[y, x], v_dec[y, x], v_cos[y, x]
    ra_l, dec_l, cos_l = v_ra[y, xb], v_dec[y, xb], v_cos[y, xb]
    ra_r, dec_r, cos_r = v_ra[y, xa], v_dec[y, xa], v_cos[y, xa]
    ra_b, dec_b, cos_b = v_ra[yb, x], v_dec[yb, x], v_cos[yb, x]
    ra_a, dec_a, cos_a = v_ra[ya, x], v_dec[ya, x], v_cos[ya, x]
    ra_bl, dec_bl, cos_bl = v_ra[yb, xb], v_dec[yb, xb], v_cos[yb, xb]
    ra_br, dec_br, cos_br = v_ra[yb, xa], v_dec[yb, xa], v_cos[yb, xa]
    ra_al, dec_al, cos_al = v_ra[ya, xb], v_dec[ya, xb], v_cos[ya, xb]
    ra_ar, dec_ar, cos_ar = v_ra[ya, xa], v_dec[ya, xa], v_cos[ya, xa]
    wave, size, wave_b, size_b, wave_a, size_a = planes
    t00, t01, t10, t11 = turn[0, 0], turn[0, 1], turn[1, 0], turn[1, 1]
    fx, fy, fz = fractions[0], fractions[1], fractions[2]
    most_x, most_y = min(scale[0], fx), min(scale[1], fy)
    reach_x, reach_y = 0.5 * (scale[0] + fx), 0.5 * (scale[1] + fy)
    per_x, per_y, per_z = 1.0 / fx, 1.0 / fy, 1.0 / fz
    per_degree, per_angstrom = voxels.units[0], voxels.units[1]
    line, below, above = steps
    for k in range(n):
        r, d, w = np.float64(ra[first + k]), np.float64(dec[first + k]), np.float64(wavelength[first + k])
        east, north = (r - own_ra) * own_cos * per_degree, (d - own_dec) * per_degree
        right, after = t00 * east + t01 * north > 0.0, t10 * east + t11 * north > 0.0
        ax, ay = abs(own_ra - r) * own_cos * per_degree, abs(own_dec - d) * per_degree
        w00 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y)
        v, u, c = (ra_r if right else ra_l), (dec_r if right else dec_l), (cos_r if right else cos_l)
        ax, ay = abs(v - r) * c * per_degree, abs(u - d) * per_degree
        w01 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y)
        v, u, c = (ra_a if after else ra_b), (dec_a if after else dec_b), (cos_a if after else cos_b)
        ax, ay = abs(v - r) * c * per_degree, abs(u - d) * per_degree
        w10 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y)
        v = (ra_ar if right else ra_al) if after else (ra_br if right else ra_bl)
        u = (dec_ar if right else dec_al) if after else (dec_br if right else dec_bl)
        c = (cos_ar if right else cos_al) if after else (cos_br if right else cos_bl)
        ax, ay = abs(v - r) * c * per_degree, abs(u - d) * per_degree
        w11 = overlap(ax, reach_x, most_x, per_x) * overlap(ay, reach_y, most_y, per_y)
        shares[k] = w00 if right else w01
        shares[ROWS + k] = w01 if right else w00
        shares[2 * ROWS + k] = w10 if right else w11
        shares[3 * ROWS + k] = w11 if right else w10
        shares[4 * ROWS + k] = overlap(abs(wave - w) * per_angstrom, 0.5 * (size + fz), min(size, fz), per_z)
        up = w > wave
        v, u = (wave_a if up else wave_b), (size_a if up else size_b)
        shares[5 * ROWS + k] = overlap(abs(v - w) * per_angstrom, 0.5 * (u + fz), min(u, fz), per_z)
        offsets[k] = 0 if right else -1
        offsets[ROWS + k] = line if after else -line
        offsets[2 * ROWS + k] = above if up else below


@nb.njit(inline="always")
def _add(sums, k, w, value, variance):
    sums[k] += w * value
    sums[k + 1] += w
    sums[k + 2] += w * w * variance


@nb.njit(inline="always")
def _mark(seen, k, w, bit):
    seen[k] |= bit if w != 0.0 else np.uint64(0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def add_plane(rows, voxels, weights, fractions, z, sums, seen):
    """Add the rows of a plane to the sums of this plane and its neighbours.

    Parameters
    ----------
    rows : CellRows
    voxels : Voxels, the planes are in the order of their wavelengths
    weights : Weights
    fractions : float64 (3,), pixfrac along x, y, z
    z : int, the plane
    sums : float64 (3, lines + 4, nx + 2, 3)
        Added to: sum of w d, w, w^2 v. Plane z is at place z % 3; there are two more lines than those of the core on
        either side, and a column: what falls there does not count.
    seen : uint64 (3, lines + 4, nx + 2, words) or (3, 0, 0, 0), one bit per exposure that contributed; added to

    Notes
    -----
    Bound by arithmetic and scattered additions: 12 ns a row on one core where a cell has a hundred, 18 where it has
    five.
    """
    data, stat, exposure, skip, start = rows.data, rows.stat, rows.exposure, rows.skip, rows.start
    exposure_weight, row_weight = weights
    nz, ny, nx = voxels.shape
    yf, yl = voxels.lines
    weigh_rows, mark = row_weight.size > 0, seen.size > 0
    words = seen.shape[3]
    zb, za = max(z - 1, 0), min(z + 1, nz - 1)
    wave, size = voxels.wavelength, voxels.size
    planes = (wave[z], size[z], wave[zb], size[zb], wave[za], size[za])
    line = np.int64(sums.shape[2])
    voxels_of_plane = sums.shape[1] * line
    place = z % 3
    steps = (line, ((z + 2) % 3 - place) * voxels_of_plane, ((z + 1) % 3 - place) * voxels_of_plane)
    shares, offsets = np.zeros(6 * ROWS, np.float64), np.zeros(3 * ROWS, np.int64)
    flat_sums, flat_seen = sums.reshape(-1), seen.reshape(-1)
    positions = (rows.ra, rows.dec, rows.wavelength)
    for y in range(max(0, yf - 1), min(ny, yl + 1)):
        cells = (z * ny + y) * nx
        for x in range(nx):
            first, last = start[cells + x], start[cells + x + 1]
            if first == last:
                continue
            cell = (y, max(y - 1, 0), min(y + 1, ny - 1), x, max(x - 1, 0), min(x + 1, nx - 1))
            own = place * voxels_of_plane + (y - yf + 2) * line + x + 1
            for i in range(first, last, ROWS):
                m = min(last - i, ROWS)
                # a few more, of the next cell, so that all go through the processor LANES at a time
                n = (m + LANES - 1) // LANES * LANES
                n = n if i + n <= data.size else m
                _shares(positions, i, n, voxels, cell, planes, fractions, steps, shares, offsets)
                for k in range(m):
                    j = i + k
                    if skip[j]:
                        continue
                    value, variance = np.float64(data[j]), np.float64(stat[j])
                    e = exposure[j]
                    weight = exposure_weight[e]
                    if weigh_rows:
                        weight *= row_weight[j]
                    w0, w1 = shares[4 * ROWS + k] * weight, shares[5 * ROWS + k] * weight
                    a, b, c, d = shares[k], shares[ROWS + k], shares[2 * ROWS + k], shares[3 * ROWS + k]
                    k0 = own + offsets[k]
                    k1 = k0 + offsets[ROWS + k]
                    k2, k3 = k0 + offsets[2 * ROWS + k], k1 + offsets[2 * ROWS + k]
                    _add(flat_sums, 3 * k0, a * w0, value, variance)
                    _add(flat_sums, 3 * k0 + 3, b * w0, value, variance)
                    _add(flat_sums, 3 * k1, c * w0, value, variance)
                    _add(flat_sums, 3 * k1 + 3, d * w0, value, variance)
                    _add(flat_sums, 3 * k2, a * w1, value, variance)
                    _add(flat_sums, 3 * k2 + 3, b * w1, value, variance)
                    _add(flat_sums, 3 * k3, c * w1, value, variance)
                    _add(flat_sums, 3 * k3 + 3, d * w1, value, variance)
                    if mark:
                        word, bit = np.int64(e >> 6), np.uint64(1) << np.uint64(e & 63)
                        _mark(flat_seen, words * k0 + word, a * w0, bit)
                        _mark(flat_seen, words * (k0 + 1) + word, b * w0, bit)
                        _mark(flat_seen, words * k1 + word, c * w0, bit)
                        _mark(flat_seen, words * (k1 + 1) + word, d * w0, bit)
                        _mark(flat_seen, words * k2 + word, a * w1, bit)
                        _mark(flat_seen, words * (k2 + 1) + word, b * w1, bit)
                        _mark(flat_seen, words * k3 + word, c * w1, bit)
                        _mark(flat_seen, words * (k3 + 1) + word, d * w1, bit)


def drizzled_planes(
    rows: CellRows, voxels: Voxels, weights: Weights, fractions: NDArray[np.float64], words: int
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.uint64]]]:
    """Add all rows of a box to the sums of the voxels of its core, plane by plane.

    Parameters
    ----------
    words : int, of the bits that mark exposures; 0 for none

    Yields
    ------
    int, float64 (1, lines, nx, 3), uint64 (1, lines, nx, words)
        Number of a plane of the core, from 0, its sums of w d, w, w^2 v, and the exposures that contributed; the shape
        of these is (0, 0, 0, 0) without words.
    """
    nz, _, nx = voxels.shape
    (zf, zl), (yf, yl) = voxels.planes, voxels.lines
    sums = np.zeros((3, yl - yf + 4, nx + 2, 3))
    seen = np.zeros((3, yl - yf + 4, nx + 2, words) if words else (3, 0, 0, 0), np.uint64)

    def taken(z: int) -> tuple[int, NDArray[np.float64], NDArray[np.uint64]]:
        place = slice(z % 3, z % 3 + 1)
        marks = np.ascontiguousarray(seen[place, 2:-2, 1:-1]) if words else np.zeros((0, 0, 0, 0), np.uint64)
        return z - zf, np.ascontiguousarray(sums[place, 2:-2, 1:-1]), marks

    first, last = max(0, zf - 1), min(nz, zl + 1)
    for z in range(first, last):
        add_plane(rows, voxels, weights, fractions, z, sums, seen)
        # no other row reaches the plane before
        if z - 1 >= zf:
            yield taken(z - 1)
        sums[(z - 1) % 3], seen[(z - 1) % 3] = 0.0, 0
    if last == zl:
        yield taken(zl - 1)
