"""From raw rows of a CCD to calibrated ones: overscan, bias, gain, dark, variances, flags."""

from typing import Final

import numba as nb
import numpy as np

from musedeep.instrument import DQ

CEILING: Final = 65500
"""Raw values above it are saturated, adu (found by experiments on the reference)."""

SATURATED: Final = int(DQ.SATURATED)


@nb.njit(nogil=True, cache=True)
def scan(raw, spans, histograms):
    """Number of saturated pixels (above `CEILING`, or 0) of a raw image, and histograms of the values of its quadrants.

    Parameters
    ----------
    raw : uint16 (rows, columns)
    spans : int64 (quadrants, 4), of each the first row and the one after the last, and the same of columns
    histograms : int32 (quadrants, 2, 65536), added to; the histogram of a quadrant is the sum of its two, between which
        neighbouring pixels, whose values are often equal, change: a processor need not wait for the one before
    """
    n = 0
    for y in range(raw.shape[0]):
        row = raw[y]
        of_row = 0
        for x in range(row.size):
            # one comparison: 0 turns into the largest value
            of_row += int(np.uint16(row[x] - np.uint16(1)) >= np.uint16(CEILING))
        n += of_row
        for k in range(spans.shape[0]):
            if spans[k, 0] <= y < spans[k, 1]:
                inside = row[spans[k, 2] : spans[k, 3]]
                even, odd = histograms[k, 0], histograms[k, 1]
                for x in range(0, inside.size - 1, 2):
                    even[inside[x]] += 1
                    odd[inside[x + 1]] += 1
                if inside.size % 2:
                    even[inside[inside.size - 1]] += 1
    return n


@nb.njit(nogil=True, cache=True)
def subtract_overscan(raw, level, data, dq):
    """Raw values of one quadrant above the level of their row, and flags of saturated ones.

    Parameters
    ----------
    raw : uint16 (rows, columns)
    level : float64 (rows,), adu
    data : float32 (rows, columns), filled, adu
    dq : int32 (rows, columns), flags are added
    """
    for y in range(raw.shape[0]):
        for x in range(raw.shape[1]):
            value = raw[y, x]
            data[y, x] = value - level[y]
            if value > CEILING or value == 0:
                dq[y, x] |= SATURATED


@nb.njit(nogil=True, cache=True)
def subtract_bias(data, dq, stat, bias, bias_dq, bias_stat, gain):
    """Subtract a master bias from rows of one quadrant, go from adu to electrons, and give them a variance.

    The variance is that of the photons (the electrons, at least 0) and that of the bias.

    Parameters
    ----------
    data : float32 (rows, columns), adu, changed to count
    dq : int32 (rows, columns), flags are added
    stat : float32 (rows, columns), filled, count**2
    bias, bias_stat : float32 (rows, columns), adu and adu**2
    bias_dq : int32 (rows, columns)
    gain : count per adu
    """
    for y in range(data.shape[0]):
        for x in range(data.shape[1]):
            count = (data[y, x] - bias[y, x]) * gain
            data[y, x] = count
            stat[y, x] = max(count, 0.0) + bias_stat[y, x] * gain * gain
            dq[y, x] |= bias_dq[y, x]


@nb.njit(nogil=True, cache=True)
def subtract_dark(data, dq, stat, dark, dark_dq, dark_stat, factor):
    """Subtract a master dark, scaled by `factor`, from rows; variances add, flags join."""
    for y in range(data.shape[0]):
        for x in range(data.shape[1]):
            data[y, x] -= dark[y, x] * factor
            stat[y, x] += dark_stat[y, x] * factor * factor
            dq[y, x] |= dark_dq[y, x]


@nb.njit(nogil=True, cache=True)
def divide_flat(data, dq, stat, flat, flat_dq, flat_stat):
    """Divide rows by a master flat, except where it is 0; variances propagate, flags join."""
    for y in range(data.shape[0]):
        for x in range(data.shape[1]):
            dq[y, x] |= flat_dq[y, x]
            if flat[y, x] == 0.0:
                continue
            value = data[y, x] / flat[y, x]
            stat[y, x] = (stat[y, x] + value * value * flat_stat[y, x]) / (flat[y, x] * flat[y, x])
            data[y, x] = value


@nb.njit(nogil=True, cache=True)
def scale(data, stat, factor):
    """Multiply rows by a factor, and their variances by its square."""
    for y in range(data.shape[0]):
        for x in range(data.shape[1]):
            data[y, x] *= factor
            stat[y, x] *= factor * factor
