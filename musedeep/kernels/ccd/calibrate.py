"""From raw rows of a CCD to calibrated ones: overscan, bias, gain, dark, variances, flags."""

from typing import Final

import numba as nb

from musedeep.instrument import DQ

CEILING: Final = 65500
"""Raw values above it are saturated, adu (found by experiments on the reference)."""

SATURATED: Final = int(DQ.SATURATED)


@nb.njit(nogil=True, cache=True)
def scan(raw, histogram):
    """Number of saturated pixels (above `CEILING`, or 0) of a raw image, whose values are added to a histogram.

    Parameters
    ----------
    raw : uint16 (rows, columns)
    histogram : int64 (65536,), added to
    """
    n = 0
    for y in range(raw.shape[0]):
        for x in range(raw.shape[1]):
            value = raw[y, x]
            histogram[value] += 1
            if value > CEILING or value == 0:
                n += 1
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
