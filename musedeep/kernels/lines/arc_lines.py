"""Arc lines on a CCD: detected in the middle of a slice, then measured in every column.

The method is that of Weilbacher et al. (2020, A&A 641, A28, section 3.3), with details from experiments on the ESO
pipeline:

1. The median of a few columns in the middle gives a spectrum of the slice (`central_spectrum`).
2. Runs of rows above a limit are lines (`detect`); Gaussians give their centres and widths (`fit_found`).
3. From the middle column, each line is followed to both edges of the slice (`follow_line`).
4. In every column a Gaussian on a constant background is fitted to it, together with its neighbours, whose distances
   are nearly fixed (`fit_column`, `fit_line`).
5. The expected position and width for the next column follow the fit, the less the larger its error is.

There are two differences. Neighbours are fitted with the line, so that they neither shift it nor attract the fit. The
width of every line is free: the ESO pipeline fixes it for all lines but those of quality 5, which shifts lines where
the line-spread function is skew and of another width.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cholesky import solve_positive

WINDOW: Final = 6
"""Rows on either side of a line that are fitted (found on the reference)."""

SMALLEST: Final = 3
"""Rows above the limit that make a line."""

COMPONENTS: Final = 5
"""Lines that are fitted together at most, the one that is measured included."""

REACH: Final = 9.0
"""Lines further apart are not fitted together, rows."""

MARGIN: Final = 3
"""Rows on the far side of a neighbour that are fitted."""

LARGEST_SIGMA: Final = 2.0
"""Broader things are no lines, pixels."""

SMALLEST_SIGMA: Final = 0.35
"""Narrower things are no lines, pixels."""

LARGEST_STEP: Final = 1.0
"""Rows that a line may be away from where it is expected."""

LARGEST_ERROR: Final = 0.3
"""Centres with a larger error are left out, pixels."""

DISTANCE_ERROR: Final = 0.1
"""How well the distances of lines from each other are known, rows."""

ROOT_2PI: Final = float(np.sqrt(2.0 * np.pi))


def central_spectrum(
    data: NDArray[np.float32], dq: NDArray[np.int32], stat: NDArray[np.float32], columns: slice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Medians over a few columns: signal, and signal to noise, float64 (rows,) each.

    Parameters
    ----------
    data, stat : float32 (rows, columns), count and count**2
    dq : int32 (rows, columns); flagged pixels count only where all are
    columns : which
    """
    values = data[:, columns].astype(np.float64)
    noise = np.sqrt(np.maximum(stat[:, columns].astype(np.float64), 1e-12))
    bad = (dq[:, columns] != 0) & ~(dq[:, columns] != 0).all(1)[:, None]
    ratio = np.where(bad, np.nan, values / noise)
    values = np.where(bad, np.nan, values)
    if bad.any():
        return np.nanmedian(values, 1), np.nanmedian(ratio, 1)
    return np.median(values, 1), np.median(ratio, 1)


