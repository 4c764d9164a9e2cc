"""Cosmic rays and other outliers among the rows of a box, before they are resampled.

What the reference pipeline does was found by experiment (docs/rejection.md shows how) and is met flag by flag:

- the sample of a voxel are the good rows of its own cell and of its neighbours within one voxel, where
  the neighbours along the slices are left out if the slices lie along an axis of the cube (position angle
  of the first exposure within 5 degrees of a multiple of 90): with slices along x, the lines y - 1
  and y + 1 over x - 1 .. x + 1 and z - 1 .. z + 1; at other angles all 26 neighbours;
- a row is rejected where its value exceeds centre + crsigma x spread of the sample of its voxel, with
  median and median absolute deviation ("median"), mean and standard deviation ("mean"), or mean and the
  error of the mean from the variances ("iraf").

Medians are the dear part: with 125 exposures a sample has more than 2000 rows. Most voxels hold nothing near
the threshold, and that is certified by counting, in one pass over the sample that vectorises. Let v be the
largest value of the voxel and (low, high) an interval guessed to hold the median. If fewer than half of the
sample lie below it and fewer than half above, it does. Then v can only exceed median + crsigma x spread if the
spread is below d = (v - low) / crsigma, that is, if at least half of the sample lie within (low - d, high + d).
The counts also tell where in the interval the median is, which is the guess for the next voxel. Bound by
reading the samples from cache: some 100 ns a voxel with 8 exposures.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

IRAF, MEAN, MEDIAN = 0, 1, 2
ALONG_X, ALONG_Y, NO_DIRECTION = 1, 2, 0

GUARD = 0.45
"""Half-width of the interval guessed to hold the median, in units of the last spread computed."""


@nb.njit(nogil=True, cache=True)
def _select(a, n, k):
    """The k-th smallest (from 0) of a[:n]; reorders a (Hoare's quickselect, median of three)."""
    low, high = 0, n - 1
    while high > low:
        middle = (low + high) >> 1
        if a[middle] < a[low]:
            a[middle], a[low] = a[low], a[middle]
        if a[high] < a[low]:
            a[high], a[low] = a[low], a[high]
        if a[high] < a[middle]:
            a[high], a[middle] = a[middle], a[high]
        pivot = a[middle]
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while a[j] > pivot:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return a[k]


@nb.njit(nogil=True, cache=True)
def median(a, n):
    """Median of a[:n] in double precision (mean of the middle two for even n); reorders a."""
    k = n >> 1
    upper = np.float64(_select(a, n, k))
    if n & 1:
        return upper
    lower = a[0]
    for i in range(1, k):
        lower = max(lower, a[i])
    return 0.5 * (np.float64(lower) + upper)


@nb.njit(nogil=True, cache=True)
def gather(sample, first, last, n_runs, buffer):
    """Copy the values of the runs of rows that are not NaN into `buffer`; returns their number."""
    n = 0
    for r in range(n_runs):
        for i in range(first[r], last[r]):
            buffer[n] = sample[i]
            n += sample[i] == sample[i]
    return n


@nb.njit(inline="always")
def _runs(z, y, x, shape, direction, start, first, last):
    """Fill first, last with the ranges of rows of the sample of cell (z, y, x); returns their number."""
    nz, ny, nx = shape
    n = 0
    for zz in range(max(z - 1, 0), min(z + 2, nz)):
        for yy in range(max(y - 1, 0), min(y + 2, ny)):
            own = zz == z and yy == y
            line = (zz * ny + yy) * nx
            if direction == 1 and yy == y:
                if not own:
                    continue
                a, b = x, x + 1
            elif direction == 2:
                # the columns x - 1 and x + 1, and the cell itself
                if x > 0:
                    first[n], last[n] = start[line + x - 1], start[line + x]
                    n += 1
                if own:
                    first[n], last[n] = start[line + x], start[line + x + 1]
                    n += 1
                if x + 1 < nx:
                    first[n], last[n] = start[line + x + 1], start[line + x + 2]
                    n += 1
                continue
            else:
                a, b = max(x - 1, 0), min(x + 2, nx)
            first[n], last[n] = start[line + a], start[line + b]
            n += 1
    return n


@nb.njit(nogil=True, cache=True, error_model="numpy")
def reject(values, sample, variances, start, shape, core, direction, kind, crsigma, flags):
    """Mark the rows of the cells in `core` that exceed the threshold of their cell.

    Parameters
    ----------
    values : float32 (rows,)
        Data of all rows, sorted by cell; all are tested.
    sample : float32 (rows,)
        The same, with NaN for bad rows: no sample takes those (the reference tests them all the same).
    variances : float32 (rows,)
    start : int64 (cells + 1,)
    shape : (int, int, int)
        nz, ny, nx of the box.
    core : int64 (4,)
        z0, z1, y0, y1 of the cells to test; their neighbours must be complete.
    direction : int
        ALONG_X, ALONG_Y (slices along that axis) or NO_DIRECTION.
    kind : int
        IRAF, MEAN or MEDIAN.
    crsigma : float
        Rejection threshold, > 0.
    flags : uint8 (rows,)
        Set to 1 where rejected.

    Returns
    -------
    exact : int
        Number of cells whose median had to be computed.
    """
    _, _, nx = shape
    ny = shape[1]
    first = np.empty(32, np.int64)
    last = np.empty(32, np.int64)
    buffer = np.empty(1024, np.float64)
    exact = 0
    guess, spread = 0.0, -1.0
    for z in range(core[0], core[1]):
        for y in range(core[2], core[3]):
            for x in range(nx):
                cell = (z * ny + y) * nx + x
                a, b = start[cell], start[cell + 1]
                if a == b:
                    continue
                n_runs = _runs(z, y, x, shape, direction, start, first, last)
                if kind != MEDIAN:
                    threshold = _moments_threshold(sample, variances, first, last, n_runs, kind, crsigma)
                else:
                    largest = values[a]
                    for i in range(a + 1, b):
                        largest = max(largest, values[i])
                    if spread > 0:
                        low, high = np.float32(guess - GUARD * spread), np.float32(guess + GUARD * spread)
                        d = max((np.float64(largest) - low) / crsigma * 1.000001, 0.0)
                        inner, outer = np.float32(low - d), np.float32(high + d)
                        below, above, within, n = 0, 0, 0, 0
                        for r in range(n_runs):
                            for i in range(first[r], last[r]):
                                v = sample[i]
                                n += v == v
                                below += v <= low
                                above += v >= high
                                within += (v >= inner) & (v <= outer)
                        if 2 * below < n - 1 and 2 * above < n - 1 and 2 * within < n - 1:
                            guess = np.float64(low) + np.float64(high - low) * (0.5 * n - below) / (n - below - above)
                            continue
                    n = 0
                    for r in range(n_runs):
                        n += last[r] - first[r]
                    if n > buffer.size:
                        buffer = np.empty(2 * n, np.float64)
                    n = gather(sample, first, last, n_runs, buffer)
                    if n == 0:
                        continue
                    exact += 1
                    centre = median(buffer, n)
                    guess = centre
                    d = (np.float64(largest) - centre) / crsigma
                    within = 0
                    for i in range(n):
                        distance = abs(buffer[i] - centre)
                        buffer[i] = distance
                        within += distance <= d
                    if d <= 0 or (2 * within < n - 1 and spread > 0 and exact & 15):
                        continue
                    this = median(buffer, n)
                    if n > 8 and this > 0:
                        spread = this
                    threshold = centre + crsigma * this
                for i in range(a, b):
                    if values[i] > threshold:
                        flags[i] = 1
    return exact


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _moments_threshold(sample, variances, first, last, n_runs, kind, crsigma):
    """Threshold of the kinds that need no median; infinite for an empty sample."""
    total, squares, variance = 0.0, 0.0, 0.0
    n = 0
    for r in range(n_runs):
        for i in range(first[r], last[r]):
            if sample[i] == sample[i]:
                total += sample[i]
                variance += variances[i]
                n += 1
    if n == 0:
        return np.inf
    centre = total / n
    if kind == IRAF:
        return centre + crsigma * math.sqrt(variance) / n
    for r in range(n_runs):
        for i in range(first[r], last[r]):
            if sample[i] == sample[i]:
                squares += (sample[i] - centre) ** 2
    return centre + crsigma * (math.sqrt(squares / (n - 1)) if n > 1 else 0.0)


def slice_direction(position_angle: float) -> int:
    """Which axis of a north-up cube the slices of an exposure lie along.

    Parameters
    ----------
    position_angle : float
        ESO INS DROT POSANG of the first exposure [deg].
    """
    angle = abs(position_angle)
    if any(abs(angle - axis) < 5.0 for axis in (0.0, 180.0, 360.0)):
        return ALONG_X
    if any(abs(angle - axis) < 5.0 for axis in (90.0, 270.0)):
        return ALONG_Y
    return NO_DIRECTION


def rejection_kind(crtype: str) -> int:
    """The constant for a value of the parameter crtype."""
    return {"iraf": IRAF, "mean": MEAN, "median": MEDIAN}[crtype]


def empty_flags(n: int) -> NDArray[np.uint8]:
    """Flags for n rows, none set."""
    return np.zeros(n, np.uint8)
