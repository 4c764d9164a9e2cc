"""The overscan of a read-out port: its level, and a polynomial along the columns.

1. Pixels that do not belong to the overscan are rejected: cosmic rays by gaps in the distribution of the values
   (`reject_cosmics`), or pixels that deviate from a constant (`reject_constant`).
2. The mean of the others is the level of the port (`level`).
3. A polynomial along the columns is fitted, again and again without deviant pixels (`fit_vertical`).
4. Its order grows from 0 as long as a higher one makes the scatter smaller.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

DCR_BOX: Final = 128, 32
"""Pixels of a box of the search for cosmic rays, along the strip and across it."""

DCR_PASSES: Final = 3
"""Times that a box is searched."""

DCR_GAP: Final = 2.5
"""Width of the gap in the distribution of the values beyond which they are cosmic rays, standard deviations."""

FIT_PASSES: Final = 100
"""Limit of iterations of a clipped fit; all seen ended in fewer than ten."""


@dataclass(frozen=True)
class VerticalFit:
    """A polynomial of the level along the columns.

    Attributes
    ----------
    polynomial : of the row, scaled inside for precision; call it with rows
    n_rejected : pixels that did not take part
    """

    polynomial: Polynomial
    n_rejected: int

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """float64 (order + 1,), of the plain powers of the row."""
        plain = np.asarray(self.polynomial.convert().coef, np.float64)
        return np.pad(plain, (0, self.polynomial.degree() + 1 - plain.size))


def reject_cosmics(strip: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Values without cosmic rays, bool (rows, columns), by gaps in the distribution (DCR: Pych 2004, PASP 116, 148).

    In each box, sorted values above the mean are followed until two of them lie further apart than `DCR_GAP`
    standard deviations (of values that pass a 3-sigma clip); what is beyond is a cosmic ray.

    Parameters
    ----------
    strip : float64 (rows, columns), overscan of a port; the longer side is the direction along it
    """
    good = np.ones(strip.shape, bool)
    along, across = DCR_BOX if strip.shape[0] >= strip.shape[1] else DCR_BOX[::-1]
    for y in range(0, strip.shape[0], along):
        for x in range(0, strip.shape[1], across):
            box, kept = strip[y : y + along, x : x + across], good[y : y + along, x : x + across]
            for _ in range(DCR_PASSES):
                values = np.sort(box[kept])
                limit = _gap(values)
                if limit is None:
                    break
                kept &= box <= limit
    return good


def _gap(values: NDArray[np.float64]) -> float | None:
    """The sorted value below the first wide gap above the mean, None if there is no such gap."""
    if values.size < 3:
        return None
    mean, sigma = _clipped(values)
    start = int(np.searchsorted(values, mean))
    wide = np.flatnonzero(np.diff(values[start:]) > DCR_GAP * max(sigma, 1e-6))
    return float(values[start + wide[0]]) if wide.size else None


def _clipped(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of sorted values after clipping at 3 sigma."""
    low, high = 0, values.size
    for _ in range(FIT_PASSES):
        mean, sigma = float(values[low:high].mean()), float(values[low:high].std())
        below, above = np.searchsorted(values, mean - 3 * sigma), np.searchsorted(values, mean + 3 * sigma, "right")
        if sigma == 0 or (below, above) == (low, high):
            break
        low, high = int(below), int(above)
    return mean, sigma


def reject_constant(strip: NDArray[np.float64], sigma: float) -> NDArray[np.bool_]:
    """Values, bool, within `sigma` standard deviations of a constant, fitted again until none is left out."""
    good = np.ones(strip.shape, bool)
    for _ in range(FIT_PASSES):
        values = strip[good]
        keep = good & (np.abs(strip - values.mean()) <= sigma * values.std())
        if keep.sum() in (0, values.size):
            break
        good = keep
    return good


def level(strips: list[NDArray[np.float64]], reject: str, sigma: float) -> tuple[float, float, int]:
    """Mean level of the overscan of a port, its standard deviation (n - 1), and the number of rejected values.

    Parameters
    ----------
    strips : float64 (rows, columns) each, parts of the overscan, taken together
    reject : "none", "dcr" (`reject_cosmics`) or "fit" (`reject_constant`)
    sigma : limit of "fit", standard deviations
    """
    if reject == "dcr":
        good = [strip[reject_cosmics(strip)] for strip in strips]
    elif reject == "fit":
        good = [strip[reject_constant(strip, sigma)] for strip in strips]
    else:
        good = [strip.ravel() for strip in strips]
    values = np.concatenate(good)
    return float(values.mean()), float(values.std(ddof=1)), sum(s.size for s in strips) - values.size


def fit_vertical(
    strip: NDArray[np.float64], first_row: int, order: int, rms_factor: float, chisq_factor: float, sigma: float
) -> VerticalFit:
    """Fit a polynomial along the columns of the vertical overscan.

    The order grows from 0 while a higher one makes the scatter smaller: by more than `rms_factor` the root mean
    square of the residuals of the pixels, or by more than `chisq_factor` their sum of squares per degree of
    freedom. The last order that was tried is kept (found by experiments on the reference). Pixels further than
    `sigma` times the scatter from the polynomial are left out, iteratively.

    Parameters
    ----------
    strip : float64 (rows, columns)
    first_row : row number of the first row
    order : highest order
    rms_factor, chisq_factor : ratios, a little over 1
    sigma : limit, in standard deviations of the residuals
    """
    rows = np.arange(first_row, first_row + strip.shape[0], dtype=np.float64)
    good = np.ones(strip.shape, bool)
    sums = _RowSums.of(strip, good)
    before: tuple[float, float] | None = None
    for degree in range(max(order, 0) + 1):
        for _ in range(FIT_PASSES):
            fit = sums.fit(rows, degree)
            total = sums.squares(fit(rows))
            # at most so far can a pixel lie; no need to look for them one by one
            limit = sigma * np.sqrt(total / sums.number)
            if np.maximum(sums.high - fit(rows), fit(rows) - sums.low).max() <= limit or limit == 0:
                break
            good &= np.abs(strip - fit(rows)[:, None]) <= limit
            sums = _RowSums.of(strip, good)
        free = max(sums.number - degree - 1, 1)
        now = float(np.sqrt(total / sums.number)), float(total / free)
        if now[0] == 0 or (
            before is not None and before[0] <= rms_factor * now[0] and before[1] <= chisq_factor * now[1]
        ):
            break
        before = now
    return VerticalFit(fit, int(strip.size - sums.number))


@dataclass(frozen=True)
class _RowSums:
    """What a fit along the columns needs to know of each row: a polynomial of the row sees only row means."""

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    inner: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, strip: NDArray[np.float64], good: NDArray[np.bool_]) -> "_RowSums":
        count = good.sum(1).astype(np.float64)
        mean = np.where(good, strip, 0.0).sum(1) / np.maximum(count, 1)
        inner = float((np.where(good, strip - mean[:, None], 0.0) ** 2).sum())
        low, high = np.where(good, strip, np.inf).min(1), np.where(good, strip, -np.inf).max(1)
        return cls(count, mean, inner, low, high)

    @property
    def number(self) -> int:
        return int(self.count.sum())

    def fit(self, rows: NDArray[np.float64], degree: int) -> Polynomial:
        used = self.count > 0
        return Polynomial.fit(rows[used], self.mean[used], degree, w=np.sqrt(self.count[used]))

    def squares(self, values: NDArray[np.float64]) -> float:
        """Sum of squares of the residuals of the pixels."""
        return self.inner + float((self.count * (self.mean - values) ** 2).sum())
