"""Trace of the slices on a CCD: positions of their edges in a flat, and polynomials through them.

The method is that of the ESO pipeline (Weilbacher et al. 2020, A&A 641, A28, section 3.1, and experiments):

1. The slices are located in a cut through the middle: runs of light of the width of a slice (`locate`).
2. From there each edge is followed to both ends, in steps of some rows. It is searched near its last position, where
   the profile changes most, and only where there is light (`follow`).
3. A Gaussian, fitted to the differences of neighbouring pixels, gives the position of the edge (`_gaussian_centre`).
4. Samples that deviate in width or position are left out: gross errors first, then by standard deviations (`_clip`).
5. Polynomials are fitted to the left edges, the right edges and the centres (`_slice`).
"""

from dataclasses import dataclass
from typing import Final

import numba as nb
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.lines.levenberg import SINGULAR, Damping, Model, minimise, never, space

HALF_CUT: Final = 16
"""Rows on either side of the middle that slices are located in."""

SMALLEST_SLICE: Final = 50
"""Width below which something bright is no slice, pixels."""

LARGEST_SLICE: Final = 100
"""Width above which something bright is no slice, pixels."""

WIDEST_DEAD: Final = 2
"""Dark columns side by side that divide no slice: they are dead. The gaps between slices have 6 and more."""

SEARCH: Final = 5
"""Pixels that an edge may move from one step to the next."""

HALF_WINDOW: Final = 4
"""Differences on either side of an edge that the Gaussian is fitted to."""

REJECT: Final = 5.0
"""Samples further from the polynomial are left out, standard deviations."""

GROSS: Final = 5.0
"""Samples further from the polynomial are gross errors, standard deviations estimated from the median deviation."""

SMALLEST_GROSS: Final = 0.05
"""No gross error is smaller, pixels."""

PASSES: Final = 20

DAMPING: Final = Damping(attempts=1200, steps=100, refusals=12, decrease=1e-14)

INSIDE: Final = (3, 19)
"""Pixels inside an edge that its light and the noise are taken from: first, last (not included)."""

OUTSIDE: Final = (2, 5)
"""Pixels outside an edge that its darkness is taken from: first, last (not included)."""

SIGNIFICANT: Final = 5.0
"""An edge is where light rises by this many standard deviations of a pixel. Without light, as where the notch filter of
the adaptive optics blocks the lamps, what looks like an edge is noise, and following it leads to another slice."""


