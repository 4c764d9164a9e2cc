"""Rows placed in a box: which of them lie in it, in which cell, and where on the sky.

A *box* is the part of the cube one task works on, with its margins: planes [z0, z1), lines [y0, y1) and
all columns. A cell is a voxel of the box that rows are nearest to; cells are numbered with x fastest.

Rows go in blocks, which stay in the first-level cache, through loops that each work on many rows at a time:

1. The plane of each row, and its line by a linear function of its rough position, tell the rows far from the box.
2. The others are projected (`projection`): position relative to the reference, then voxel coordinates.
3. Cells are computed, and rows marked that lie in the box, in the range of wavelengths, and are not flagged.
4. The columns of marked rows are written one after the other.
"""

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import DQ
from musedeep.kernels.rows.projection import (
    BLOCK,
    plane_positions,
    relative_positions,
    rough_tangent,
    to_vacuum,
    voxel_positions,
)

COSMIC = int(DQ.COSMIC)

PIXEL = 2.0**-20
"""Degrees that stand for a pixel of the field, in cubes whose axes are such pixels. A power of two, so that positions
keep their bits, and so small that the sphere is flat (to 1e-10 pixel)."""

FIELD = 2.5e-4
"""Distance from the pointing up to which the rough line of a row is used [rad]: 52 arcsec, the field has 43."""


class TableRows(NamedTuple):
    """Rows as a pixel table has them: float32 (rows,), `dq` int32 (rows,)."""

    xpos: NDArray[np.float32]
    ypos: NDArray[np.float32]
    wavelength: NDArray[np.float32]
    data: NDArray[np.float32]
    stat: NDArray[np.float32]
    dq: NDArray[np.int32]


class Pointing(NamedTuple):
    """Position of an exposure: arguments of `relative_positions` [rad, deg, deg].

    `scale` is 0 where xpos and ypos are native spherical coordinates. Else it makes degrees of them: it is PIXEL for
    pixels of the field, and 1 for positions that are relative to a reference already, `shift` from that of the cube.
    """

    declination: float
    shift_ra: float
    shift_dec: float
    scale: float = 0.0


class CubeGrid(NamedTuple):
    """Axes of a cube: arguments of `voxel_positions` and `plane_positions`, and int64 (3,) planes, lines, columns."""

    offset_ra: float
    offset_dec: float
    reference_dec: float
    matrix: NDArray[np.float64]
    crpix: NDArray[np.float64]
    spectral: NDArray[np.float64]
    shape: NDArray[np.int64]


class Choice(NamedTuple):
    """Rows that are kept.

    Attributes
    ----------
    low, high : float, rows outside low <= wavelength <= high are left out [Angstrom]
    beyond : int, rows up to so many voxels beyond an edge of the cube count to the voxel at the edge
    keep_bad : bool
        Keep rows with dq != 0 (marked by 1 in `PlacedRows.bad`); otherwise they are left out. Rows with dq = 32, cosmic
        rays found before, are always kept (marked by 2): they count in the samples of the rejection, as in the
        reference.
    """

    low: float
    high: float
    beyond: int
    keep_bad: bool


class PlacedRows(NamedTuple):
    """Rows of a box: float32 (rows,), `bad` uint8, `cell` and `row` (index into the table) int32."""

    ra: NDArray[np.float32]
    dec: NDArray[np.float32]
    wavelength: NDArray[np.float32]
    data: NDArray[np.float32]
    stat: NDArray[np.float32]
    bad: NDArray[np.uint8]
    cell: NDArray[np.int32]
    row: NDArray[np.int32]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _rough_lines(declination, shift_ra, shift_dec, offset_ra, offset_dec, reference_dec, matrix, crpix):
    """Line of the cube as a linear function of tangent-plane coordinates: c, d / dxi, d / deta [1/rad], and its error.

    The error is twice the largest at eight points around the field, where it is largest.
    """
    points = 9
    phi = np.empty(points, np.float32)
    theta = np.full(points, -FIELD, np.float32)
    for k in range(points):
        phi[k] = k * (math.pi / 4)
    theta[8] = 0.0
    ra, dec, x, y = np.empty(points, np.float32), np.empty(points, np.float32), np.empty(points), np.empty(points)
    relative_positions(phi, theta, declination, shift_ra, shift_dec, ra, dec)
    voxel_positions(ra, dec, offset_ra, offset_dec, reference_dec, matrix, crpix, x, y)
    by_xi, by_eta = (y[2] - y[6]) / (2.0 * FIELD), (y[4] - y[0]) / (2.0 * FIELD)
    error = 0.0
    for k in range(8):
        line = y[8] + by_xi * FIELD * math.sin(phi[k]) - by_eta * FIELD * math.cos(phi[k])
        error = max(error, abs(line - y[k]))
    return y[8], by_xi, by_eta, 2.0 * error + 0.02


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _rough_choice(xpos, ypos, z, planes, lines, rough, xi, eta, near, chosen):
    """Fill `chosen` with the rows whose plane and rough line lie within these limits; returns their number."""
    rough_tangent(xpos, ypos, xi, eta)
    c, by_xi, by_eta = rough
    z_first, z_last = planes
    y_first, y_last = lines
    for i in range(xpos.size):
        line = c + by_xi * np.float64(xi[i]) + by_eta * np.float64(eta[i])
        on_line = ((line >= y_first) & (line <= y_last)) | (abs(np.float64(ypos[i])) > FIELD)
        near[i] = on_line & (z[i] >= z_first) & (z[i] <= z_last)
    return _places(near, chosen)


