"""Images of the same scene into one: average, median, minmax and sigma clipping, with variances and flags."""

from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

AVERAGE, MEDIAN, MINMAX, SIGCLIP = range(4)
METHODS: Final = {"average": AVERAGE, "median": MEDIAN, "minmax": MINMAX, "sigclip": SIGCLIP}

TILE: Final = 256
"""Pixels side by side that are combined together; their values stay in the processor's first cache."""

MOST_SORTED: Final = 16
"""Images whose pixels are sorted together, at most: comparisons of neighbours grow with the square of their number."""


@nb.njit(nogil=True, cache=True)
def _middle(values, n):
    """Median of the first n sorted values."""
    return values[n // 2] if n % 2 else np.float32(0.5) * (values[n // 2 - 1] + values[n // 2])


@nb.njit(nogil=True, cache=True)
def stack_rows(data, dq, stat, method, n_low, n_high, n_keep, low_sigma, high_sigma, out, out_dq, out_stat):
    """Combine rows of images, pixel by pixel.

    Pixels with flags are left out. Where all have flags, the one with the smallest flag value is taken, the
    first of equal ones, and its flag is kept.

    - average: mean of the values; variance: sum of variances / n**2.
    - median: of an even number the mean of the two in the middle; variance: that of the value(s) taken,
      propagated.
    - minmax: mean without the n_low lowest and n_high highest, but of at least n_keep values.
    - sigclip: mean of the values between median - low_sigma d and median + high_sigma d, where d is the mean
      absolute deviation from the median; one pass.

    Pixels are combined a row of them at a time (`_stack_tile`), those with flags once more one by one
    (`_stack_pixel`); of many images, all one by one.

    Parameters
    ----------
    data, stat : float32 (n, rows, columns)
    dq : int32 (n, rows, columns)
    method : int, of METHODS
    n_low, n_high, n_keep : int, of minmax
    low_sigma, high_sigma : float, of sigclip
    out, out_stat : float32 (rows, columns), filled
    out_dq : int32 (rows, columns), filled
    """
    n_images, n_rows, n_columns = data.shape
    limits = (method, n_low, n_high, n_keep, low_sigma, high_sigma)
    values = np.empty(n_images, np.float32)
    variances = np.empty(n_images, np.float32)
    together = n_images <= MOST_SORTED
    tile = np.empty((2, n_images, TILE), np.float32)
    work = np.empty((4, TILE))
    apart = np.ones(TILE, np.bool_)
    for y in range(n_rows):
        for start in range(0, n_columns, TILE):
            stop = min(start + TILE, n_columns)
            n_apart = stop - start
            if together:
                n_apart = _stack_tile(
                    data, dq, stat, y, start, stop, limits, tile, work, apart,
                    out[y, start:stop], out_dq[y, start:stop], out_stat[y, start:stop],
                )  # fmt: skip
            if n_apart:
                for x in range(start, stop):
                    if apart[x - start]:
                        _stack_pixel(data, dq, stat, y, x, limits, values, variances, out, out_dq, out_stat)


@nb.njit(nogil=True, cache=True)
def _kept(n, limits):
    """Places [first, last) of those of n sorted values that are combined, before any are clipped."""
    method, n_low, n_high, n_keep, _, _ = limits
    if method == MEDIAN:
        return (n - 1) // 2, n // 2 + 1
    if method == MINMAX:
        high = min(n_high, max(n - n_keep - n_low, 0))
        return min(n_low, max(n - n_keep - high, 0)), n - high
    return 0, n


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _stack_tile(data, dq, stat, y, start, stop, limits, tile, work, apart, out, out_dq, out_stat):
    """Combine pixels side by side, which are all sorted by the same comparisons, several in one instruction.

    The comparisons are those of neighbours only, so that equal values keep their order, and sums are taken in the order
    of `_stack_pixel`: the results have the same bits.

    Returns
    -------
    number of pixels to be combined by themselves, noted in `apart`: those with flags or values that are no numbers, and
    those of which nothing would be left
    """
    method, low_sigma, high_sigma = limits[0], limits[4], limits[5]
    n, m = data.shape[0], stop - start
    seen = out_dq
    seen[:] = 0
    for k in range(n):
        flags, values, variances = dq[k, y, start:stop], data[k, y, start:stop], stat[k, y, start:stop]
        sorted_values, sorted_variances = tile[0, k], tile[1, k]
        for i in range(m):
            value = values[i]
            seen[i] |= flags[i] | np.int32(value != value)
            sorted_values[i], sorted_variances[i] = value, variances[i]
    if method != AVERAGE:
        for last in range(1, n):
            for k in range(last, 0, -1):
                below, above, of_below, of_above = tile[0, k - 1], tile[0, k], tile[1, k - 1], tile[1, k]
                for i in range(m):
                    a, b, va, vb = below[i], above[i], of_below[i], of_above[i]
                    swap = a > b
                    below[i], above[i] = b if swap else a, a if swap else b
                    of_below[i], of_above[i] = vb if swap else va, va if swap else vb
    low, high, total, variance_sum = work[0], work[1], work[2], work[3]
    n_apart = 0
    if method == SIGCLIP and n > 2:
        below, above = tile[0, (n - 1) // 2], tile[0, n // 2]
        centre = out
        for i in range(m):
            centre[i] = above[i] if n % 2 else np.float32(0.5) * (below[i] + above[i])
            low[i] = 0.0
        for k in range(n):
            values = tile[0, k]
            for i in range(m):
                low[i] += abs(values[i] - centre[i])
        for i in range(m):
            # of three values none can lie outside 3 deviations; rounding must not change that
            spread = low[i] / n * (1.0 + 1e-5)
            low[i], high[i] = centre[i] - low_sigma * spread, centre[i] + high_sigma * spread
            total[i], variance_sum[i] = 0.0, 0.0
        kept = out_stat
        kept[:] = 0
        for k in range(n):
            values, variances = tile[0, k], tile[1, k]
            for i in range(m):
                inside = values[i] >= low[i] and values[i] <= high[i]
                total[i] += values[i] if inside else np.float32(0.0)
                variance_sum[i] += variances[i] if inside else np.float32(0.0)
                kept[i] += np.float32(1.0) if inside else np.float32(0.0)
        for i in range(m):
            number = np.float64(kept[i])
            apart[i] = seen[i] != 0 or number == 0.0
            n_apart += apart[i]
            out[i], out_stat[i], out_dq[i] = total[i] / number, variance_sum[i] / (number * number), 0
        return n_apart
    first, last = _kept(n, limits)
    number = np.float64(last - first)
    for i in range(m):
        total[i], variance_sum[i] = 0.0, 0.0
    for k in range(first, last):
        values, variances = tile[0, k], tile[1, k]
        for i in range(m):
            total[i] += values[i]
            variance_sum[i] += variances[i]
    for i in range(m):
        apart[i] = seen[i] != 0
        n_apart += apart[i]
        out[i], out_stat[i], out_dq[i] = total[i] / number, variance_sum[i] / (number * number), 0
    return n_apart


@nb.njit(nogil=True, cache=True)
def _stack_pixel(data, dq, stat, y, x, limits, values, variances, out, out_dq, out_stat):
    """Combine one pixel of images, see `stack_rows`.

    Parameters
    ----------
    values, variances : float32 (n,), working memory
    """
    method, low_sigma, high_sigma = limits[0], limits[4], limits[5]
    n = 0
    ordered = method != AVERAGE
    for k in range(data.shape[0]):
        if dq[k, y, x] != 0:
            continue
        value, variance = data[k, y, x], stat[k, y, x]
        i = n
        if ordered:
            # sorted as they come: images are few
            while i > 0 and values[i - 1] > value:
                values[i], variances[i] = values[i - 1], variances[i - 1]
                i -= 1
        values[i], variances[i] = value, variance
        n += 1
    if n == 0:
        best = 0
        for k in range(1, data.shape[0]):
            # flags are 32 bits without sign
            if np.uint32(dq[k, y, x]) < np.uint32(dq[best, y, x]):
                best = k
        out[y, x], out_dq[y, x], out_stat[y, x] = data[best, y, x], dq[best, y, x], stat[best, y, x]
        return
    first, last = _kept(n, limits)
    if method == SIGCLIP and n > 2:
        centre = _middle(values, n)
        spread = np.float64(0.0)
        for i in range(n):
            spread += abs(values[i] - centre)
        spread /= n
        # of three values none can lie outside 3 deviations; rounding must not change that
        spread *= 1.0 + 1e-5
        while values[first] < centre - low_sigma * spread:
            first += 1
        while values[last - 1] > centre + high_sigma * spread:
            last -= 1
    total, variance_sum = np.float64(0.0), np.float64(0.0)
    for i in range(first, last):
        total += values[i]
        variance_sum += variances[i]
    kept = last - first
    out[y, x] = total / kept
    out_dq[y, x] = 0
    out_stat[y, x] = variance_sum / (np.float64(kept) * kept)


def stack(
    data: NDArray[np.float32], dq: NDArray[np.int32], stat: NDArray[np.float32], method: str, **limits: Any
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Combine images by `stack_rows`, with the defaults of the recipes: data, flags and variances, (rows, columns)."""
    shape = data.shape[1:]
    out = np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty(shape, np.float32)
    chosen = {"n_low": 1, "n_high": 1, "n_keep": 1, "low_sigma": 3.0, "high_sigma": 3.0} | limits
    stack_rows(data, dq, stat, METHODS[method], *chosen.values(), out[0], out[1], out[2])
    return out
