"""Spectra of sky residuals: the filter of continua, and the fit of components that leaves lines of sources alone.

Arrays of spectra are (spaxels, planes) float32, NaN where there is no value; each spectrum is independent of the
others, so that results do not depend on how spaxels are grouped.
"""

import math

import numba as nb
import numpy as np

from musedeep.kernels.cholesky import solve_positive
from musedeep.kernels.cube.middle import median, select

BIN = 15
"""Planes of which a median is taken first, a few more where they do not divide all planes."""

HALF_WINDOW = 10
"""Bins on both sides of a bin whose medians give the continuum there: 315 planes in all."""

LEAST_HALF_WINDOW = 3
"""The same at the ends of a spectrum, where the window gets shorter to stay symmetrical."""

NORMAL = 1.4826
"""Standard deviation over the median of absolute values, of a normal distribution centred at zero."""

GROWTH = 3
"""Planes on both sides of a line of a source that are left out, too."""

ROUNDS = 3
"""Most searches for lines of sources in a spectrum."""

LEAST = 1e-12
"""Squares of the diagonal below which the components are no longer independent in the planes that are left."""


@nb.njit(nogil=True, cache=True)
def plane_figures(values, chosen, scratch):
    """Median, half the distance of the percentiles 15.87 and 84.13, and number of the chosen values that are finite.

    Parameters
    ----------
    values : float32 (n,)
    chosen : bool (n,)
    scratch : float32 (n,)

    Returns
    -------
    tuple of float, float, int
        NaN without any value.
    """
    n = np.int64(0)
    for i in range(values.size):
        if chosen[i] and math.isfinite(values[i]):
            scratch[n] = values[i]
            n += 1
    if n == 0:
        return math.nan, math.nan, n
    centre = median(scratch, n)
    low = select(scratch, n, np.int64(0.1587 * (n - 1)))
    high = select(scratch, n, np.int64(0.8413 * (n - 1)))
    return centre, 0.5 * (np.float64(high) - np.float64(low)), n