@nb.njit(nogil=True, cache=True)
def _places(marked, places):
    """Fill `places` (int32, one longer) with the places of those marked by 1, the others by 0; returns their number."""
    total = np.int64(0)
    for i in range(marked.size):
        total += marked[i]
    if total == marked.size:
        for i in range(total):
            places[i] = i
    elif total > 0:
        m = np.int64(0)
        for i in range(marked.size):
            places[m] = i
            m += marked[i]
    return total


@nb.njit(nogil=True, cache=True)
def _taken(column, places, out):
    """out = column[places], as many as there is room for; all where there is room for all. Returns out."""
    if out.size == column.size:
        for k in range(out.size):
            out[k] = column[k]
    else:
        for k in range(out.size):
            out[k] = column[places[k]]
    return out


@nb.njit(nogil=True, cache=True)
def _scaled(column, factor):
    """Multiply a float32 column by a factor in double precision, in place."""
    for k in range(column.size):
        column[k] = np.float32(column[k] * factor)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _cells(x, y, z, first, last, box, cell, inside):
    """Cells in a box, and whether rows are between these limits.

    Parameters
    ----------
    x, y, z : float64 (rows,), voxel coordinates
    first, last : int64 (3,), of planes, lines, columns [first, last) that count; those beyond the box count to its edge
    box : int64 (6,), z0, z1, y0, y1, x0, x1
    cell : int32 (rows,), filled
    inside : uint8 (rows,), filled
    """
    z0, y0, x0 = np.float64(box[0]), np.float64(box[2]), np.float64(box[4])
    depth, height, width = box[1] - z0, box[3] - y0, box[5] - x0
    fz, fy, fx = np.float64(first[0]), np.float64(first[1]), np.float64(first[2])
    lz, ly, lx = np.float64(last[0]), np.float64(last[1]), np.float64(last[2])
    for i in range(x.size):
        iz, iy, ix = np.floor(z[i] + 0.5), np.floor(y[i] + 0.5), np.floor(x[i] + 0.5)
        inside[i] = (iz >= fz) & (iz < lz) & (iy >= fy) & (iy < ly) & (ix >= fx) & (ix < lx)
        iz = min(max(iz - z0, 0.0), depth - 1.0)
        iy = min(max(iy - y0, 0.0), height - 1.0)
        ix = min(max(ix - x0, 0.0), width - 1.0)
        cell[i] = np.int32((iz * height + iy) * width + ix)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _leave_out(wavelength, data, stat, dq, choice, keep):
    """Unmark those of the rows marked in `keep` that are left out; returns the number of good rows not finite."""
    low, high, _, keep_bad = choice
    zero, not_finite = np.float32(0), np.int64(0)
    for i in range(keep.size):
        w = np.float64(wavelength[i])
        wanted = (keep[i] != 0) & (w >= low) & (w <= high)
        good = dq[i] == 0
        finite = (data[i] - data[i] == zero) & (stat[i] - stat[i] == zero)
        not_finite += wanted & good & (not finite)
        keep[i] = wanted & ((good & finite) | ((not good) & (keep_bad | (dq[i] == COSMIC))))
    return not_finite


