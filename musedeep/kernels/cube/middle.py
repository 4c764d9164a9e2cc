"""Medians of samples that may be reordered."""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def select(a, n, k):
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
    upper = np.float64(select(a, n, k))
    if n & 1:
        return upper
    lower = a[0]
    for i in range(1, k):
        lower = max(lower, a[i])
    return 0.5 * (np.float64(lower) + upper)


@nb.njit(nogil=True, cache=True)
def median_near(a, n, low, high, near):
    """Median of a[:n], which is expected in [low, high]: only what lies there is put in order.

    Parameters
    ----------
    a : float64 (n,), reordered if the expectation is wrong
    low, high : float
    near : float64 (n,), scratch
    """
    below, m = np.int64(0), np.int64(0)
    for i in range(n):
        v = a[i]
        near[m] = v
        below += v < low
        m += (v >= low) & (v <= high)
    k = n >> 1
    if k - below >= m or k - 1 + (n & 1) < below:
        return median(a, n)
    upper = select(near, m, k - below)
    if n & 1:
        return upper
    lower = near[0]
    for i in range(1, k - below):
        lower = max(lower, near[i])
    return 0.5 * (lower + upper)
