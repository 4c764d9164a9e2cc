"""Rows that several windows of a box share: told apart by their line, brought into order, carried from one to the next.

Cells are numbered with x fastest, then lines, then planes.
"""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def row_numbers(local, ranges, out):  # type: ignore[no-untyped-def]
    """Row numbers in a table of indices into the concatenation of ranges.

    Parameters
    ----------
    local : int32 (rows,), ascending
    ranges : int64 (n, 2)
    out : integer (rows,), filled
    """
    k, end = -1, 0
    shift = np.int64(0)
    for i in range(local.size):
        while local[i] >= end:
            k += 1
            shift = ranges[k, 0] - end
            end += ranges[k, 1] - ranges[k, 0]
        out[i] = local[i] + shift


@nb.njit(nogil=True, cache=True)
def split_by_line(cell, height, width, first, last, lines, stays, goes):  # type: ignore[no-untyped-def]
    """Tell the rows of a window from those of later ones, and number the cells of the former as those of the window.

    Parameters
    ----------
    cell : int32 (rows,), of a box of `height` lines of `width` cells; changed for rows of lines below `last`
    first, last : int, lines of the box at which the window begins, and the first beyond it
    lines : int, of the window
    stays, goes : int32 (rows,), filled with the numbers of rows of the window, and of later ones, in order

    Returns
    -------
    int, int, how many stay and go; a row of a line before the window is in neither
    """
    stay, go = 0, 0
    # of 32 bits, which are divided faster
    height, width, first, last = np.uint32(height), np.uint32(width), np.uint32(first), np.uint32(last)
    for i in range(cell.size):
        line = np.uint32(cell[i]) // width
        plane = line // height
        y = line - plane * height
        stays[stay], goes[go] = i, i
        if y >= last:
            go += 1
        elif y >= first:
            x = np.uint32(cell[i]) - line * width
            cell[i] = (np.int64(plane) * lines + np.int64(y - first)) * np.int64(width) + np.int64(x)
            stay += 1
    return stay, go


@nb.njit(nogil=True, cache=True)
def pick(source, which, out):  # type: ignore[no-untyped-def]
    """out = source[which]; in place, if `which` ascends."""
    for i in range(which.size):
        out[i] = source[which[i]]


@nb.njit(nogil=True, cache=True)
def merged_order(numbers, middle, order):  # type: ignore[no-untyped-def]
    """The order that sorts numbers of which the first `middle` ascend, and the others too: fills `order` (int32)."""
    a, b = 0, middle
    for k in range(numbers.size):
        if b >= numbers.size or (a < middle and numbers[a] <= numbers[b]):
            order[k] = a
            a += 1
        else:
            order[k] = b
            b += 1


@nb.njit(nogil=True, cache=True)
def claim_in_order(cell, order, next_place):  # type: ignore[no-untyped-def]
    """`sorting.claim_places`, of rows in another order than they stand."""
    for i in order:
        c = cell[i]
        cell[i] = next_place[c]
        next_place[c] += 1


@nb.njit(nogil=True, cache=True)
def copy_runs(source, begins, ends, places, out):  # type: ignore[no-untyped-def]
    """out[places[k]:] = source[begins[k]:ends[k]] for each run."""
    for k in range(begins.size):
        shift = places[k] - begins[k]
        for i in range(begins[k], ends[k]):
            out[i + shift] = source[i]
