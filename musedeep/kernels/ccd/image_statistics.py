"""Statistics of images: moments, slopes, and small windows all over an image."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 19
"""Side of a window, pixels (the scatter of read-noise measurements of the reference is that of 361 pixels)."""


@dataclass(frozen=True)
class Statistics:
    """Median, mean, standard deviation (n - 1), minimum and maximum of pixel values."""

    median: float
    mean: float
    stdev: float
    minimum: float
    maximum: float


def statistics(values: NDArray[np.float32], good: NDArray[np.bool_] | None = None) -> Statistics:
    """Statistics of an image; NaN all over if no pixel counts.

    Parameters
    ----------
    values : float32 (rows, columns)
    good : bool (rows, columns), optional, pixels that count; default: all
    """
    mask = _EVERY if good is None else good
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(median, values, good) if values.size > LARGE else None
        n, mean, stdev, low, high = _moments(values, mask)
        if n == 0:
            return Statistics(*[float("nan")] * 5)
        return Statistics(found.result() if found else median(values, good), mean, stdev, low, high)


LARGE: Final = 1 << 23
"""Pixels of an image, more than those of a quadrant, whose median is found by another thread, beside the moments."""

_EVERY: Final = np.ones((0, 0), bool)
"""Stands for: all pixels count."""


@nb.njit(nogil=True, cache=True)
def _moments(values, good):  # type: ignore[no-untyped-def]
    """Number, mean, standard deviation, minimum and maximum of float32 values, summed in double precision."""
    every = good.size == 0
    n, total, low, high = 0, 0.0, np.float32(np.inf), np.float32(-np.inf)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            if every or good[y, x]:
                value = values[y, x]
                n += 1
                total += value
                low, high = min(low, value), max(high, value)
    mean, square = total / max(n, 1), 0.0
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            if every or good[y, x]:
                square += (values[y, x] - mean) ** 2
    return n, mean, np.sqrt(square / max(n - 1, 1)), float(low), float(high)


def median(values: NDArray[np.float32], good: NDArray[np.bool_] | None = None) -> float:
    """Median of an image, of its good pixels if given; NaN if there are none.

    The bits of a float32, read as a whole number, are ordered as the values (negative ones turned over): two
    histograms, of the upper and of the lower 16 bits, find the median without a copy or a sort.
    """
    mask = _EVERY if good is None else good
    upper = np.zeros(65536, np.int64)
    _count_bits(values, mask, -1, upper)
    cumulative = np.cumsum(upper)
    n = int(cumulative[-1])
    if n == 0:
        return float("nan")
    found = []
    for rank in sorted({(n - 1) // 2, n // 2}):
        high = int(np.searchsorted(cumulative, rank, "right"))
        lower = np.zeros(65536, np.int64)
        _count_bits(values, mask, high, lower)
        before = int(cumulative[high - 1]) if high else 0
        low = int(np.searchsorted(np.cumsum(lower), rank - before, "right"))
        key = high << 16 | low
        bits = np.array([key ^ (0x80000000 if key & 0x80000000 else 0xFFFFFFFF)], np.uint32)
        found.append(float(bits.view(np.float32)[0]))
    return float(np.mean(found))


@nb.njit(nogil=True, cache=True)
def _count_bits(values, good, high, histogram):  # type: ignore[no-untyped-def]
    """Histogram of the upper 16 bits of the ordered bits of values; with high >= 0 of the lower ones where they fit."""
    every = good.size == 0
    for y in range(values.shape[0]):
        # rows are contiguous, whole images need not be
        bits = values[y].view(np.uint32)
        for x in range(values.shape[1]):
            if every or good[y, x]:
                key = bits[x]
                key = ~key if key & np.uint32(0x80000000) else key | np.uint32(0x80000000)
                if high < 0:
                    histogram[key >> np.uint32(16)] += 1
                elif key >> np.uint32(16) == high:
                    histogram[key & np.uint32(0xFFFF)] += 1


@nb.njit(nogil=True, cache=True)
def _deviation(values, good, centre):  # type: ignore[no-untyped-def]
    n, total = 0, 0.0
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            if good[y, x]:
                n += 1
                total += abs(values[y, x] - centre)
    return total / max(n, 1)


def mean_deviation(values: NDArray[np.float32], good: NDArray[np.bool_], centre: float) -> float:
    """Mean absolute deviation of the good pixels of an image from a centre."""
    return float(_deviation(values, good, np.float32(centre)))


def slopes(image: NDArray[np.float32]) -> tuple[float, float]:
    """Slopes per pixel along x and y, of straight lines through the means of columns and rows."""
    along_x, along_y = image.mean(0, dtype=np.float64), image.mean(1, dtype=np.float64)
    return tuple(float(np.polyfit(np.arange(v.size), v, 1)[0]) for v in (along_x, along_y))  # type: ignore[return-value]


def windows(image: NDArray[Any]) -> NDArray[Any]:
    """The image cut into windows that do not overlap, (n, WINDOW, WINDOW), a remainder at the end left out."""
    ny, nx = (n // WINDOW for n in image.shape)
    cut = image[: ny * WINDOW, : nx * WINDOW].reshape(ny, WINDOW, nx, WINDOW)
    return cut.swapaxes(1, 2).reshape(-1, WINDOW, WINDOW)


def noise_of_difference(first: NDArray[np.uint16], second: NDArray[np.uint16]) -> tuple[float, float]:
    """Noise of one of two images of the same scene, and its scatter among windows (from the median deviation).

    Median over windows of the standard deviation of the difference, by sqrt(2); cosmic rays change few windows.

    Parameters
    ----------
    first, second : uint16 (rows, columns)
    """
    total, square = _differences(first, second)
    n = WINDOW**2
    noise = np.sqrt((square - total**2 / n) / (n - 1))
    noise /= np.sqrt(2.0)
    middle = float(np.median(noise))
    # of a normal distribution; windows with cosmic rays must not count
    return middle, 1.4826 * float(np.median(np.abs(noise - middle)))


@nb.njit(nogil=True, cache=True)
def _differences(first, second):  # type: ignore[no-untyped-def]
    """Sums of the differences of two images in each window, and of their squares.

    In integers: exact, and no large number is subtracted from another.
    """
    ny, nx = first.shape[0] // WINDOW, first.shape[1] // WINDOW
    totals, squares = np.zeros((ny, nx)), np.zeros((ny, nx))
    for i in range(ny):
        for j in range(nx):
            total, square = np.int64(0), np.int64(0)
            for y in range(i * WINDOW, (i + 1) * WINDOW):
                for x in range(j * WINDOW, (j + 1) * WINDOW):
                    difference = np.int64(first[y, x]) - np.int64(second[y, x])
                    total += difference
                    square += difference * difference
            totals[i, j], squares[i, j] = total, square
    return totals, squares


def counts_median(histogram: NDArray[np.int64]) -> float:
    """Median of whole numbers from their histogram."""
    cumulative = np.cumsum(histogram)
    n = int(cumulative[-1])
    low, high = np.searchsorted(cumulative, [(n + 1) // 2, n // 2 + 1])
    return 0.5 * (float(low) + float(high))


class RunningStatistics:
    """Statistics of an image that comes in pieces; the median is that of a fine histogram, good to half its step."""

    LOW, STEP, N = -1000.0, 0.25, 2**19

    def __init__(self) -> None:
        self.sums = np.array([0.0, 0.0, 0.0, np.inf, -np.inf])
        self.histogram = np.zeros(self.N, np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in a piece, float32 (rows, columns)."""
        _accumulate(values, self.LOW, 1.0 / self.STEP, self.histogram, self.sums)

    def result(self) -> tuple[float, ...]:
        """Median, mean, standard deviation, minimum, maximum."""
        n, total, square, low, high = self.sums
        mean = total / n
        stdev = np.sqrt(max(square - n * mean**2, 0.0) / max(n - 1, 1))
        median = self.LOW + self.STEP * (counts_median(self.histogram) + 0.5)
        return float(np.clip(median, low, high)), float(mean), float(stdev), float(low), float(high)


@nb.njit(nogil=True, cache=True)
def _accumulate(values, low, per_unit, histogram, sums):  # type: ignore[no-untyped-def]
    total, square, least, most = sums[1], sums[2], sums[3], sums[4]
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            value = np.float64(values[y, x])
            total += value
            square += value * value
            least, most = min(least, value), max(most, value)
            # the bins per unit are a power of two: the product is exact
            histogram[min(max(int((value - low) * per_unit), 0), histogram.size - 1)] += 1
    sums[0] += values.size
    sums[1], sums[2], sums[3], sums[4] = total, square, least, most
