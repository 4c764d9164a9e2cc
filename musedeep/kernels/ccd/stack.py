"""Images of the same scene into one: average, median, minmax and sigma clipping, with variances and flags."""

from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

AVERAGE, MEDIAN, MINMAX, SIGCLIP = range(4)
METHODS: Final = {"average": AVERAGE, "median": MEDIAN, "minmax": MINMAX, "sigclip": SIGCLIP}


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
    values = np.empty(n_images, np.float32)
    variances = np.empty(n_images, np.float32)
    for y in range(n_rows):
        for x in range(n_columns):
            n = 0
            ordered = method != AVERAGE
            for k in range(n_images):
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
                for k in range(1, n_images):
                    # flags are 32 bits without sign
                    if np.uint32(dq[k, y, x]) < np.uint32(dq[best, y, x]):
                        best = k
                out[y, x], out_dq[y, x], out_stat[y, x] = data[best, y, x], dq[best, y, x], stat[best, y, x]
                continue
            first, last = 0, n
            if method == MEDIAN:
                first, last = (n - 1) // 2, n // 2 + 1
            elif method == MINMAX:
                high = min(n_high, max(n - n_keep - n_low, 0))
                low = min(n_low, max(n - n_keep - high, 0))
                first, last = low, n - high
            elif method == SIGCLIP and n > 2:
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
