"""Rows of pixel tables in field coordinates (pixels) to the cells of a coarse cube of the field, in place.

What bounds them is memory traffic: a row is read once and written once.
"""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.slice_pixels import _row_range, _row_terms, _span, _wavelength


@nb.njit(nogil=True, cache=True)
def slice_field_limits(
    edges: NDArray[np.float64],
    wavelength: NDArray[np.float64],
    geometry: NDArray[np.float64],
    low: Any,
    high: Any,
    n_columns: Any,
) -> NDArray[np.float64]:
    """Limits of the pixels of a slice, in the field and in wavelength.

    Parameters
    ----------
    edges, wavelength, geometry, low, high
        As for `slice_pixels.slice_pixels`.
    n_columns : int
        Of the trimmed image.

    Returns
    -------
    float64 (2, 3)
        Lowest and highest x, y [pixel], wavelength [Angstrom]; infinite without pixels.
    """
    out = np.empty((2, 3))
    out[0], out[1] = np.inf, -np.inf
    terms = np.empty(wavelength.shape[0])
    nothing = np.float32(0.0)
    along_x, along_y = geometry[3] * np.cos(geometry[2]), geometry[3] * np.sin(geometry[2])
    for row in range(edges.shape[1]):
        _row_terms(wavelength, row + 1.0, terms)
        left, right = edges[0, row], edges[1, row]
        first, last = _span(left, right, n_columns)
        if last < first:
            continue
        shortest, longest = _row_range(terms, first, last, nothing)
        if longest < low or shortest > high:
            continue
        # where all pixels count, the ends are the limits, but for wavelengths near those known so far
        inside = low <= shortest and longest <= high and shortest >= out[0, 2] and longest <= out[1, 2]
        step = max(last - first, 1) if inside else 1
        middle, width = 0.5 * (left + right), right - left
        for x in range(first, last + 1, step):
            value = _wavelength(terms, float(x), nothing)
            if not low <= value <= high:
                continue
            r = (x - middle) / width
            px, py = np.float32(geometry[0] - r * along_x), np.float32(geometry[1] - r * along_y)
            out[0, 0], out[1, 0] = min(out[0, 0], px), max(out[1, 0], px)
            out[0, 1], out[1, 1] = min(out[0, 1], py), max(out[1, 1], py)
            out[0, 2], out[1, 2] = min(out[0, 2], value), max(out[1, 2], value)
    return out


@nb.njit(nogil=True, cache=True)
def keep_good_rows(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    dq: NDArray[np.int32],
    start: NDArray[np.float64],
    step: Any,
    shape: tuple[int, int, int],
    cell: NDArray[np.int32],
) -> Any:
    """Move the rows without flags to the front, and number the cells they are nearest to.

    Parameters
    ----------
    x, y, wavelength, data, stat : float32 (rows,), changed
    dq : int32 (rows,)
    start : float64 (3,)
        Centre of the first cell: x, y [pixel], wavelength [Angstrom]; cells have a width of 1, 1 and `step`.
    step : float
    shape : planes, lines, columns; rows beyond them count to the cell at the edge
    cell : int32 (rows,), filled
        May be the memory of a column that is not needed any more.

    Returns
    -------
    int : rows kept
    """
    nz, ny, nx = shape
    kept = 0
    for i in range(x.size):
        value, variance = data[i], stat[i]
        if dq[i] != 0 or not (np.isfinite(value) and np.isfinite(variance)):
            continue
        ix = min(max(int(np.floor(x[i] - start[0] + 0.5)), 0), nx - 1)
        iy = min(max(int(np.floor(y[i] - start[1] + 0.5)), 0), ny - 1)
        iz = min(max(int(np.floor((wavelength[i] - start[2]) / step + 0.5)), 0), nz - 1)
        x[kept], y[kept], wavelength[kept], data[kept], stat[kept] = x[i], y[i], wavelength[i], value, variance
        cell[kept] = (iz * ny + iy) * nx + ix
        kept += 1
    return kept


@nb.njit(nogil=True, cache=True)
def nearest_rows(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    skip: NDArray[np.uint8],
    first_row: NDArray[np.int64],
    cells: Any,
    shape: tuple[int, int, int],
    start: NDArray[np.float64],
    step: Any,
    unit: Any,
    scale: Any,
    best: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Give cells the row nearest to their centre, if it is nearer than the one they have.

    Parameters
    ----------
    x, y, wavelength, data, stat : float32 (rows,), sorted by cell
    skip : uint8 (rows,), rows that take no part
    first_row : int64 (cells + 1,)
    cells : (first, last) cell to work on
    shape, start, step
        As for `keep_good_rows`.
    unit : float
        Angstrom that count as much as a pixel of the field.
    scale : float, on data
    best : float64 (planes, lines, columns), squared distances so far, changed
    sums : float64 (planes, lines, columns, 3), as for `resample.accumulate`, set
    """
    _, ny, nx = shape
    for cell in range(cells[0], cells[1]):
        z, rest = cell // (ny * nx), cell % (ny * nx)
        line, column = rest // nx, rest % nx
        for i in range(first_row[cell], first_row[cell + 1]):
            if skip[i]:
                continue
            dx, dy = x[i] - start[0] - column, y[i] - start[1] - line
            dz = (wavelength[i] - start[2] - z * step) / unit
            distance = dx * dx + dy * dy + dz * dz
            if distance < best[z, line, column]:
                best[z, line, column] = distance
                sums[z, line, column, 0] = data[i] * scale
                sums[z, line, column, 1] = 1.0
                sums[z, line, column, 2] = stat[i] * scale * scale
