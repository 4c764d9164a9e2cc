"""Identification of arc lines by patterns of distances in the spectrum and in the list of lines.

The ratio of the two distances within three lines does not depend on the dispersion. (The idea is that of Weilbacher et
al. 2020, A&A 641, A28, section 3.3; votes, chain and fit are our own.)

1. Every triplet of detected lines votes for the triplets of listed lines that have the same ratio of distances and a
   dispersion in the allowed range (`votes`).
2. The rising chain of pairs with the largest sum of votes is a first match (`chain`).
3. A polynomial of the wavelength is fitted to the matched positions, without outliers (`robust_polynomial`).
4. Detected lines are matched again, each with the only listed line near its expected position (`_nearest`).
5. Steps 3 and 4 are repeated with a higher order. Too few matches, or a wrong dispersion, are no identification.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

NEIGHBOURS: Final = 4
"""Detected lines on either side that make triplets with a line."""

SHARPNESS: Final = 0.02
"""Ratios of distances that agree to this part count half; the dispersion changes less within a triplet."""

CHAIN_ORDER: Final = 3
"""Order of the polynomial that the chain of matches is tested with: the dispersion is nearly constant."""

CLOSE: Final = 1.5
"""A detected line is a listed one when it is so near to where it is expected, pixels."""

GROSS: Final = 4.0
"""Matches further from the polynomial are wrong, standard deviations estimated from the median deviation."""

SMALLEST_GROSS: Final = 0.15
"""No wrong match is nearer, pixels."""

PASSES: Final = 12


@nb.njit(nogil=True, cache=True)
def votes(places, lamps, wavelengths, line_lamps, low, high, tolerance):  # type: ignore[no-untyped-def]
    """Votes of triplets for pairs of detected and listed lines, float64 (n, m).

    Parameters
    ----------
    places : float64 (n,), detected lines, pixels, rising
    lamps : int64 (n,), lamp that each was seen with
    wavelengths : float64 (m,), listed lines, Angstrom, rising
    line_lamps : int64 (m,), their lamps; -1 in either list fits any
    low, high : range of the dispersion, Angstrom per pixel
    tolerance : largest relative difference of the two ratios
    """
    n, m = places.size, wavelengths.size
    out = np.zeros((n, m))
    for i in range(1, n - 1):
        for k in range(1, m - 1):
            if lamps[i] != line_lamps[k] and lamps[i] >= 0 and line_lamps[k] >= 0:
                continue
            for j in range(max(i - NEIGHBOURS, 0), i):
                left = places[i] - places[j]
                for l in range(k - 1, -1, -1):
                    step = (wavelengths[k] - wavelengths[l]) / left
                    if step < low:
                        continue
                    if step > high:
                        break
                    if lamps[j] != line_lamps[l] and lamps[j] >= 0 and line_lamps[l] >= 0:
                        continue
                    for q in range(i + 1, min(i + NEIGHBOURS + 1, n)):
                        right = places[q] - places[i]
                        for r in range(k + 1, m):
                            other = (wavelengths[r] - wavelengths[k]) / right
                            if other < low:
                                continue
                            if other > high:
                                break
                            if lamps[q] != line_lamps[r] and lamps[q] >= 0 and line_lamps[r] >= 0:
                                continue
                            off = abs(step / other - 1.0)
                            if off > tolerance:
                                continue
                            weight = 1.0 / (1.0 + (off / SHARPNESS) ** 2)
                            out[i, k] += weight
                            out[j, l] += weight
                            out[q, r] += weight
    return out


@nb.njit(nogil=True, cache=True)
def chain(scores, smallest):  # type: ignore[no-untyped-def]
    """The rising chain with the largest sum of scores: int64 (n,), the listed line of each detected one, or -1.

    Parameters
    ----------
    scores : float64 (n, m)
    smallest : no pair with less is taken
    """
    n, m = scores.shape
    best = np.zeros((n + 1, m + 1))
    for i in range(n):
        for k in range(m):
            value = max(best[i, k + 1], best[i + 1, k])
            if scores[i, k] >= smallest:
                value = max(value, best[i, k] + scores[i, k])
            best[i + 1, k + 1] = value
    out = np.full(n, -1, np.int64)
    i, k = n, m
    while i > 0 and k > 0:
        if best[i, k] == best[i - 1, k]:
            i -= 1
        elif best[i, k] == best[i, k - 1]:
            k -= 1
        else:
            out[i - 1] = k - 1
            i -= 1
            k -= 1
    return out


def robust_polynomial(
    x: NDArray[np.float64], y: NDArray[np.float64], order: int, smallest: float, factor: float = GROSS
) -> tuple[Polynomial, NDArray[np.bool_]]:
    """A polynomial, and which values it rests on: those far from it, by the median deviation, are left out.

    Parameters
    ----------
    x, y : float64 (n,), n of at least order + 2
    order : of the polynomial
    smallest : values nearer than this stay
    factor : values further than this many standard deviations go
    """
    good = np.ones(x.size, bool)
    domain = [float(x.min()), float(x.max())]
    fit = Polynomial.fit(x, y, order, domain=domain)
    for _ in range(PASSES):
        off = np.abs(y - fit(x))
        keep = off <= max(factor * 1.4826 * float(np.median(off[good])), smallest)
        if keep.sum() < order + 2 or (keep == good).all():
            break
        good = keep
        fit = Polynomial.fit(x[good], y[good], order, domain=domain)
    return fit, good


def identify(
    places: NDArray[np.float64],
    lamps: NDArray[np.int64],
    wavelengths: NDArray[np.float64],
    line_lamps: NDArray[np.int64],
    dispersion: float,
    resolution: float,
    tolerance: float,
    order: int,
) -> tuple[NDArray[np.int64], Polynomial] | None:
    """Find out which listed line each detected one is.

    Parameters
    ----------
    places : float64 (n,), detected lines, pixels from 1, rising
    lamps : int64 (n,), the lamp that each was seen with, -1: any
    wavelengths : float64 (m,), listed lines, Angstrom, rising
    line_lamps : int64 (m,), the lamp of each
    dispersion : expected, Angstrom per pixel
    resolution : part by which it may differ
    tolerance : largest relative difference of ratios of distances
    order : of the polynomial through the matches

    Returns
    -------
    The listed line of each detected one (int64 (n,), -1: none), and the place (pixels) as a polynomial of the
    wavelength; None if there is no pattern: fewer than order + 3 lines that agree.
    """
    if places.size < order + 3 or wavelengths.size < order + 3:
        return None
    scores = votes(
        places, lamps, wavelengths, line_lamps, dispersion * (1 - resolution), dispersion * (1 + resolution), tolerance
    )
    matched = chain(scores, 1.0)
    at = np.flatnonzero(matched >= 0)
    if at.size < order + 3:
        return None
    fit, good = robust_polynomial(wavelengths[matched[at]], places[at], min(CHAIN_ORDER, order), 2.0 * CLOSE)
    # an accident agrees with itself in few lines only
    if good.sum() < order + 3 or good.sum() < 0.5 * at.size:
        return None
    for degree in (min(CHAIN_ORDER, order), order, order, order):
        out = _nearest(places, lamps, fit(wavelengths), line_lamps)
        at = np.flatnonzero(out >= 0)
        if at.size < order + 3:
            return None
        fit, good = robust_polynomial(wavelengths[out[at]], places[at], degree, SMALLEST_GROSS)
        slope = fit.deriv()(wavelengths[out[at]])
        if good.sum() < order + 3 or slope.min() <= 0.0:
            return None
    out[at[~good]] = -1
    if abs(float(np.median(1.0 / slope[good])) / dispersion - 1.0) > resolution:
        return None
    return out, fit


def _nearest(
    places: NDArray[np.float64], lamps: NDArray[np.int64], expected: NDArray[np.float64], line_lamps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The listed line next to each detected one, if it is `CLOSE` and no other line of its lamp is as well."""
    near = np.abs(places[:, None] - expected)
    near[(lamps[:, None] != line_lamps) & (lamps[:, None] >= 0) & (line_lamps >= 0)] = np.inf
    out = near.argmin(1)
    alone = (near < CLOSE).sum(1) == 1
    result = np.where(alone, out, -1)
    # one line is seen once: the nearest keeps it
    for line in np.unique(result[result >= 0]):
        same = np.flatnonzero(result == line)
        if same.size > 1:
            result[same[same != same[np.argmin(near[same, line])]]] = -1
    return np.asarray(result, np.int64)
