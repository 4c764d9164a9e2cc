"""Sums of rows in windows of the field around sources, plane by plane. Memory traffic takes the time."""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

SUMS: Final = 5
"""Of a cell: rows, data, variances, x and y of its rows."""


@nb.njit(nogil=True, cache=True, error_model="numpy")
def add_to_windows(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    dq: NDArray[np.int32],
    stat: NDArray[np.float32],
    cells: NDArray[np.int32],
    corner: NDArray[np.float64],
    planes: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Add the rows without flags to the cells of windows.

    Parameters
    ----------
    xpos, ypos : float32 (rows,) [pixel]
    wavelength, data, stat : float32 (rows,)
    dq : int32 (rows,)
    cells : int32 (ny, nx), number of the cell of each pixel of the field; below 0: of none
    corner : float64 (2,), middle of the pixel of `cells` with the lowest x and y
    planes : float64 (2,), lowest wavelength, and step
    sums : float64 (planes, cells, SUMS), changed
    """
    n_y, n_x = cells.shape
    n_planes = sums.shape[0]
    for i in range(xpos.size):
        x, y = np.float64(xpos[i]) - corner[0], np.float64(ypos[i]) - corner[1]
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        if not (0 <= column < n_x and 0 <= row < n_y) or dq[i] != 0:
            continue
        cell = cells[row, column]
        plane = int(np.floor((wavelength[i] - planes[0]) / planes[1]))
        if cell < 0 or not 0 <= plane < n_planes:
            continue
        sums[plane, cell, 0] += 1.0
        sums[plane, cell, 1] += data[i]
        sums[plane, cell, 2] += stat[i]
        sums[plane, cell, 3] += x
        sums[plane, cell, 4] += y
