"""Voxels that hold nothing to reject, proved by counting.

A row is rejected where it exceeds median + crsigma x (median absolute deviation) of the sample of its voxel, and every
cell is in the samples of up to 27 voxels.

1. The rows of each cell are counted into bins, once (`count_plane`). Neighbouring planes share their edges as long as
   noise and level are similar.
2. The histogram of a sample is a sum of those of cells: over planes, then lines, then columns (`sum_planes`,
   `sum_lines`, `sum_columns`).
3. It tells between which edges of bins (low, high) the median lies (`find_middles`).
4. A value v is above the threshold only if the spread is below d = (v - low) / crsigma, that is, if at least half of
   the sample lies within (low - d, high + d). The histogram gives an upper bound of that number (`nothing_above`).
5. Where the bound is below one half for the largest value, nothing is rejected.
6. Where level or spread are not those of the plane (in stars), the same is proved from the values of the sample: they
   are counted between limits that close in on the median (`nothing_above_values`). Only what is left needs medians.

The histograms of a line are stored bin by bin, so that sums and searches run along the line, many voxels at a time. A
voxel takes about 30 ns, a row 2 ns.
"""

import numba as nb
import numpy as np

from musedeep.kernels.cube.middle import median

BINS = 32
"""Of a histogram: the first and the last hold all that lies beyond."""

BIN = 0.11
"""Width of a bin, in median absolute deviations."""

FEW = 4096
"""Rows of a plane from which its level and spread are guessed."""

SIMILAR = 0.12
"""Share of the spread by which planes that share their edges may differ."""

MOST = 65535 // 27
"""Rows of a cell with which the counts of 27 cells stay within 16 bits."""

ROUNDS = 12
"""Limits that are tried on the values of a sample."""

WHOLE = 1 << 23
"""Values that can be counted in single precision."""


