"""Pixels around arc lines, and the centre, flux and background of each line.

1. The pixels of a slice within a window around each line are collected, with their wavelengths (`gather`).
2. The background of a line is the mean of its pixels further than 5.5 Angstrom from its catalogue wavelength.
3. A Gaussian, fitted with equal weights to the pixels less this background, gives centre and flux (`fit_line`).
4. Lines with too few pixels, without significant flux, or far from their wavelength are left out (`measure_lines`).

The details match the ESO pipeline (found by experiments).
"""

from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.levenberg import CONVERGED, STUCK, Damping, Model, eliminate, minimise, space
from musedeep.kernels.slices.slice_pixels import row_span, row_terms

FLANK: Final = 5.5
"""The background is measured further than this from a line, Angstrom (found on the reference)."""

CORE: Final = 2.5
"""Part of a line that has to be whole for its flux to be known, Angstrom from its centre."""

CORE_SHARE: Final = 0.8
"""Good pixels among those of the core, at least."""

FEWEST: Final = 40
"""Pixels of the background, at least."""

SIGNIFICANT: Final = 20.0
"""Flux of a line over its error, at least; the faintest of the lists have hundreds."""

START_SIGMA: Final = 1.1
DAMPING: Final = Damping(attempts=40, steps=40, refusals=40, decrease=-np.inf, least=1e-12, most=1e8)
SMALLEST_STEP: Final = 1e-8
"""Change with which a fit has converged: of centre and width over the width, of flux over itself."""

_SQRT_2PI = float(np.sqrt(2.0 * np.pi))


@nb.njit(nogil=True, cache=True, inline="always")
def _take(place, offset, line, low, high, good, n, where, offsets, members, expected):  # type: ignore[no-untyped-def]
    """One pixel of one window; returns the number of entries."""
    if offset < low[line] or offset > high[line]:
        return n
    if abs(offset) < CORE:
        expected[line] += 1
    if not good:
        return n
    if n < where.size:
        where[n], offsets[n], members[n] = place, offset, line
    return n + 1


@nb.njit(nogil=True, cache=True)
def gather(
    edges: NDArray[np.float64],
    wavelength: NDArray[np.float64],
    lines: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    data: NDArray[np.float32],
    dq: NDArray[np.int32],
    where: NDArray[np.int64],
    offsets: NDArray[np.float64],
    members: NDArray[np.int64],
    expected: NDArray[np.int64],
) -> Any:
    """Pixels of a slice in the windows of arc lines, some in several; returns their number, which may exceed `size`.

    Bounded by the evaluation of the wavelength of each pixel, about 10 ns; rows without lines cost nothing.

    Parameters
    ----------
    edges : float64 (2, rows), left and right edge in each row [pixel, from 1]
    wavelength : float64 (x order + 1, y order + 1), polynomial of column and row, both from 1 [Angstrom]
    lines : float64 (n,), wavelengths, sorted [Angstrom]
    low, high : float64 (n,), windows relative to the lines [Angstrom]
    data : float32 (rows, columns); dq : int32 (rows, columns)
    where, offsets, members : int64, float64, int64 (size,), filled
        Place of the pixel in the image, wavelength relative to the line, number of the line.
    expected : int64 (n,), filled, pixels within `CORE` of each line, good or not
    """
    n_columns = data.shape[1]
    n_lines = lines.size
    lowest, highest = low.min(), high.max()
    expected[:] = 0
    terms = np.empty(wavelength.shape[0])
    n = 0
    for row in range(edges.shape[1]):
        first, last = row_span(edges[0, row], edges[1, row], n_columns)
        if last < first:
            continue
        row_terms(wavelength, row + 1.0, terms)
        k = -1
        for x in range(first, last + 1):
            value = 0.0
            for i in range(terms.size - 1, -1, -1):
                value = value * x + terms[i]
            if k < 0:
                k = int(np.searchsorted(lines, value))
            while k > 0 and lines[k - 1] > value:
                k -= 1
            while k < n_lines and lines[k] <= value:
                k += 1
            good = dq[row, x - 1] == 0 and np.isfinite(data[row, x - 1])
            at = k - 1
            while at >= 0 and value - lines[at] <= highest:
                n = _take(row * n_columns + x - 1, value - lines[at], at, low, high, good, n, where, offsets, members,
                          expected)  # fmt: skip
                at -= 1
            at = k
            while at < n_lines and value - lines[at] >= lowest:
                n = _take(row * n_columns + x - 1, value - lines[at], at, low, high, good, n, where, offsets, members,
                          expected)  # fmt: skip
                at += 1
    return n


