"""Bad pixels: columns of a bias, hot pixels of a dark, and pixels of a flat that differ from their row."""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import DQ
from musedeep.kernels.ccd.image_statistics import mean_deviation, median

HOT: Final = int(DQ.HOT)
DARK: Final = int(DQ.DARK)
LOW_EFFICIENCY: Final = int(DQ.LOW_EFFICIENCY)
OTHER: Final = int(DQ.OTHER)


def bad_columns(
    image: NDArray[np.float32], read_noise: float, low_sigma: float, high_sigma: float
) -> tuple[NDArray[np.bool_], int, int]:
    """Find dark and bright columns of one quadrant of a bias (criteria by experiments on the reference).

    A column is dark if its mean is below median - low_sigma d of all column means, d their mean absolute
    deviation from the median; bright if its mean is above median + high_sigma d and its scatter larger than
    the read-out noise. Flagged are the pixels of the column from the first to the last one that is itself beyond
    the limit.

    Parameters
    ----------
    image : float32 (rows, columns)
    read_noise : count
    low_sigma, high_sigma : limits

    Returns
    -------
    bool (rows, columns), and the numbers of pixels in dark and bright columns
    """
    means = image.mean(0, dtype=np.float64)
    centre = float(np.median(means))
    spread = float(np.abs(means - centre).mean())
    low, high = centre - low_sigma * spread, centre + high_sigma * spread
    flags = np.zeros(image.shape, bool)
    counts = [0, 0]
    for column in np.flatnonzero((means < low) | (means > high)):
        dark = means[column] < low
        if not dark and image[:, column].std(ddof=1, dtype=np.float64) <= read_noise:
            continue
        beyond = np.flatnonzero(image[:, column] < low if dark else image[:, column] > high)
        if beyond.size:
            flags[beyond[0] : beyond[-1] + 1, column] = True
            counts[0 if dark else 1] += int(beyond[-1] - beyond[0] + 1)
    return flags, counts[0], counts[1]


def hot_pixels(image: NDArray[np.float32], good: NDArray[np.bool_], sigma: float) -> NDArray[np.bool_]:
    """Pixels of a quadrant of a dark above median + sigma d, d the mean absolute deviation from the median; bool.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns), pixels that count for median and deviation
    sigma : limit
    """
    centre = median(image, good)
    if np.isnan(centre):
        return np.zeros(image.shape, bool)
    return image > np.float32(centre + sigma * mean_deviation(image, good, centre))


@nb.njit(nogil=True, cache=True)
def flat_pixels(image, left, right, low_sigma, high_sigma, low_efficiency, dq):  # type: ignore[no-untyped-def]
    """Flag pixels of a flat that are not positive, and in the slices those far from the median of their row.

    Limits are low_sigma and high_sigma mean absolute deviations from the median of the row of the slice; a
    lower limit below 0 becomes 0. Dark pixels in one piece with the edge of the slice belong to the edge.

    Parameters
    ----------
    image : float32 (rows, columns), mean 1
    left, right : float64 (slices, rows), edges, columns from 0
    low_sigma, high_sigma : limits
    low_efficiency : value below which dark pixels are also of low quantum efficiency
    dq : int32 (rows, columns), flags are added

    Returns
    -------
    numbers of dark and of hot pixels
    """
    n_dark, n_hot = 0, 0
    n_slices, n_rows = left.shape
    n_columns = image.shape[1]
    for y in range(n_rows):
        for x in range(n_columns):
            if not image[y, x] > 0:
                dq[y, x] |= OTHER
        for s in range(n_slices):
            first = max(int(np.ceil(left[s, y])), 0)
            last = min(int(np.floor(right[s, y])), n_columns - 1)
            if last - first < 2:
                continue
            row = image[y, first : last + 1]
            centre = np.median(row)
            spread = 0.0
            for i in range(row.size):
                spread += abs(row[i] - centre)
            spread /= row.size
            low, high = max(centre - low_sigma * spread, 0.0), centre + high_sigma * spread
            while first <= last and not _above(image[y, first], low):
                first += 1
            while last >= first and not _above(image[y, last], low):
                last -= 1
            for x in range(first, last + 1):
                if not _above(image[y, x], low):
                    dq[y, x] |= DARK
                    if image[y, x] < low_efficiency:
                        dq[y, x] |= LOW_EFFICIENCY
                    n_dark += 1
                elif image[y, x] > high:
                    dq[y, x] |= HOT
                    n_hot += 1
    return n_dark, n_hot


@nb.njit(nogil=True, cache=True)
def _above(value, low):  # type: ignore[no-untyped-def]
    return value > 0 and value >= low