@nb.njit(nogil=True, cache=True, error_model="numpy")
def plane_scale(sample, first, last, scratch):
    """Median and median absolute deviation of rows of a plane, evenly taken; (0, 0) of fewer than 8 good rows.

    Parameters
    ----------
    sample : float32 (rows,), NaN for bad rows
    first, last : int, rows of the plane
    scratch : float64 (FEW,)
    """
    step = max((last - first) // FEW, 1)
    n = np.int64(0)
    i = first
    while i < last and n < FEW:
        if sample[i] == sample[i]:
            scratch[n] = sample[i]
            n += 1
        i += step
    if n < 8:
        return 0.0, 0.0
    centre = median(scratch, n)
    for k in range(n):
        scratch[k] = abs(scratch[k] - centre)
    return centre, median(scratch, n)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def count_plane(sample, start, first_cell, low, width, counts):
    """Histogram of every cell of a plane; returns the number of rows of the fullest cell.

    Parameters
    ----------
    sample : float32 (rows,), sorted by cell; NaN is not counted
    start : int64 (cells + 1,)
    first_cell : int
    low, width : float, first edge and distance of the edges
    counts : uint16 (ny, BINS, nx), filled
    """
    most = 0
    inverse = 1.0 / width
    top = BINS - 1.0
    ny, _, nx = counts.shape
    cell = first_cell
    for y in range(ny):
        line = counts[y]
        line[:] = 0
        for x in range(nx):
            most = max(most, start[cell + 1] - start[cell])
            for i in range(start[cell], start[cell + 1]):
                v = np.float64(sample[i])
                if v == v:
                    line[int(min(max((v - low) * inverse + 1.0, 0.0), top)), x] += 1
            cell += 1
    return most


@nb.njit(nogil=True, cache=True)
def sum_planes(counts, slots, n_slots, y, out):
    """Sum of the histograms of line y over some planes.

    Parameters
    ----------
    counts : uint16 (planes, ny, BINS, nx)
    slots : int64 (n_slots,), planes to add
    out : uint16 (BINS nx,), filled
    """
    one = counts[slots[0], y].reshape(-1)
    for i in range(out.size):
        out[i] = one[i]
    for k in range(1, n_slots):
        one = counts[slots[k], y].reshape(-1)
        for i in range(out.size):
            out[i] += one[i]


@nb.njit(nogil=True, cache=True)
def sum_lines(lines, y, ny, direction, out):
    """Sum of the histograms of a line and its neighbours, as far as they are in the samples of the line's voxels.

    Parameters
    ----------
    lines : uint16 (3, BINS nx), sums over planes of line y at place y % 3
    y, ny : int
    direction : int, ALONG_X (1): without the line itself; ALONG_Y (2) or NO_DIRECTION (0)
    out : uint16 (BINS nx,), filled
    """
    out[:] = 0
    for yy in range(max(y - 1, 0), min(y + 2, ny)):
        if direction == 1 and yy == y:
            continue
        one = lines[yy % 3]
        for i in range(out.size):
            out[i] += one[i]


@nb.njit(nogil=True, cache=True)
def sum_columns(columns, own, direction, cumulative):
    """Cumulative histograms of the samples of the voxels of a line, as `reject` defines them.

    Parameters
    ----------
    columns : uint16 (BINS, nx), from `sum_lines`
    own : uint16 (BINS, nx), of the voxels themselves
    direction : int, ALONG_X (1), ALONG_Y (2) or NO_DIRECTION (0)
    cumulative : uint16 (BINS, nx), filled with the numbers of values in each bin or below it
    """
    nx = own.shape[1]
    for b in range(BINS):
        out, column, mine = cumulative[b], columns[b], own[b]
        for x in range(nx):
            out[x] = mine[x] if direction != 0 else column[x]
        if direction == 1:
            for x in range(nx):
                out[x] += column[x]
        for x in range(1, nx):
            out[x] += column[x - 1]
        for x in range(nx - 1):
            out[x] += column[x + 1]
        if b > 0:
            below = cumulative[b - 1]
            for x in range(nx):
                out[x] += below[x]


@nb.njit(nogil=True, cache=True)
def find_middles(cumulative, lower, upper):
    """Bins of the two middle values of each sample of a line.

    Parameters
    ----------
    cumulative : uint16 (BINS, nx), from `sum_columns`
    lower, upper : uint16 (nx,), filled; the same where the number of values is odd
    """
    nx = lower.size
    half, other = np.empty(nx, np.uint16), np.empty(nx, np.uint16)
    number = cumulative[BINS - 1]
    for x in range(nx):
        half[x], other[x] = (max(number[x], 1) - 1) >> 1, number[x] >> 1
        lower[x], upper[x] = 0, 0
    for b in range(BINS):
        one = cumulative[b]
        for x in range(nx):
            lower[x] += np.uint16(one[x] <= half[x])
            upper[x] += np.uint16(one[x] <= other[x])


@nb.njit(nogil=True, cache=True, error_model="numpy")
def nothing_above(cumulative, lower, upper, x, low, width, largest, crsigma):
    """Whether surely no value up to `largest` exceeds median + crsigma x spread of the sample with this histogram.

    Parameters
    ----------
    cumulative : uint16 (BINS, nx), from `sum_columns`
    lower, upper : uint16 (nx,), from `find_middles`
    x : int, column of the voxel
    low, width : float, as in `count_plane`
    largest, crsigma : float
    """
    n = np.int64(cumulative[BINS - 1, x])
    a, b = np.int64(lower[x]), np.int64(upper[x])
    if n == 0 or a == 0 or b == BINS - 1:
        return False
    floor = low + (a - 1) * width
    reach = max((largest - floor) / crsigma, 0.0) / width * 1.000001
    first, last = int(np.floor(a - reach - 1e-6)), int(np.floor(b + 1 + reach + 1e-6)) + 1
    if first < 1 or last > BINS - 1:
        return False
    within = np.int64(cumulative[last - 1, x]) - np.int64(cumulative[first - 1, x])
    return 2 * within < n - 1


@nb.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _count_values(values, n, low, high, first, last):
    """Numbers of values below `low`, above `high`, and within [first, last], all in single precision."""
    below, above, within = np.float32(0), np.float32(0), np.float32(0)
    none, one = np.float32(0), np.float32(1)
    for i in range(n):
        v = values[i]
        below += one if v < low else none
        above += one if v > high else none
        within += one if (v >= first) & (v <= last) else none
    return int(below), int(above), int(within)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def nothing_above_values(values, n, largest, crsigma, guess, width):
    """Whether surely no value up to `largest` exceeds median + crsigma x spread of these; and where the median lies.

    Parameters
    ----------
    values : float32 (n or more,), finite or infinite, of which n count, at least one
    largest, crsigma : float
    guess, width : float, where the median may lie, and how far from there to begin

    Returns
    -------
    bool, False if it is not known; float, half of the limits' distance and their middle, near the median
    """
    middle = (n - 1) >> 1
    low, high = guess - width, guess + width
    step = width
    for _ in range(ROUNDS if n < WHOLE else 0):
        low, high = np.float64(np.float32(low)), np.float64(np.float32(high))
        if not (low < high and abs(low) < 1e30 and abs(high) < 1e30):
            break
        reach = max((largest - low) / crsigma, 0.0) * 1.000001
        # rounded outwards
        first, last = low - reach, high + reach
        first, last = np.float32(first - 2e-7 * abs(first) - 1e-36), np.float32(last + 2e-7 * abs(last) + 1e-36)
        below, above, within = _count_values(values, n, np.float32(low), np.float32(high), first, last)
        if below > middle:
            step *= 2.0
            low, high = low - step, low
        elif above > middle:
            step *= 2.0
            low, high = high, high + step
        elif 2 * within < n - 1:
            return True, 0.5 * (low + high), 0.5 * (high - low)
        elif high - low < 0.1 * reach:
            break
        else:
            # closer to the median, as the numbers beside the limits say
            near = low + (high - low) * (middle + 0.5 - below) / max(n - below - above, 1)
            step = 0.2 * (high - low)
            low, high = max(low, near - step), min(high, near + step)
    return False, 0.5 * (low + high), 0.5 * (high - low)