@nb.njit(nogil=True, cache=True)
def _equations(data, p, normal, gradient):  # type: ignore[no-untyped-def]
    """Sum of squared residuals, and the normal equations of flux, centre and width."""
    offsets, values = data
    normal[:] = 0.0
    gradient[:] = 0.0
    total = 0.0
    for k in range(values.size):
        u = (offsets[k] - p[1]) / p[2]
        shape = np.exp(-0.5 * u * u) / (p[2] * _SQRT_2PI)
        light = p[0] * shape
        d = shape, light * u / p[2], light * (u * u - 1.0) / p[2]
        residual = values[k] - light
        total += residual * residual
        for i in range(3):
            gradient[i] += d[i] * residual
            for j in range(3):
                normal[i, j] += d[i] * d[j]
    return total


@nb.njit(nogil=True, cache=True)
def _within(data, p):  # type: ignore[no-untyped-def]
    return 0.1 < p[2] < 10.0


@nb.njit(nogil=True, cache=True)
def _small(step, p):  # type: ignore[no-untyped-def]
    return max(abs(step[1]), abs(step[2])) < SMALLEST_STEP * p[2] and abs(step[0]) < SMALLEST_STEP * abs(p[0])


MODEL: Final = Model(_equations, eliminate, _within, _small)


@nb.njit(nogil=True, cache=True)
def fit_line(offsets, values, p):  # type: ignore[no-untyped-def]
    """Fit a Gaussian without background; returns whether the fit converged.

    Parameters
    ----------
    offsets, values : float64 (n,), Angstrom and count
    p : float64 (3,): flux, centre, standard deviation; first guess, then the result
    """
    status, _ = minimise(MODEL, 3, (offsets, values), p, space(3), DAMPING)
    # stuck: the minimum, within rounding
    return status in (CONVERGED, STUCK)


@nb.njit(nogil=True, cache=True)
def measure_lines(
    members: NDArray[np.int64],
    offsets: NDArray[np.float64],
    values: NDArray[np.float64],
    expected: NDArray[np.int64],
    results: NDArray[np.float64],
) -> None:
    """Background, flux, centre and width of lines.

    Parameters
    ----------
    members : int64 (m,), number of the line of each sample; sorted
    offsets, values : float64 (m,), Angstrom from the line in the catalogue, and count
    expected : int64 (n,), pixels of the cores without regard of flags
    results : float64 (n, 4), filled
        Background, flux, centre (relative to the catalogue), standard deviation; NaN where there is no good line.
    """
    results[:] = np.nan
    p = np.empty(3)
    normal, gradient = np.empty((3, 3)), np.empty(3)
    start = 0
    while start < members.size:
        line = members[start]
        stop = start
        while stop < members.size and members[stop] == line:
            stop += 1
        base, n_base, n_core, highest = 0.0, 0, 0, 0.0
        for k in range(start, stop):
            if abs(offsets[k]) > FLANK:
                base += values[k]
                n_base += 1
            elif abs(offsets[k]) < CORE:
                n_core += 1
                highest = max(highest, values[k])
        if n_base >= FEWEST and n_core >= CORE_SHARE * expected[line]:
            base /= n_base
            p[0], p[1], p[2] = (highest - base) * START_SIGMA * _SQRT_2PI, 0.0, START_SIGMA
            light = values[start:stop] - base
            if p[0] > 0.0 and fit_line(offsets[start:stop], light, p):
                left = _equations((offsets[start:stop], light), p, normal, gradient)
                error = np.sqrt(left / (stop - start) / normal[0, 0])
                if p[0] > SIGNIFICANT * error and abs(p[1]) < 1.0 and 0.4 < p[2] < 3.0:
                    results[line, 0], results[line, 1], results[line, 2], results[line, 3] = base, p[0], p[1], p[2]
        start = stop
