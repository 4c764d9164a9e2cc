"""Voxels that hold nothing to reject, known by counting: histograms of cells, added up over the sample of a voxel.

A row is rejected where it exceeds median + crsigma x (median absolute deviation) of the sample of its voxel, and
every cell is in the samples of up to 27 voxels. So each cell is counted into bins once, and the histogram of a
sample is a sum of at most ten short vectors. It says between which edges of bins (low, high) the median lies. A
value v can only be above the threshold if the spread is below d = (v - low) / crsigma, that is, if at least half of
the sample lie within (low - d, high + d), of which the histogram gives an upper bound. Only the voxels that are left
need their medians.

The edges are the same for neighbouring planes as long as noise and level are, so that most rows are counted once.
Bound by arithmetic on vectors of 32 counts: some 60 ns a voxel, and 2 ns a row.
"""

import numba as nb
import numpy as np

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


@nb.njit(nogil=True, cache=True, error_model="numpy")
def plane_scale(sample, first, last, scratch):
    """Median and median absolute deviation of some rows of a plane, evenly taken.

    Parameters
    ----------
    sample : float32 (rows,)
        NaN for bad rows.
    first, last : int
        Rows of the plane.
    scratch : float64 (FEW,)

    Returns
    -------
    centre, spread : float
        (0, 0) where there are fewer than 8 good rows.
    """
    step = max((last - first) // FEW, 1)
    n = 0
    i = first
    while i < last and n < FEW:
        if sample[i] == sample[i]:
            scratch[n] = sample[i]
            n += 1
        i += step
    if n < 8:
        return 0.0, 0.0
    some = scratch[:n]
    centre = np.median(some)
    return centre, np.median(np.abs(some - centre))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def count_plane(sample, start, first_cell, n_cells, low, width, counts):
    """Histogram of every cell of a plane.

    Parameters
    ----------
    sample : float32 (rows,)
        Sorted by cell; NaN is not counted.
    start : int64 (cells + 1,)
    first_cell, n_cells : int
    low, width : float
        First edge and distance of the edges.
    counts : uint16 (n_cells, BINS)
        Filled.

    Returns
    -------
    int
        Rows of the fullest cell.
    """
    most = 0
    inverse = 1.0 / width
    top = BINS - 1.0
    counts[:n_cells] = 0
    for c in range(n_cells):
        mine = counts[c]
        most = max(most, start[first_cell + c + 1] - start[first_cell + c])
        for i in range(start[first_cell + c], start[first_cell + c + 1]):
            v = np.float64(sample[i])
            if v == v:
                mine[int(min(max((v - low) * inverse + 1.0, 0.0), top))] += 1
    return most


@nb.njit(nogil=True, cache=True)
def add_planes(counts, slots, n_slots, n_cells, total):
    """Sum of the histograms of some planes.

    Parameters
    ----------
    counts : uint16 (planes, n_cells, BINS)
    slots : int64 (n_slots,)
        Planes to add.
    total : uint16 (n_cells, BINS)
        Filled.
    """
    for c in range(n_cells):
        out, one = total[c], counts[slots[0], c]
        for b in range(BINS):
            out[b] = one[b]
        for k in range(1, n_slots):
            one = counts[slots[k], c]
            for b in range(BINS):
                out[b] += one[b]


@nb.njit(nogil=True, cache=True)
def add_sample(total, own, y, x, ny, nx, direction, histogram):
    """Histogram of the sample of a voxel, as `reject` defines it.

    Parameters
    ----------
    total : uint16 (ny nx, BINS)
        Of the cells of three planes.
    own : uint16 (ny nx, BINS)
        Of the voxel's own plane.
    direction : int
        ALONG_X (1), ALONG_Y (2) or NO_DIRECTION (0).
    histogram : uint16 (BINS,)
        Filled.
    """
    if direction == 0:
        for b in range(BINS):
            histogram[b] = 0
    else:
        one = own[y * nx + x]
        for b in range(BINS):
            histogram[b] = one[b]
    for yy in range(max(y - 1, 0), min(y + 2, ny)):
        if direction == 1 and yy == y:
            continue
        for xx in range(max(x - 1, 0), min(x + 2, nx)):
            if direction == 2 and xx == x:
                continue
            one = total[yy * nx + xx]
            for b in range(BINS):
                histogram[b] += one[b]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def nothing_above(histogram, low, width, largest, crsigma):
    """Whether no value up to `largest` exceeds median + crsigma x spread of the sample with this histogram.

    Parameters
    ----------
    histogram : uint16 (BINS,)
    low, width : float
        As in `count_plane`.
    largest, crsigma : float

    Returns
    -------
    bool
        False: it may.
    """
    n = 0
    for b in range(BINS):
        n += int(histogram[b])
    if n == 0:
        return False
    # the bins of the two middle values
    below, first = int(histogram[0]), 0
    while below <= (n - 1) // 2:
        first += 1
        below += int(histogram[first])
    last = first
    while below <= n // 2:
        last += 1
        below += int(histogram[last])
    if first == 0 or last == BINS - 1:
        return False
    floor = low + (first - 1) * width
    reach = max((largest - floor) / crsigma, 0.0) / width * 1.000001
    lowest, highest = int(np.floor(first - reach - 1e-6)), int(np.floor(last + 1 + reach + 1e-6)) + 1
    if lowest < 1 or highest > BINS - 1:
        return False
    within = 0
    for b in range(lowest, highest):
        within += int(histogram[b])
    return 2 * within < n - 1