@dataclass(frozen=True)
class SliceTrace:
    """The trace of one slice; positions in trimmed pixels from 1.

    Attributes
    ----------
    number : 1 to 48, from the left
    y, left, right : float64 (n,) samples; NaN where an edge was not found
    coefficients : float64 (3, order + 1), of centre, left and right edge, powers of y
    mean_squares : float64 (3,), of the residuals of the samples used
    width : mean of the samples used
    """

    number: int
    y: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    mean_squares: NDArray[np.float64]
    width: float

    def at(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Centre, left and right edge at rows y (from 1)."""
        centre, left, right = (np.polynomial.polynomial.polyval(y, c) for c in self.coefficients)
        return centre, left, right


def locate(profile: NDArray[np.float64], fraction: float) -> NDArray[np.float64]:
    """Columns (from 0) where a cut across the slices crosses the limit, rising and falling, float64 (N_SLICES, 2).

    Parameters
    ----------
    profile : float64 (columns,)
    fraction : of the median of the profile, above which light belongs to a slice

    Raises
    ------
    MusedeepError
        Not 48 slices.
    """
    limit = fraction * float(np.median(profile))
    lit = np.concatenate([[False], profile > limit, [False]])
    rise, fall = np.flatnonzero(lit[1:] & ~lit[:-1]), np.flatnonzero(~lit[1:] & lit[:-1]) - 1
    gap = rise[1:] - fall[:-1] - 1 > WIDEST_DEAD
    rise, fall = np.append(rise[:1], rise[1:][gap]), np.append(fall[:-1][gap], fall[-1:])
    width = fall - rise + 1
    whole = (width >= SMALLEST_SLICE) & (width <= LARGEST_SLICE)
    if whole.sum() != N_SLICES:
        raise MusedeepError(
            f"{int(whole.sum())} slices found in the middle of the flat, {N_SLICES} expected; check that the lamp was "
            "on, or change --edgefrac (manual 8.2)"
        )
    edges = []
    for left, right in zip(rise[whole], fall[whole], strict=True):
        a = left - (profile[left] - limit) / (profile[left] - profile[left - 1]) if left > 0 else float(left)
        last = right + 1 < profile.size
        b = right + (profile[right] - limit) / (profile[right] - profile[right + 1]) if last else float(right)
        edges.append((a, b))
    return np.array(edges)


@nb.njit(nogil=True, cache=True)
def _equations(data, p, normal, gradient):  # type: ignore[no-untyped-def]
    """Sum of squared residuals, and the normal equations of height, centre and width."""
    (values,) = data
    normal[:], gradient[:], total = 0.0, 0.0, 0.0
    for i in range(values.size):
        t = (i - p[1]) / p[2]
        e = np.exp(-0.5 * t * t)
        r = values[i] - p[0] * e
        g = e, p[0] * e * t / p[2], p[0] * e * t * t / p[2]
        total += r * r
        for j in range(3):
            gradient[j] += g[j] * r
            for k in range(3):
                normal[j, k] += g[j] * g[k]
    return total


@nb.njit(nogil=True, cache=True)
def _determinant(m):  # type: ignore[no-untyped-def]
    return (
        m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
        - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
        + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
    )


@nb.njit(nogil=True, cache=True)
def _solve(normal, gradient, damping, work, step, n):  # type: ignore[no-untyped-def]
    """Solve the damped equations by determinants."""
    for j in range(n):
        for k in range(n):
            work[j, k] = normal[j, k]
    for j in range(n):
        work[j, j] *= 1.0 + damping
        if work[j, j] == 0.0:
            return False
    determinant = _determinant(work)
    if abs(determinant) < 1e-280:
        return False
    for j in range(n):
        for k in range(n):
            work[k, j] = gradient[k]
        step[j] = _determinant(work) / determinant
        for k in range(n):
            work[k, j] = normal[k, j]
        work[j, j] *= 1.0 + damping
    return True


@nb.njit(nogil=True, cache=True)
def _within(data, p):  # type: ignore[no-untyped-def]
    return p[2] > 0.1


MODEL: Final = Model(_equations, _solve, _within, never)


@nb.njit(nogil=True, cache=True)
def _gaussian_centre(values, first, peak):  # type: ignore[no-untyped-def]
    """Centre of a Gaussian (height, centre, width free, no background) fitted to values at first, first + 1, ...

    NaN if there is none inside the window.
    """
    n = values.size
    p = np.array([values[peak], float(peak), 0.7])
    status, _ = minimise(MODEL, 3, (values,), p, space(3), DAMPING)
    if status == SINGULAR or not (-0.5 <= p[1] <= n - 0.5) or p[0] <= 0 or p[2] > n:
        return np.nan
    return first + p[1]


@nb.njit(nogil=True, cache=True)
def _is_lit(profile, peak, side):  # type: ignore[no-untyped-def]
    """Whether light rises at the difference of pixels peak and peak + 1; side 0: to the right, 1: to the left."""
    n = profile.size
    inward, inner, outer = (1, peak + 1, peak) if side == 0 else (-1, peak, peak + 1)
    light, dark, n_light, n_dark, n_steps = 0.0, 0.0, 0, 0, 0
    steps = np.empty(INSIDE[1] - INSIDE[0])
    for i in range(INSIDE[0], INSIDE[1]):
        c = inner + inward * i
        if 0 <= c < n:
            light += profile[c]
            n_light += 1
            if 0 <= c + inward < n:
                steps[n_steps] = abs(profile[c + inward] - profile[c])
                n_steps += 1
    for i in range(OUTSIDE[0], OUTSIDE[1]):
        c = outer - inward * i
        if 0 <= c < n:
            dark += profile[c]
            n_dark += 1
    if n_steps < 3 or n_dark == 0:
        return False
    # the difference of two pixels scatters sqrt(2) more than one
    noise = 1.4826 * np.median(steps[:n_steps]) / np.sqrt(2.0)
    return light / n_light - dark / n_dark > SIGNIFICANT * noise


@nb.njit(nogil=True, cache=True)
def follow(profiles, starts, search, half_window, edges):  # type: ignore[no-untyped-def]
    """Follow edges from the middle to both ends.

    Parameters
    ----------
    profiles : float64 (steps, columns), mean of the rows of each step
    starts : float64 (slices, 2), edges at the middle step, columns from 0
    search : pixels that an edge may move in a step
    half_window : differences on either side of the steepest one that are fitted
    edges : float64 (slices, steps, 2), filled; columns from 0, NaN where there is no edge or no light
    """
    n_steps, n_columns = profiles.shape
    middle = n_steps // 2
    for s in range(starts.shape[0]):
        for side in range(2):
            sign = 1.0 if side == 0 else -1.0
            for direction in range(2):
                guess = starts[s, side]
                steps = n_steps - middle if direction == 0 else middle
                for i in range(steps):
                    k = middle + i if direction == 0 else middle - 1 - i
                    edges[s, k, side] = np.nan
                    # differences between columns c and c + 1 belong to c + 1/2
                    low, high = int(guess - 0.5) - search, int(guess - 0.5) + search + 2
                    low, high = max(low, 0), min(high, n_columns - 1)
                    if high - low < 3:
                        continue
                    peak = low
                    for c in range(low, high):
                        value = sign * (profiles[k, c + 1] - profiles[k, c])
                        if value > sign * (profiles[k, peak + 1] - profiles[k, peak]):
                            peak = c
                    if not _is_lit(profiles[k], peak, side):
                        continue
                    first, last = max(peak - half_window, 0), min(peak + half_window + 1, n_columns - 1)
                    values = np.empty(last - first)
                    for c in range(first, last):
                        values[c - first] = sign * (profiles[k, c + 1] - profiles[k, c])
                    if values[peak - first] <= 0:
                        continue
                    centre = _gaussian_centre(values, first + 0.5, peak - first)
                    if np.isnan(centre) or abs(centre - guess) > search:
                        continue
                    edges[s, k, side] = centre
                    guess = centre


def trace(
    image: NDArray[np.float32], good: NDArray[np.bool_] | None, rows_per_sample: int, order: int, fraction: float
) -> list[SliceTrace]:
    """Trace the slices of a flat, from the left.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns), pixels that count; None: all
    rows_per_sample : rows that are averaged
    order : of the polynomials
    fraction : of the median in the middle, above which light belongs to a slice

    Raises
    ------
    MusedeepError
        Not 48 slices, or too few samples for the polynomials.
    """
    n_rows = image.shape[0]
    n_steps = n_rows // rows_per_sample
    if n_steps <= order + 1:
        raise MusedeepError(
            f"{n_steps} samples of {rows_per_sample} rows are too few for polynomials of order {order}; lower --nsum"
        )
    middle = n_rows // 2
    cut = _profile(image, good, slice(middle - HALF_CUT, middle + HALF_CUT))
    starts = locate(cut, fraction)
    profiles = np.empty((n_steps, image.shape[1]))
    for k in range(n_steps):
        profiles[k] = _profile(image, good, slice(k * rows_per_sample, (k + 1) * rows_per_sample))
    edges = np.empty((N_SLICES, n_steps, 2))
    follow(profiles, starts, SEARCH, HALF_WINDOW, edges)
    y = np.arange(n_steps) * float(rows_per_sample) + 0.5 * (rows_per_sample + 1)
    return [_slice(s + 1, y, edges[s, :, 0] + 1.0, edges[s, :, 1] + 1.0, order) for s in range(N_SLICES)]


def _profile(image: NDArray[np.float32], good: NDArray[np.bool_] | None, span: slice) -> NDArray[np.float64]:
    """Mean of the good pixels of each column in some rows; of all, where none is good."""
    rows = image[span]
    plain: NDArray[np.float64] = rows.mean(0, dtype=np.float64)
    if good is None:
        return plain
    number = good[span].sum(0)
    total = np.where(good[span], rows, 0).sum(0, dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), plain)


def _slice(
    number: int, y: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64], order: int
) -> SliceTrace:
    """Polynomials through the samples of one slice; a sample that is off in width or position is left out."""
    width = right - left
    good = _clip(y, width, np.isfinite(width), order)
    centre = 0.5 * (left + right)
    good = _clip(y, centre, good, order)
    if good.sum() <= order + 1:
        raise MusedeepError(
            f"slice {number}: only {int(good.sum())} samples of its edges; the trace fails. Give flats with more "
            "light, no bad columns at its edges (BADPIX_TABLE), or raise --nsum (manual 8.2)"
        )
    coefficients, squares = [], []
    for values in (centre, left, right):
        kept = _clip(y, values, good, order)
        fit = Polynomial.fit(y[kept], values[kept], order)
        plain = fit.convert().coef
        coefficients.append(np.pad(plain, (0, order + 1 - plain.size)))
        squares.append(float(((values[kept] - fit(y[kept])) ** 2).mean()))
    return SliceTrace(number, y, left, right, np.array(coefficients), np.array(squares), float(width[good].mean()))


def _clip(
    y: NDArray[np.float64], values: NDArray[np.float64], good: NDArray[np.bool_], order: int
) -> NDArray[np.bool_]:
    """Leave out values further than `REJECT` standard deviations from a polynomial, until none is left.

    Gross errors go first, by the median deviation: one of them makes the standard deviation of few samples so large
    that it would stay.
    """
    basis = np.polynomial.chebyshev.chebvander(2.0 * (y - y[0]) / (y[-1] - y[0]) - 1.0, order)
    good = good & np.isfinite(values)
    for gross in (True, False):
        for _ in range(PASSES):
            if good.sum() <= order + 2:
                return good
            off = np.abs(values - basis @ np.linalg.lstsq(basis[good], values[good], rcond=None)[0])
            if gross:
                limit = max(GROSS * 1.4826 * float(np.median(off[good])), SMALLEST_GROSS)
            else:
                limit = REJECT * float(np.sqrt((off[good] ** 2).mean())) + 1e-9
            keep = good & (off <= limit)
            if keep.sum() == good.sum():
                break
            good = keep
    return good
