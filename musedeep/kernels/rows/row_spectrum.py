"""A spectrum of rows of a pixel table: each row shares its value among the two nearest bins."""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray


@nb.njit(nogil=True, cache=True)
def share_row(place: Any, data: Any, stat: Any, sums: NDArray[np.float64]) -> None:
    """Add a row to the sums of a spectrum, shared among the two nearest bins by its nearness to their centres.

    Parameters
    ----------
    place : float, of the row, in bins from the centre of the first
    data, stat : float
    sums : float64 (4 or 6, bins), added to
        Of weights, of weighted values, of variances times the squares of weights, of weighted variances; and of
        weighted squares of values, of weighted distances from the centre of the bin (in bins).
    """
    k = int(np.floor(place))
    part = place - k
    for j, weight in ((k, 1.0 - part), (k + 1, part)):
        if 0 <= j < sums.shape[1] and weight > 0.0:
            sums[0, j] += weight
            sums[1, j] += weight * data
            sums[2, j] += weight * weight * stat
            sums[3, j] += weight * stat
            if sums.shape[0] > 4:
                sums[4, j] += weight * data * data
                sums[5, j] += weight * (place - j)


@nb.njit(nogil=True, cache=True)
def add_rows(
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    use: NDArray[np.bool_],
    start: Any,
    step: Any,
    sums: NDArray[np.float64],
) -> None:
    """Add rows to the sums of a spectrum, weighted by their nearness to the centres of bins.

    Parameters
    ----------
    wavelength, data, stat : float32 (rows,)
    use : bool (rows,)
    start, step : float, centre of the first bin, and width of bins [Angstrom]
    sums : float64 (4, bins), added to; see `share_row`
    """
    for i in range(wavelength.size):
        if use[i]:
            share_row((wavelength[i] - start) / step, data[i], stat[i], sums)


@nb.njit(nogil=True, cache=True)
def clip_rows(
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    start: Any,
    step: Any,
    spectrum: NDArray[np.float64],
    scatter: NDArray[np.float64],
    high: Any,
    low: Any,
    use: NDArray[np.bool_],
) -> Any:
    """Leave out rows more than `high` or `low` standard deviations from a spectrum; returns their number.

    These are the mean ones at the wavelength of a row: a row that is too bright has a large variance of its own.

    Parameters
    ----------
    wavelength, data, start, step : as for `add_rows`
    spectrum, scatter : float64 (bins,), mean value and mean variance of rows
    high, low : float
    use : bool (rows,), changed
    """
    n = spectrum.size
    found = 0
    for i in range(wavelength.size):
        if not use[i]:
            continue
        place = min(max((wavelength[i] - start) / step, 0.0), n - 1.0)
        k = min(int(place), n - 2)
        part = place - k
        residual = data[i] - ((1.0 - part) * spectrum[k] + part * spectrum[k + 1])
        deviation = np.sqrt(max((1.0 - part) * scatter[k] + part * scatter[k + 1], 0.0))
        if residual > high * deviation or residual < -low * deviation:
            use[i] = False
            found += 1
    return found


def spectrum_of(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and its variance of each bin, from the sums of `add_rows`; NaN where nothing fell."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[1] / sums[0], sums[2] / sums[0] ** 2