def detect(signal: NDArray[np.float64], ratio: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Lines in a spectrum: runs of at least `SMALLEST` rows above the limit.

    The limit is the median of the signal to noise plus `sigma` times its mean absolute deviation, which the lines
    themselves make large: a line has to stand out among the others (found on the reference).

    Parameters
    ----------
    signal, ratio : float64 (rows,), count, and signal to noise
    sigma : number

    Returns
    -------
    float64 (n, 4) : middle of the run and place of its highest row (rows from 1), height of that above the median
        [count], length of the run
    """
    middle = float(np.median(ratio))
    above = ratio > middle + sigma * float(np.abs(ratio - middle).mean())
    padded = np.concatenate([[False], above, [False]])
    starts, stops = np.flatnonzero(padded[1:] & ~padded[:-1]), np.flatnonzero(~padded[1:] & padded[:-1])
    background = float(np.median(signal))
    found = [
        (0.5 * (a + 1 + b), a + 1 + float(np.argmax(signal[a:b])), signal[a:b].max() - background, b - a)
        for a, b in zip(starts, stops, strict=True)
        if b - a >= SMALLEST
    ]
    return np.array(found, np.float64).reshape(-1, 4)


@nb.njit(nogil=True, cache=True)
def fit_line(rows, values, weights, n, centres, n_lines, free, p, work):  # type: ignore[no-untyped-def]
    """Fit Gaussians of one width on a constant background: error of the shift (pixels), NaN if the fit fails.

    The first line has a shift of its own, all others have one together, which is tied to it: distances are known
    to `DISTANCE_ERROR`.

    Parameters
    ----------
    rows, values, weights : float64 (at least n,); weights are inverse variances
    n : int, values that count
    centres : float64 (n_lines,), where lines are expected
    n_lines : int
    free : bool, the width is fitted
    p : float64 (n_lines + 4,), shift, width (sigma), background, shift of the others, fluxes; start values, changed
        to the result
    work : float64 (3, m, m) with m of at least n_lines + 4
    """
    m = n_lines + 4
    a, factor = work[0], work[1]
    b, trial, g = work[2, 0], work[2, 1], work[2, 2]
    damping = 1e-3
    chisq = np.inf
    tie = 1.0 / DISTANCE_ERROR**2
    for iteration in range(40):
        for j in range(m):
            b[j] = 0.0
            for k in range(j + 1):
                a[j, k] = 0.0
        total = 0.0
        for i in range(n):
            if weights[i] == 0.0:
                continue
            model = p[2]
            g[0], g[1], g[2], g[3] = 0.0, 0.0, 1.0, 0.0
            for k in range(n_lines):
                own = 0 if k == 0 else 3
                t = (rows[i] - centres[k] - p[own]) / p[1]
                if abs(t) > 12.0:
                    g[4 + k] = 0.0
                    continue
                e = np.exp(-0.5 * t * t) / (p[1] * ROOT_2PI)
                g[4 + k] = e
                f = p[4 + k] * e
                model += f
                g[own] += f * t / p[1]
                g[1] += f * (t * t - 1.0) / p[1]
            r = values[i] - model
            total += weights[i] * r * r
            for j in range(m):
                wg = weights[i] * g[j]
                b[j] += wg * r
                for k in range(j + 1):
                    a[j, k] += wg * g[k]
        if n_lines == 1:
            a[3, 3] = 1.0
        else:
            away = p[3] - p[0]
            total += tie * away * away
            a[0, 0] += tie
            a[3, 3] += tie
            a[3, 0] -= tie
            b[0] += tie * away
            b[3] -= tie * away
        chisq = total
        if not free:
            a[1, 0], a[1, 1], b[1] = 0.0, 1.0, 0.0
            for j in range(2, m):
                a[j, 1] = 0.0
        for j in range(m):
            if not a[j, j] > 0.0:
                return np.nan
        done = False
        accepted = False
        for _ in range(10):
            for j in range(m):
                trial[j] = b[j]
                for k in range(j + 1):
                    factor[j, k] = a[j, k]
                factor[j, j] *= 1.0 + damping
            if not solve_positive(factor, trial, m, 0.0):
                damping *= 10.0
                continue
            small = abs(trial[0]) < 1e-5 and abs(trial[1]) < 1e-5
            for j in range(m):
                trial[j] += p[j]
            after = np.inf
            if 0.2 < trial[1] < 8.0 and abs(trial[0]) < 8.0 and abs(trial[3]) < 4.0:
                after = 0.0 if n_lines == 1 else tie * (trial[3] - trial[0]) ** 2
                for i in range(n):
                    if weights[i] == 0.0:
                        continue
                    model = trial[2]
                    for k in range(n_lines):
                        t = (rows[i] - centres[k] - trial[0 if k == 0 else 3]) / trial[1]
                        if abs(t) <= 12.0:
                            model += trial[4 + k] * np.exp(-0.5 * t * t) / (trial[1] * ROOT_2PI)
                    after += weights[i] * (values[i] - model) ** 2
            if after <= chisq:
                for j in range(m):
                    p[j] = trial[j]
                accepted = True
                done = small or chisq - after < 1e-7 * chisq
                damping = max(damping * 0.1, 1e-9)
                break
            if small:
                done = True
                break
            damping *= 10.0
        if done:
            break
        if not accepted:
            return np.nan
        if iteration == 39:
            return np.nan
    # the error: variance of the shift, all others free
    for j in range(m):
        b[j] = 0.0
        for k in range(j + 1):
            factor[j, k] = a[j, k]
    b[0] = 1.0
    if not solve_positive(factor, b, m, 0.0):
        return np.nan
    return np.sqrt(b[0])


@nb.njit(nogil=True, cache=True)
def fit_column(data, dq, stat, column, expected, others, n_others, sigma, free, half, p, buffers, work):  # type: ignore[no-untyped-def]
    """Fit a line in one column: error of the centre; NaN if there are too few good pixels or the fit fails.

    Parameters
    ----------
    data, dq, stat : (rows, columns)
    column : int, from 0
    expected : row (from 1) of the line
    others : float64 (n_others,), distances of its neighbours, rows
    n_others : int
    sigma : start value of the width
    free : bool, the width is fitted
    half : rows on either side
    p : float64 (COMPONENTS + 4,), filled as by `fit_line`
    buffers : float64 (4, m), m of at least 2 (half + REACH + MARGIN)
    work : as of `fit_line`
    """
    first, last = int(np.rint(expected)) - half, int(np.rint(expected)) + half
    for k in range(n_others):
        first = min(first, int(np.rint(expected + others[k])) - MARGIN)
        last = max(last, int(np.rint(expected + others[k])) + MARGIN)
    first, last = max(first, 1), min(last, data.shape[0])
    rows, values, weights, centres = buffers[0], buffers[1], buffers[2], buffers[3]
    n, good, near = np.int64(0), 0, 0
    total, low = 0.0, np.inf
    for row in range(first, last + 1):
        rows[n] = row
        values[n] = data[row - 1, column]
        variance = stat[row - 1, column]
        weights[n] = 0.0
        if dq[row - 1, column] == 0 and variance > 0.0 and np.isfinite(values[n]):
            weights[n] = 1.0 / variance
            good += 1
            low = min(low, values[n])
            if abs(row - expected) < 1.6 * sigma + 0.5:
                near += 1
                total += values[n]
        n += 1
    # the core of the line has to be there, but for a pixel
    if good < n_others + 5 or near < 2 or near < int(2.0 * (1.6 * sigma + 0.5)) - 1:
        return np.nan
    centres[0] = expected
    p[0], p[1], p[2], p[3], p[4] = 0.0, sigma, max(min(low, 0.0), -10.0), 0.0, total
    for k in range(n_others):
        place = expected + others[k]
        centres[1 + k] = place
        row = min(max(int(np.rint(place)), first), last)
        p[5 + k] = max(values[row - first], 0.0) * sigma * ROOT_2PI
    return fit_line(rows, values, weights, n, centres, n_others + 1, free, p, work)


@nb.njit(nogil=True, cache=True)
def fit_found(data, dq, stat, column, places, sigma, half, out):  # type: ignore[no-untyped-def]
    """Fit a Gaussian to each of the lines found in a column.

    Parameters
    ----------
    data, dq, stat : (rows, columns)
    column : int, from 0
    places : float64 (n,), rows from 1
    sigma : start value of the width
    half : rows on either side
    out : float64 (n, 4), filled: centre, its error, width, flux; NaN where the fit fails
    """
    p, buffers = np.empty(COMPONENTS + 4), np.empty((4, 2 * (half + int(REACH) + MARGIN) + 4))
    work = np.empty((3, COMPONENTS + 4, COMPONENTS + 4))
    none = np.empty(0)
    # plain constants would have `fit_column`, and what it calls, compiled once more for them
    n_none, free = np.int64(0), np.bool_(True)
    for i in range(places.size):
        error = fit_column(data, dq, stat, column, places[i], none, n_none, sigma, free, half, p, buffers, work)
        out[i] = np.nan
        if not np.isnan(error) and p[4] > 0.0:
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = places[i] + p[0], error, p[1], p[4]


@nb.njit(nogil=True, cache=True)
def follow_line(data, dq, stat, start, expected, others, n_others, sigma, free, edges, half, out):  # type: ignore[no-untyped-def]
    """Measure a line in all columns of a slice, from its middle outwards: number of columns with a centre.

    Parameters
    ----------
    data, dq, stat : (rows, columns)
    start : int, column (from 0) where it is expected at row `expected` (from 1)
    others : float64 (n_others,), distances of its neighbours, rows
    sigma : expected width
    free : bool, the width is fitted
    edges : first and last column (from 0) of the slice
    half : rows on either side
    out : float64 (last - first + 1, 4), filled: centre, its error, width, flux; NaN where there is none
    """
    p, buffers = np.empty(COMPONENTS + 4), np.empty((4, 2 * (half + int(REACH) + MARGIN) + 4))
    work = np.empty((3, COMPONENTS + 4, COMPONENTS + 4))
    first, last = edges
    out[:] = np.nan
    found = 0
    guess_start, sigma_start = expected, sigma
    for direction in (-1, 1):
        guess, width = guess_start, sigma_start
        column = start if direction == -1 else start + 1
        while first <= column <= last:
            error = fit_column(data, dq, stat, column, guess, others, n_others, width, free, half, p, buffers, work)
            good = not np.isnan(error) and error < LARGEST_ERROR and abs(p[0]) < LARGEST_STEP
            good = good and SMALLEST_SIGMA < p[1] < LARGEST_SIGMA and p[4] > 0.0
            if good:
                k = column - first
                out[k, 0], out[k, 1], out[k, 2], out[k, 3] = guess + p[0], error, p[1], p[4]
                found += 1
                if column == start:
                    guess_start = guess + p[0]
                # what comes next: a faint line jumps by its noise, its track does not
                share = 1.0 / (1.0 + (error / 0.02) ** 2)
                guess += share * p[0]
                width += share * 0.5 * (p[1] - width)
            column += direction
    return found