@nb.njit(nogil=True, cache=True, error_model="numpy")
def place_rows(rows, pointing, grid, box, choice, flux_scale, out):
    """Keep the rows that fall into a box, with their cell and their position relative to the reference.

    Returns the number of rows kept, and of good rows in the box whose data or stat is not finite.

    Parameters
    ----------
    rows : TableRows
    pointing : Pointing
    grid : CubeGrid
    box : int64 (6,), z0, z1, y0, y1, x0, x1
    choice : Choice
    flux_scale : float, factor on data; its square on stat
    out : PlacedRows, filled from the start with the rows kept, in their order

    Notes
    -----
    Rows far from the lines of the box are told by a linear function of their rough position, and cost 2 ns each on one
    core; the others are bound by the arithmetic of the projection (see there), and by writing them: about 15 ns.
    """
    declination, shift_ra, shift_dec, scale = pointing
    offset_ra, offset_dec, reference_dec, matrix, crpix, spectral, shape = grid
    beyond = choice[2]
    edges_first, edges_last = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(3):
        edges_first[k] = -beyond if box[2 * k] == 0 else box[2 * k]
        edges_last[k] = box[2 * k + 1] + (beyond if box[2 * k + 1] == shape[k] else 0)
    c, by_xi, by_eta, error = _rough_lines(
        declination, shift_ra, shift_dec, offset_ra, offset_dec, reference_dec, matrix, crpix
    )
    rough, planes = (c, by_xi, by_eta), (edges_first[0] - 0.5, edges_last[0] + 0.5)
    lines = (edges_first[1] - 0.5 - error, edges_last[1] - 0.5 + error) if scale == 0.0 else (-np.inf, np.inf)
    near, chosen, places = np.empty(BLOCK, np.uint8), np.empty(BLOCK + 1, np.int32), np.empty(BLOCK + 1, np.int32)
    scratch, dq_scratch, cell = np.empty((9, BLOCK), np.float32), np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    xi, eta, ra, dec = scratch[5], scratch[6], scratch[7], scratch[8]
    coordinates = np.empty((4, BLOCK), np.float64)
    x, y, all_z, z_scratch = coordinates[0], coordinates[1], coordinates[2], coordinates[3]
    kept, not_finite = np.int64(0), np.int64(0)
    for first in range(0, rows.xpos.size, BLOCK):
        last = min(first + BLOCK, rows.xpos.size)
        n = last - first
        xpos, ypos, wavelength = rows.xpos[first:last], rows.ypos[first:last], rows.wavelength[first:last]
        data, stat, dq, z = rows.data[first:last], rows.stat[first:last], rows.dq[first:last], all_z[:n]
        plane_positions(wavelength, spectral, z)
        m = _rough_choice(xpos, ypos, z, planes, lines, rough, xi[:n], eta[:n], near[:n], chosen)
        if m == 0:
            continue
        if m < n:
            xpos, ypos, wavelength = (
                _taken(xpos, chosen, scratch[0, :m]), _taken(ypos, chosen, scratch[1, :m]),
                _taken(wavelength, chosen, scratch[2, :m]),
            )  # fmt: skip
            data, stat = _taken(data, chosen, scratch[3, :m]), _taken(stat, chosen, scratch[4, :m])
            dq, z = _taken(dq, chosen, dq_scratch[:m]), _taken(z, chosen, z_scratch[:m])
        if scale == 0.0:
            relative_positions(xpos, ypos, declination, shift_ra, shift_dec, ra[:m], dec[:m])
        else:
            for k in range(m):
                ra[k], dec[k] = xpos[k] * scale + shift_ra, ypos[k] * scale + shift_dec
        voxel_positions(ra[:m], dec[:m], offset_ra, offset_dec, reference_dec, matrix, crpix, x[:m], y[:m])
        _cells(x[:m], y[:m], z, edges_first, edges_last, box, cell[:m], near[:m])
        not_finite += _leave_out(wavelength, data, stat, dq, choice, near[:m])
        more = _places(near[:m], places)
        room = slice(kept, kept + more)
        _taken(ra[:m], places, out.ra[room])
        _taken(dec[:m], places, out.dec[room])
        _taken(wavelength, places, out.wavelength[room])
        if spectral[0] >= 2:
            for k in range(kept, kept + more):
                out.wavelength[k] = to_vacuum(np.float64(out.wavelength[k]))
        _scaled(_taken(data, places, out.data[room]), flux_scale)
        _scaled(_taken(stat, places, out.stat[room]), flux_scale * flux_scale)
        _taken(cell[:m], places, out.cell[room])
        for k in range(more):
            flag = dq[places[k]]
            out.bad[kept + k] = np.uint8(flag != 0) + np.uint8(flag == COSMIC)
            out.row[kept + k] = first + chosen[places[k]]
        kept += more
    return kept, not_finite
