"""Rows of a box sorted by cell: the order in which rejection and resampling read memory once."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.workspace import Workspace

Rows = dict[str, NDArray]


@nb.njit(nogil=True, cache=True)
def count_cells(cell, counts):
    """Add the number of rows in each cell (int32 (rows,)) to `counts` (int32 (cells + 1,), shifted by one)."""
    for i in range(cell.size):
        counts[cell[i] + 1] += 1


@nb.njit(nogil=True, cache=True)
def claim_places(cell, next_place):
    """Turn cells into places in the sorted order, in place.

    Parameters
    ----------
    cell : int32 (rows,), replaced by the place of the row in the sorted order
    next_place : int32 (cells,), next free place of each cell; advanced; rows of one cell keep the order of the calls
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
    # in 32 bits, as places are: more of them stay in the processor's cache
    counts = np.zeros(n_cells + 1, np.int32)
    count_cells(cell, counts)
    start = np.cumsum(counts, dtype=np.int64)
    counts[:] = start
    claim_places(cell, counts[:-1])
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
