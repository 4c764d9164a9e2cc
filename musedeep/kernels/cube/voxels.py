"""Rows sorted by voxel: the shape in which rejection and resampling read memory once, in order.

A *box* is the part of the cube one task works on, with its margins: planes [z0, z1), lines [y0, y1) and
all columns. A cell is a voxel of the box that rows are nearest to; cells are numbered with x fastest.
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
from musedeep.workspace import Workspace

Rows = dict[str, NDArray]

COSMIC = int(DQ.COSMIC)

PIXEL = 2.0**-20
"""Degrees that stand for a pixel of the field, in cubes whose axes are such pixels. A power of two, so that positions
keep their bits, and so small that the sphere is flat (to 1e-10 pixel)."""

FIELD = 2.5e-4
"""Distance from the pointing up to which the rough line of a row is used [rad]: 52 arcsec, the field has 43."""


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
    n = xpos.size
    rough_tangent(xpos, ypos, xi, eta)
    c, by_xi, by_eta = rough
    z_first, z_last = planes
    y_first, y_last = lines
    for i in range(n):
        line = c + by_xi * np.float64(xi[i]) + by_eta * np.float64(eta[i])
        on_line = ((line >= y_first) & (line <= y_last)) | (abs(np.float64(ypos[i])) > FIELD)
        near[i] = on_line & (z[i] >= z_first) & (z[i] <= z_last)
    m = 0
    for i in range(n):
        chosen[m] = i
        m += near[i]
    return m


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
    xpos, ypos, wavelength, data, stat, dq = rows
    declination, shift_ra, shift_dec, scale = pointing
    offset_ra, offset_dec, reference_dec, matrix, crpix, spectral, shape = grid
    low, high, beyond, keep_bad = choice
    out_ra, out_dec, out_wavelength, out_data, out_stat, out_bad, out_cell, out_row = out
    z0, z1, y0, y1, x0, x1 = box[0], box[1], box[2], box[3], box[4], box[5]
    height, width = y1 - y0, x1 - x0
    nz, ny, nx = shape[0], shape[1], shape[2]
    z_first = -beyond if z0 == 0 else z0
    z_last = z1 + beyond if z1 == nz else z1
    y_first = -beyond if y0 == 0 else y0
    y_last = y1 + beyond if y1 == ny else y1
    x_first = -beyond if x0 == 0 else x0
    x_last = x1 + beyond if x1 == nx else x1
    c, by_xi, by_eta, error = _rough_lines(
        declination, shift_ra, shift_dec, offset_ra, offset_dec, reference_dec, matrix, crpix
    )
    rough, planes = (c, by_xi, by_eta), (z_first - 0.5, z_last + 0.5)
    lines = (y_first - 0.5 - error, y_last - 0.5 + error) if scale == 0.0 else (-np.inf, np.inf)
    xi, eta = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    near, chosen = np.empty(BLOCK, np.uint8), np.empty(BLOCK + 1, np.int32)
    ra, dec = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    x, y, z = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64)
    kept = 0
    not_finite = 0
    variance_scale = flux_scale * flux_scale
    for first in range(0, xpos.size, BLOCK):
        n = min(BLOCK, xpos.size - first)
        last = first + n
        plane_positions(wavelength[first:last], spectral, z[:n])
        m = _rough_choice(
            xpos[first:last], ypos[first:last], z[:n], planes, lines, rough, xi[:n], eta[:n], near[:n], chosen
        )
        if m == 0:
            continue
        for k in range(m):
            xi[k], eta[k], z[k] = xpos[first + chosen[k]], ypos[first + chosen[k]], z[chosen[k]]
        if scale == 0.0:
            relative_positions(xi[:m], eta[:m], declination, shift_ra, shift_dec, ra[:m], dec[:m])
        else:
            for k in range(m):
                ra[k], dec[k] = xi[k] * scale + shift_ra, eta[k] * scale + shift_dec
        voxel_positions(ra[:m], dec[:m], offset_ra, offset_dec, reference_dec, matrix, crpix, x[:m], y[:m])
        for i in range(m):
            j = first + chosen[i]
            bad = dq[j] != 0
            cosmic = dq[j] == COSMIC
            if bad and not (keep_bad or cosmic):
                continue
            w = np.float64(wavelength[j])
            iz = math.floor(z[i] + 0.5)
            iy = math.floor(y[i] + 0.5)
            ix = math.floor(x[i] + 0.5)
            if not (z_first <= iz < z_last and y_first <= iy < y_last and x_first <= ix < x_last):
                continue
            if not low <= w <= high:
                continue
            iz = min(max(iz, z0), z1 - 1)
            iy = min(max(iy, y0), y1 - 1)
            ix = min(max(ix, x0), x1 - 1)
            value = data[j]
            variance = stat[j]
            if not bad and not (math.isfinite(value) and math.isfinite(variance)):
                not_finite += 1
                continue
            out_ra[kept] = ra[i]
            out_dec[kept] = dec[i]
            out_wavelength[kept] = to_vacuum(w) if spectral[0] >= 2 else wavelength[j]
            out_data[kept] = np.float32(value * flux_scale)
            out_stat[kept] = np.float32(variance * variance_scale)
            out_bad[kept] = 2 if cosmic else bad
            out_cell[kept] = (np.int64(iz - z0) * height + np.int64(iy - y0)) * width + np.int64(ix - x0)
            out_row[kept] = j
            kept += 1
    return kept, not_finite


@nb.njit(nogil=True, cache=True)
def count_cells(cell, counts):
    """Add the number of rows in each cell (int32 (rows,)) to `counts` (int64 (cells + 1,), shifted by one)."""
    for i in range(cell.size):
        counts[cell[i] + 1] += 1


@nb.njit(nogil=True, cache=True)
def claim_places(cell, next_place):
    """Turn cells into places in the sorted order, in place.

    Parameters
    ----------
    cell : int32 (rows,), replaced by the place of the row in the sorted order
    next_place : int64 (cells,), next free place of each cell; advanced; rows of one cell keep the order of the calls
    """
    for i in range(cell.size):
        c = cell[i]
        cell[i] = next_place[c]
        next_place[c] += 1


@nb.njit(nogil=True, cache=True)
def scatter(source, place, out):
    """out[place] = source: bound by memory (one random write a row)."""
    for i in range(source.size):
        out[place[i]] = source[i]


@nb.njit(nogil=True, cache=True)
def scatter_constant(value, place, out):
    """out[place] = value."""
    for i in range(place.size):
        out[place[i]] = value


def sort_by_cell(
    rows: Rows, exposures: list[tuple[int, int]], n_cells: int, workspace: Workspace
) -> tuple[Rows, NDArray[np.int64]]:
    """Bring rows into the order of their cells; empties `rows` and uses its columns for others.

    Parameters
    ----------
    rows : dict, columns of equal length, `cell` (int32) among them
    exposures : list of (int, int), number of each exposure, and the row after its last, in the order of the rows
    n_cells : int, number of cells of the box

    Returns
    -------
    rows : dict, the columns without `cell` and with `exposure` (uint16), sorted by cell, then as they were
    start : int64 (n_cells + 1,), rows of cell c are start[c]:start[c + 1]

    Notes
    -----
    A stable counting sort, one column at a time: a column is sorted into the place of the one before.
    """
    cell = rows.pop("cell")
    n = cell.size
    start = np.zeros(n_cells + 1, np.int64)
    count_cells(cell, start)
    np.cumsum(start, out=start)
    claim_places(cell, start[:-1].copy())
    ordered: Rows = {}
    spare = workspace.array("spare", n, np.float32)
    for name in list(rows):
        column = rows.pop(name)
        same = column.dtype == np.float32
        ordered[name] = spare if same else workspace.array(f"{name} in order", n, column.dtype)
        scatter(column, cell, ordered[name])
        if same:
            spare = column
    ordered["exposure"] = workspace.array("exposure", n, np.uint16)
    first = 0
    for number, last in exposures:
        scatter_constant(number, cell[first:last], ordered["exposure"])
        first = last
    return ordered, start
