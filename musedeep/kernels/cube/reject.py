"""Cosmic rays and other outliers among the rows of a box, before they are resampled.

The rules match the flags of ESO 2.8.7 (docs/background/rejection.md):

1. The sample of a voxel consists of the good rows of its own cell and of its neighbours within one voxel. If the slices
   lie along an axis of the cube (position angle of the first exposure within 5 degrees of a multiple of 90), the
   neighbours along the slices are left out: with slices along x, the lines y - 1 and y + 1 over x - 1 .. x + 1 and
   z - 1 .. z + 1 remain. At other angles there are 26 neighbours.
2. The sample has a centre and a spread: median and median absolute deviation ("median"), mean and standard deviation
   ("mean"), or mean and the error of the mean from the variances ("iraf").
3. A row is rejected where its value exceeds centre + crsigma x spread of the sample of its voxel.
4. For medians, `certify` first proves by counting that most voxels hold nothing near the threshold.
5. The medians of the other voxels are searched where the counts left them.

A median takes some microseconds: with 125 exposures a sample has more than 2000 rows. Since few are left, a voxel takes
about 60 ns with 8 exposures, 400 ns with 125.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.certify import (
    BIN,
    BINS,
    FEW,
    MOST,
    SIMILAR,
    count_plane,
    find_middles,
    nothing_above,
    nothing_above_values,
    plane_scale,
    sum_columns,
    sum_lines,
    sum_planes,
)
from musedeep.kernels.cube.middle import median_near

IRAF, MEAN, MEDIAN = 0, 1, 2
ALONG_X, ALONG_Y, NO_DIRECTION = 1, 2, 0


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
    n = np.int64(0)  # a plain 0 would have what takes it compiled for that constant, too
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


def reject(  # type: ignore[no-untyped-def]
    values, sample, variances, start, shape, core, direction, kind, crsigma, flags
):
    """Mark rows of the cells in `core` above the threshold of their cell; returns the number of medians computed.

    Parameters
    ----------
    values : float32 (rows,), data of all rows, sorted by cell; all are tested
    sample : float32 (rows,)
        The same, with NaN for bad rows: no sample takes those (the reference tests them all the same).
    variances : float32 (rows,)
    start : int64 (cells + 1,)
    shape : (int, int, int), nz, ny, nx of the box
    core : int64 (4,), z0, z1, y0, y1 of the cells to test; their neighbours must be complete
    direction : int, ALONG_X, ALONG_Y (slices along that axis) or NO_DIRECTION
    kind : int, IRAF, MEAN or MEDIAN
    crsigma : float, rejection threshold, > 0
    flags : uint8 (rows,), set to 1 where rejected
    """
    # chosen here and not in a kernel, so that only one of the two is compiled
    if kind == MEDIAN:
        return _reject_by_median(values, sample, start, shape, core, direction, crsigma, flags)
    _reject_by_moments(values, sample, variances, start, shape, core, direction, kind, crsigma, flags)
    return 0


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _reject_by_moments(values, sample, variances, start, shape, core, direction, kind, crsigma, flags):
    """`reject` for means."""
    _, ny, nx = shape
    first, last = np.empty(32, np.int64), np.empty(32, np.int64)
    for z in range(core[0], core[1]):
        for y in range(core[2], core[3]):
            for x in range(nx):
                cell = (z * ny + y) * nx + x
                a, b = start[cell], start[cell + 1]
                if a == b:
                    continue
                n_runs = _runs(z, y, x, shape, direction, start, first, last)
                threshold = _moments_threshold(sample, variances, first, last, n_runs, kind, crsigma)
                for i in range(a, b):
                    if values[i] > threshold:
                        flags[i] = 1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _reject_by_median(values, sample, start, shape, core, direction, crsigma, flags):
    """`reject` for medians: `certify` finds the voxels that hold nothing, the others get their medians."""
    nz, ny, nx = shape
    n_cells = ny * nx
    first, last = np.empty(32, np.int64), np.empty(32, np.int64)
    taken = np.empty(1024, np.float32)
    buffer, near = np.empty(1024, np.float64), np.empty(1024, np.float64)
    guess, guessed_spread = 0.0, 0.0
    counts = np.empty((3, ny, BINS, nx), np.uint16)
    lines, columns = np.empty((3, BINS * nx), np.uint16), np.empty(BINS * nx, np.uint16)
    cumulative = np.empty((BINS, nx), np.uint16)
    lower, upper = np.empty(nx, np.uint16), np.empty(nx, np.uint16)
    scratch = np.empty(FEW, np.float64)
    held = np.full(3, -1, np.int64)
    slots, most = np.empty(3, np.int64), np.zeros(3, np.int64)
    low, width = 0.0, 0.0
    exact = 0
    for z in range(core[0], core[1]):
        below, above = max(z - 1, 0), min(z + 2, nz)
        centre, spread = plane_scale(sample, start[z * n_cells], start[(z + 1) * n_cells], scratch)
        counted = spread > 0.0
        if counted:
            if (
                abs(centre - low - (BINS // 2 - 1) * width) > SIMILAR * spread
                or abs(BIN * spread / width - 1) > SIMILAR
            ):
                width = BIN * spread
                low = centre - (BINS // 2 - 1) * width
                held[:] = -1
            for zz in range(below, above):
                slots[zz - below] = zz % 3
                if held[zz % 3] != zz:
                    most[zz % 3] = count_plane(sample, start, zz * n_cells, low, width, counts[zz % 3])
                    held[zz % 3] = zz
                counted = counted and most[zz % 3] <= MOST
        summed = max(core[2] - 1, 0)
        for y in range(core[2], core[3]):
            while counted and summed < min(y + 2, ny):
                sum_planes(counts, slots, above - below, summed, lines[summed % 3])
                summed += 1
            if counted:
                sum_lines(lines, y, ny, direction, columns)
                sum_columns(columns.reshape(BINS, nx), counts[z % 3, y], direction, cumulative)
                find_middles(cumulative, lower, upper)
            for x in range(nx):
                cell = (z * ny + y) * nx + x
                a, b = start[cell], start[cell + 1]
                if a == b:
                    continue
                largest = values[a]
                for i in range(a + 1, b):
                    largest = max(largest, values[i])
                if counted and nothing_above(cumulative, lower, upper, x, low, width, np.float64(largest), crsigma):
                    continue
                n_runs = _runs(z, y, x, shape, direction, start, first, last)
                n = 0
                for r in range(n_runs):
                    n += last[r] - first[r]
                if n > buffer.size:
                    taken = np.empty(2 * n, np.float32)
                    buffer, near = np.empty(2 * n, np.float64), np.empty(2 * n, np.float64)
                n = gather(sample, first, last, n_runs, taken)
                if n == 0:
                    continue
                step = 0.3 * (guessed_spread if guessed_spread > 0 else spread)
                nothing, guess, step = nothing_above_values(taken, n, np.float64(largest), crsigma, guess, step)
                if nothing:
                    continue
                exact += 1
                for i in range(n):
                    buffer[i] = taken[i]
                step = max(step, 0.3 * guessed_spread)
                middle = median_near(buffer, n, guess - step, guess + step, near)
                guess = middle
                # the spread matters only where the largest value can be above the threshold
                d = (np.float64(largest) - middle) / crsigma
                within = 0
                for i in range(n):
                    distance = abs(buffer[i] - middle)
                    buffer[i] = distance
                    within += distance <= d
                if d <= 0 or 2 * within < n - 1:
                    continue
                spread = median_near(buffer, n, 0.75 * guessed_spread, 1.25 * guessed_spread, near)
                guessed_spread = spread
                threshold = middle + crsigma * spread
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
    """Axis of a north-up cube along which slices lie, from ESO INS DROT POSANG of the first exposure [deg]."""
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