@nb.njit(nogil=True, cache=True)
def continuum(spectrum, middle, smooth, scratch):
    """Medians of bins of about `BIN` planes, and running medians of them: the continuum at the middle of each bin.

    Parameters
    ----------
    spectrum : float32 (planes,)
    middle, smooth : float32 (bins,); the result is in `smooth`, NaN where a bin and all around it are empty
    scratch : float32, of at least max(2 `BIN`, 2 `HALF_WINDOW` + 1)
    """
    bins, planes = smooth.size, spectrum.size
    for b in range(bins):
        n = np.int64(0)
        for z in range(b * planes // bins, (b + 1) * planes // bins):
            if math.isfinite(spectrum[z]):
                scratch[n] = spectrum[z]
                n += 1
        middle[b] = median(scratch, n) if n > BIN // 3 else math.nan
    for b in range(bins):
        half = max(min(HALF_WINDOW, b, bins - 1 - b), LEAST_HALF_WINDOW)
        n = np.int64(0)
        for k in range(max(b - half, 0), min(b + half + 1, bins)):
            if math.isfinite(middle[k]):
                scratch[n] = middle[k]
                n += 1
        smooth[b] = median(scratch, n) if n else math.nan


@nb.njit(nogil=True, cache=True)
def filter_spectra(spectra, level, sigma, used, scales):
    """Take the level of the sky and the continuum out of spectra, and divide them by the noise, in place.

    Parameters
    ----------
    spectra : float32 (n, planes)
    level, sigma : float32 (planes,), of the sky and of the noise; NaN of planes that are not used
    used : int64, number of planes that are used
    scales : float32 (n,), becomes the robust standard deviation of each result; 0 of spectra that lack half of it
    """
    n, planes = spectra.shape
    bins = max(planes // BIN, 1)
    middle, smooth = np.empty(bins, np.float32), np.empty(bins, np.float32)
    scratch = np.empty(max(planes, 2 * HALF_WINDOW + 1), np.float32)
    for i in range(n):
        s = spectra[i]
        for z in range(planes):
            s[z] -= level[z]
        continuum(s, middle, smooth, scratch)
        count = np.int64(0)
        for z in range(planes):
            # straight lines between the middles of bins
            place = (z + 0.5) * bins / planes - 0.5
            b = min(max(np.int64(math.floor(place)), 0), max(bins - 2, 0))
            after = min(b + 1, bins - 1)
            part = min(max(place - b, 0.0), 1.0)
            low, high = smooth[b], smooth[after]
            if not math.isfinite(low):
                low = high
            if not math.isfinite(high):
                high = low
            s[z] = (s[z] - (low + np.float32(part) * (high - low))) / sigma[z]
            if math.isfinite(s[z]):
                scratch[count] = abs(s[z])
                count += 1
        scales[i] = NORMAL * median(scratch, count) if count > 0 and 2 * count >= used else 0.0


@nb.njit(nogil=True, cache=True)
def prepare_for_covariance(spectra, scales, limit):
    """Divide spectra by their scales, cut values at limits, and set missing ones to 0, in place.

    Parameters
    ----------
    spectra : float32 (n, planes)
    scales : float32 (n,); spectra with 0 become 0
    limit : float32 (planes,)
    """
    n, planes = spectra.shape
    for i in range(n):
        factor = np.float32(1.0) / scales[i] if scales[i] > 0.0 else np.float32(0.0)
        for z in range(planes):
            v = spectra[i, z] * factor
            if v > limit[z]:
                v = limit[z]
            elif v < -limit[z]:
                v = -limit[z]
            spectra[i, z] = v if math.isfinite(v) else np.float32(0.0)


@nb.njit(nogil=True, cache=True)
def _find_lines(rest, valid, outside, threshold, scratch):
    """Mark planes of lines of sources: beyond the threshold alone or as a sum of three; returns how many are new."""
    planes = rest.size
    n = np.int64(0)
    for z in range(planes):
        if valid[z]:
            scratch[n] = abs(rest[z])
            n += 1
    if n == 0:
        return 0
    limit = threshold * NORMAL * median(scratch, n)
    limit_of_three = limit * math.sqrt(3.0)
    new = np.int64(0)
    for z in range(planes):
        hit = abs(rest[z]) > limit
        if not hit and 0 < z < planes - 1:
            hit = abs(rest[z - 1] + rest[z] + rest[z + 1]) > limit_of_three
        if hit:
            for k in range(max(z - GROWTH, 0), min(z + GROWTH + 1, planes)):
                if valid[k] and not outside[k]:
                    outside[k] = True
                    new += 1
    return new


@nb.njit(nogil=True, cache=True)
def fit_components(spectra, scales, vectors, columns, prior, threshold, out):
    """Coefficients of components in each spectrum: least squares with a normal prior, without lines of sources.

    The planes of a line that no component explains are found in what the fit leaves (more than `threshold` standard
    deviations), left out, and the fit is made again.

    Parameters
    ----------
    spectra : float32 (n, planes), filtered; NaN count as missing
    scales : float32 (n,), of their noise; spectra with 0, or without half of their planes, get coefficients 0
    vectors : float32 (planes, components), orthonormal
    columns : float32 (components, planes), the same, transposed
    prior : float64 (components,), variance of the noise over that of the component
    threshold : float
    out : float32 (n, components)
    """
    n, planes = spectra.shape
    components = prior.size
    rest, scratch = np.empty(planes, np.float32), np.empty(planes, np.float32)
    valid, outside = np.empty(planes, np.bool_), np.empty(planes, np.bool_)
    first, found = np.empty(components, np.float32), np.empty(components, np.float64)
    matrix = np.empty((components, components), np.float64)
    for i in range(n):
        s, present = spectra[i], np.int64(0)
        for z in range(planes):
            valid[z] = math.isfinite(s[z])
            outside[z] = False
            present += valid[z]
        out[i] = 0.0
        if components == 0 or 2 * present < planes or not scales[i] > 0.0:
            continue
        first[:] = 0.0
        for z in range(planes):
            if valid[z]:
                v = s[z]
                for k in range(components):
                    first[k] += v * vectors[z, k]
        left_out = planes - present
        for turn in range(ROUNDS + 1):
            if left_out == 0:
                for k in range(components):
                    found[k] = first[k] / (1.0 + prior[k])
            else:
                for k in range(components):
                    found[k] = first[k]
                    matrix[k, :] = 0.0
                    matrix[k, k] = 1.0 + prior[k]
                for z in range(planes):
                    if outside[z] or not valid[z]:
                        for k in range(components):
                            a = np.float64(vectors[z, k])
                            if outside[z]:
                                found[k] -= a * s[z]
                            for m in range(k + 1):
                                matrix[k, m] -= a * vectors[z, m]
                if not solve_positive(matrix, found, components, LEAST):
                    found[:] = 0.0
                    break
            if turn == ROUNDS:
                break
            for z in range(planes):
                rest[z] = s[z] if valid[z] else np.float32(0.0)
            for k in range(components):
                f = np.float32(found[k])
                for z in range(planes):
                    rest[z] -= f * columns[k, z]
            for z in range(planes):
                if not valid[z]:
                    rest[z] = 0.0
            new = _find_lines(rest, valid, outside, threshold, scratch)
            left_out += new
            if new == 0 or 2 * left_out > planes:
                break
        for k in range(components):
            out[i, k] = found[k]


@nb.njit(nogil=True, cache=True)
def subtract_components(plane, level, columns, coefficients):
    """Subtract a level and components from a plane, in place, component by component.

    Parameters
    ----------
    plane : float32 (spaxels,)
    level : float32
    columns : float32 (components,), what each adds to this plane for a coefficient of 1
    coefficients : float32 (components, spaxels)
    """
    for i in range(plane.size):
        plane[i] -= level
    for k in range(columns.size):
        f = columns[k]
        for i in range(plane.size):
            plane[i] -= f * coefficients[k, i]
