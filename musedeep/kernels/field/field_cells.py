"""Rows of pixel tables in field coordinates (pixels) to the cells of a coarse cube of the field, in place.

Memory traffic takes the time: a row is read once and written once.
"""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray


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
    """Move the rows without flags to the front, number the cells they are nearest to, and return how many there are.

    Parameters
    ----------
    x, y, wavelength, data, stat : float32 (rows,), changed
    dq : int32 (rows,)
    start : float64 (3,)
        Centre of the first cell: x, y [pixel], wavelength [Angstrom]; cells have a width of 1, 1 and `step`.
    step : float
    shape : planes, lines, columns; rows beyond them count to the cell at the edge
    cell : int32 (rows,), filled, may be the memory of a column that is not needed any more
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
    shape, start, step : as for `keep_good_rows`
    unit : float, Angstrom that count as much as a pixel of the field
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
