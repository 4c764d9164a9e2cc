"""Cosmic rays on one image, by gaps in the distribution of the values of boxes (DCR: Pych 2004, PASP 116, 148).

1. The image is divided into boxes that overlap by half in both directions.
2. The standard deviation of a box is that of its values near the mean (`_moments`).
3. Its sorted values above the mean are followed up to the first gap wider than `threshold` standard deviations
   (`_limit`); the values beyond it are cosmic rays.
4. They are left out of the boxes that follow; the image is searched again until none is found (`flag_cosmics`).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.processors import available_processors


@nb.njit(nogil=True, cache=True)
def _moments(values, low, high):  # type: ignore[no-untyped-def]
    """Mean and standard deviation of the values within limits; -1 of fewer than three."""
    n, total, squares = 0, 0.0, 0.0
    for value in values:
        if low <= value <= high:
            n += 1
            total += value
    if n < 3:
        return 0.0, -1.0
    mean = total / n
    for value in values:
        if low <= value <= high:
            squares += (value - mean) ** 2
    return mean, np.sqrt(squares / n)


@nb.njit(nogil=True, cache=True)
def _limit(values, threshold):  # type: ignore[no-untyped-def]
    """The value below the first wide gap above the mean; infinite if there is no such gap. Sorts values."""
    mean, sigma = _moments(values, -np.inf, np.inf)
    # once more, without the values far from the others
    mean, sigma = _moments(values, mean - threshold * sigma, mean + threshold * sigma)
    if sigma < 0.0:
        return np.inf
    gap = threshold * max(sigma, 1e-6)
    # no gap can be wider than all that lies above the mean: most boxes end here
    if values.max() - mean <= gap:
        return np.inf
    values.sort()
    for i in range(np.searchsorted(values, mean), values.size - 1):
        if values[i + 1] - values[i] > gap:
            return values[i]
    return np.inf


@nb.njit(nogil=True, cache=True)
def _search_band(data, known, first, height, width, threshold, flagged):  # type: ignore[no-untyped-def]
    """Mark the values beyond the gaps in the boxes of one band of rows, which overlap by half; returns their number."""
    values = np.empty(height * width, np.float32)
    n_columns = data.shape[1]
    last = min(first + height, data.shape[0])
    n_flagged = 0
    for left in range(0, max(n_columns - width // 2, 1), max(width // 2, 1)):
        right = min(left + width, n_columns)
        n = 0
        for y in range(first, last):
            for x in range(left, right):
                if known[y, x] == 0 and not flagged[y, x]:
                    values[n] = data[y, x]
                    n += 1
        if n < 3:
            continue
        limit = _limit(values[:n], threshold)
        if limit == np.inf:
            continue
        for y in range(first, last):
            for x in range(left, right):
                if data[y, x] > limit and known[y, x] == 0 and not flagged[y, x]:
                    flagged[y, x] = True
                    n_flagged += 1
    return n_flagged


def flag_cosmics(
    data: NDArray[np.float32], dq: NDArray[np.int32], box: tuple[int, int], passes: int, threshold: float
) -> NDArray[np.bool_]:
    """Find cosmic rays, bool (rows, columns).

    Bands of rows that do not overlap run in threads. Memory traffic takes the time: each pixel is in four boxes, few of
    which have to be sorted.

    Parameters
    ----------
    data : float32 (rows, columns)
    dq : int32 (rows, columns), pixels with flags do not take part
    box : rows, columns
    passes : int, largest number of searches of the image
    threshold : float, width of the gap [standard deviations]
    """
    height, width = box
    flagged = np.zeros(data.shape, bool)

    def band(first: int) -> Any:
        return _search_band(data, dq, first, height, width, threshold, flagged)

    with ThreadPoolExecutor(available_processors()) as pool:
        for _ in range(passes):
            n_flagged = 0
            for start in (0, height // 2):
                n_flagged += sum(pool.map(band, range(start, data.shape[0], height)))
            if not n_flagged:
                break
    return flagged
