"""Rejection of outliers that spares the cores of stars: our own alternative to that of the ESO pipeline.

The ESO pipeline compares with a spread that is estimated from few rows at the edges of the field and under a single
exposure, where it rejects ordinary pixels of 2 to 4 sigma, and from the gradients of a star in its core. Here:

1. The sample of a voxel consists of the rows within one voxel in all directions.
2. Noise: a row has to exceed the median of the sample by crsigma times the larger of the median absolute deviation and
   of its own expected absolute deviation, 0.6745 sqrt(stat).
3. Structure: by the same margin it has to exceed the level of its surroundings, SHARPNESS times their peak above the
   median. The peak is the second largest value of the other exposures: a star is in all of them, a cosmic ray in one.
4. Under a single exposure, the peak is the fifth largest value of that exposure: a point source fills more pixels than
   that, most cosmic rays do not.
5. A row is rejected if it stands out in both ways.

As in L.A.Cosmic (van Dokkum 2001) and drizzlepac's blotted derivative, the structure term spares undersampled point
sources.
"""

import math

import numba as nb
import numpy as np

from musedeep.kernels.cube.middle import median
from musedeep.kernels.cube.reject import gather

SHARPNESS = 1.1
"""How much brighter than its surroundings' peak the centre of a point source may be (seeing above 2.2 pixels)."""

ABSOLUTE_DEVIATION = 0.6745
"""Median absolute deviation of a normal distribution in units of its standard deviation."""

SINGLE_RANK = 5


@nb.njit(nogil=True, cache=True, error_model="numpy")
def reject_sparing_stars(values, sample, variances, exposure, start, shape, core, crsigma, flags):
    """Mark the rows of the cells in `core` that stand out against noise and against structure.

    Parameters
    ----------
    values : float32 (rows,), data of all rows, sorted by cell; all are tested
    sample : float32 (rows,), the same, with NaN for bad rows
    variances : float32 (rows,)
    exposure : uint16 (rows,)
    start : int64 (cells + 1,)
    shape : (int, int, int), nz, ny, nx of the box
    core : int64 (4,), z0, z1, y0, y1 of the cells to test; their neighbours must be complete
    crsigma : float, threshold, > 0, on the scale of the reference's: 10 is 6.7 standard deviations
    flags : uint8 (rows,), set to 1 where rejected

    Notes
    -----
    Most voxels are passed over after one count of the sample below a guess of the median; bound by reading samples.
    """
    nz, ny, nx = shape
    first = np.empty(9, np.int64)
    last = np.empty(9, np.int64)
    buffer = np.empty(1024, np.float32)
    guess, spread = 0.0, -1.0
    top_own = np.empty(SINGLE_RANK, np.float32)
    for z in range(core[0], core[1]):
        for y in range(core[2], core[3]):
            for x in range(nx):
                cell = (z * ny + y) * nx + x
                a, b = start[cell], start[cell + 1]
                if a == b:
                    continue
                n_runs, n = np.int64(0), np.int64(0)
                for zz in range(max(z - 1, 0), min(z + 2, nz)):
                    for yy in range(max(y - 1, 0), min(y + 2, ny)):
                        line = (zz * ny + yy) * nx
                        first[n_runs], last[n_runs] = start[line + max(x - 1, 0)], start[line + min(x + 2, nx)]
                        n += last[n_runs] - first[n_runs]
                        n_runs += 1
                if spread > 0:
                    low = np.float32(guess - 0.5 * spread)
                    candidate = False
                    for i in range(a, b):
                        margin = crsigma * ABSOLUTE_DEVIATION * math.sqrt(max(np.float64(variances[i]), 0.0))
                        candidate |= values[i] - low > margin
                    if not candidate:
                        below, valid = 0, 0
                        for r in range(n_runs):
                            for i in range(first[r], last[r]):
                                below += sample[i] <= low
                                valid += sample[i] == sample[i]
                        if 2 * below < valid - 1:
                            continue
                if n > buffer.size:
                    buffer = np.empty(2 * n, np.float32)
                n = gather(sample, first, last, n_runs, buffer)
                if n == 0:
                    continue
                centre = median(buffer, n)
                for i in range(n):
                    buffer[i] = np.float32(abs(np.float64(buffer[i]) - centre))
                deviation = median(buffer, n)
                guess, spread = centre, max(deviation, 1e-30)
                for i in range(a, b):
                    own_noise = ABSOLUTE_DEVIATION * math.sqrt(max(np.float64(variances[i]), 0.0))
                    margin = crsigma * max(deviation, own_noise)
                    if values[i] - centre <= margin:
                        continue
                    peak = _peak_elsewhere(sample, exposure, i, first, last, n_runs, top_own)
                    if values[i] - centre > margin + SHARPNESS * max(peak - centre, 0.0):
                        flags[i] = 1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _peak_elsewhere(sample, exposure, row, first, last, n_runs, top_own):
    """The level that the surroundings of a row reach without it."""
    largest, second = np.float32(-np.inf), np.float32(-np.inf)
    top_own[:] = -np.inf
    others = 0
    for r in range(n_runs):
        for i in range(first[r], last[r]):
            v = sample[i]
            if i == row or v != v:
                continue
            if exposure[i] != exposure[row]:
                others += 1
                if v > largest:
                    largest, second = v, largest
                elif v > second:
                    second = v
            else:
                k = SINGLE_RANK - 1
                if v > top_own[k]:
                    while k > 0 and top_own[k - 1] < v:
                        top_own[k] = top_own[k - 1]
                        k -= 1
                    top_own[k] = v
    if others >= 6:
        return np.float64(second)
    return np.float64(top_own[SINGLE_RANK - 1])
