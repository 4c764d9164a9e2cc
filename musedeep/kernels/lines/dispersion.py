"""Wavelength solution of a slice: a polynomial of column and row through all positions of all lines.

The method is that of Weilbacher et al. (2020, A&A 641, A28, section 3.3):

1. In each line, positions that deviate from a polynomial along the slice are rejected (`clip_line`).
2. A surface of Chebyshev polynomials is fitted to the positions of all lines, weighted by the errors of the centres,
   the scatter of each line, or both (`fit_dispersion`).
3. Positions with large residuals are rejected, and so are lines whose mean residual is large (`_off_lines`).
4. Steps 2 and 3 are repeated until no position is rejected.
5. The coefficients are converted to powers of column and row (`_powers`).

There are two differences: limits scale with the error of each position, and a line that deviates as a whole is
rejected as a whole.
"""

from dataclasses import dataclass, field
from typing import Final

import numba as nb
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

WEIGHTINGS: Final = ("uniform", "cerr", "scatter", "cerrscatter")

ITERATIONS: Final = 12

LINE_SIGMA: Final = 6.0
"""A line whose mean residual is larger is left out, standard deviations."""

SMALLEST_LINE: Final = 0.01
"""No mean residual is too large below this, Angstrom."""


@dataclass
class Residuals:
    """Residuals of one iteration.

    Attributes
    ----------
    used : int64 (n,), places of the positions that were fitted
    residual : float64 (n,), line minus solution, Angstrom
    limit : float64 (n,), beyond which they are rejected, Angstrom
    """

    used: NDArray[np.int64]
    residual: NDArray[np.float64]
    limit: NDArray[np.float64]


@dataclass
class Solution:
    """The wavelength solution of a slice.

    Attributes
    ----------
    coefficients : float64 (xorder + 1, yorder + 1), of x^i y^j, trimmed pixels from 1, Angstrom
    mean_square : mean of the squares of the residuals, weighted by one over the errors (as the reference has it),
        Angstrom**2
    used : bool (n,), positions that it rests on
    history : of every iteration
    """

    coefficients: NDArray[np.float64]
    mean_square: float
    used: NDArray[np.bool_]
    history: list[Residuals] = field(default_factory=list)

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Wavelengths at columns x, rows y (from 1), Angstrom."""
        return np.asarray(np.polynomial.polynomial.polyval2d(x, y, self.coefficients), np.float64)

    def dispersion(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angstrom per row."""
        slope = self.coefficients[:, 1:] * np.arange(1, self.coefficients.shape[1])
        return np.asarray(np.polynomial.polynomial.polyval2d(x, y, slope), np.float64)


@nb.njit(nogil=True, cache=True)
def _normal(x, values, weights, order, a, b):  # type: ignore[no-untyped-def]
    """Normal equations of a polynomial; powers of x, which is within -1 and 1."""
    a[:], b[:] = 0.0, 0.0
    powers = np.empty(order + 1)
    for i in range(x.size):
        if weights[i] == 0.0:
            continue
        powers[0] = 1.0
        for j in range(order):
            powers[j + 1] = powers[j] * x[i]
        for j in range(order + 1):
            b[j] += weights[i] * powers[j] * values[i]
            for k in range(order + 1):
                a[j, k] += weights[i] * powers[j] * powers[k]


@nb.njit(nogil=True, cache=True)
def clip_line(centres, order, sigma, good):  # type: ignore[no-untyped-def]
    """Reject deviant centres of a line by a polynomial along the slice: scatter about it, pixels; NaN of too few.

    Parameters
    ----------
    centres : float64 (columns,), rows; NaN where there is none
    order : of the polynomial
    sigma : limit, standard deviations
    good : bool (columns,), filled
    """
    n = centres.size
    x, values, weights = np.empty(n), np.empty(n), np.empty(n)
    # the median starts it: values near zero keep the sums exact
    middle, number = 0.0, 0
    for i in range(n):
        x[i] = 2.0 * i / max(n - 1, 1) - 1.0
        good[i] = not np.isnan(centres[i])
        if good[i]:
            middle += centres[i]
            number += 1
    if number <= order + 2:
        good[:] = False
        return np.nan
    middle /= number
    for i in range(n):
        values[i] = centres[i] - middle if good[i] else 0.0
    a, b = np.empty((order + 1, order + 1)), np.empty(order + 1)
    while True:
        for i in range(n):
            weights[i] = 1.0 if good[i] else 0.0
        _normal(x, values, weights, order, a, b)
        found = np.linalg.solve(a + np.eye(order + 1) * 1e-12, b)
        total = 0.0
        for i in range(n):
            if good[i]:
                model = 0.0
                for j in range(order, -1, -1):
                    model = model * x[i] + found[j]
                weights[i] = values[i] - model
                total += weights[i] ** 2
        scatter = np.sqrt(total / max(number - order - 1, 1))
        limit = sigma * scatter + 1e-9
        before = number
        for i in range(n):
            if good[i] and abs(weights[i]) > limit:
                good[i] = False
                number -= 1
        if number <= order + 2:
            good[:] = False
            return np.nan
        if number == before:
            return scatter


@nb.njit(nogil=True, cache=True)
def surface_equations(u, v, values, weights, x_order, y_order, a, b):  # type: ignore[no-untyped-def]
    """Normal equations of a surface of Chebyshev polynomials; u, v within -1 and 1; order of terms: i major."""
    m = (x_order + 1) * (y_order + 1)
    a[:], b[:] = 0.0, 0.0
    tx, ty, g = np.empty(x_order + 1), np.empty(y_order + 1), np.empty(m)
    for i in range(u.size):
        if weights[i] == 0.0:
            continue
        tx[0], ty[0] = 1.0, 1.0
        for j in range(1, x_order + 1):
            tx[j] = u[i] if j == 1 else 2.0 * u[i] * tx[j - 1] - tx[j - 2]
        for j in range(1, y_order + 1):
            ty[j] = v[i] if j == 1 else 2.0 * v[i] * ty[j - 1] - ty[j - 2]
        for j in range(x_order + 1):
            for k in range(y_order + 1):
                g[j * (y_order + 1) + k] = tx[j] * ty[k]
        for j in range(m):
            wg = weights[i] * g[j]
            b[j] += wg * values[i]
            for k in range(j + 1):
                a[j, k] += wg * g[k]
    for j in range(m):
        for k in range(j):
            a[k, j] = a[j, k]


def weights_of(
    weighting: str, errors: NDArray[np.float64], scatters: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of positions, and the errors that go with them, float64 (n,) each.

    Parameters
    ----------
    weighting : uniform, cerr, scatter or cerrscatter
    errors : float64 (n,), of the centres
    scatters : float64 (n,), of the line of each
    """
    if weighting == "uniform":
        sigma = np.ones(errors.size)
    else:
        squares = np.zeros(errors.size)
        if "cerr" in weighting:
            squares += errors**2
        if "scatter" in weighting:
            squares += scatters**2
        sigma = np.sqrt(squares)
    return 1.0 / sigma**2, sigma


def fit_dispersion(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    wavelengths: NDArray[np.float64],
    lines: NDArray[np.int64],
    errors: NDArray[np.float64],
    scatters: NDArray[np.float64],
    weighting: str,
    x_order: int,
    y_order: int,
    sigma: float,
    n_rows: int,
) -> Solution | None:
    """Fit the wavelength solution of a slice; None if there are too few positions.

    Parameters
    ----------
    x, y : float64 (n,), positions, trimmed pixels from 1
    wavelengths : float64 (n,), Angstrom
    lines : int64 (n,), number of the line, from 0
    errors, scatters : float64 (n,), of the centre and of its line, Angstrom
    weighting : of `WEIGHTINGS`
    x_order, y_order : of the polynomial
    sigma : limit of rejection, standard deviations
    n_rows : of the CCD
    """
    x0, half_x = 0.5 * (x.min() + x.max()), max(0.5 * (x.max() - x.min()), 1.0)
    y0, half_y = 0.5 * (n_rows + 1), 0.5 * n_rows
    u, v = (x - x0) / half_x, (y - y0) / half_y
    weights, spread = weights_of(weighting, errors, scatters)
    m = (x_order + 1) * (y_order + 1)
    a, b = np.empty((m, m)), np.empty(m)
    good = np.ones(x.size, bool)
    history: list[Residuals] = []
    for iteration in range(ITERATIONS):
        if good.sum() <= m or np.unique(lines[good]).size <= y_order + 1:
            return None
        surface_equations(u, v, wavelengths, np.where(good, weights, 0.0), x_order, y_order, a, b)
        try:
            found = np.asarray(np.linalg.solve(a, b), np.float64).reshape(x_order + 1, y_order + 1)
        except np.linalg.LinAlgError:
            return None
        residual = wavelengths - np.polynomial.chebyshev.chebval2d(u, v, found)
        reduced = np.sqrt(np.average((residual[good] / spread[good]) ** 2))
        limit = sigma * reduced * spread
        used = np.flatnonzero(good)
        history.append(Residuals(used, residual[used], limit[used]))
        keep = good & (np.abs(residual) <= limit)
        keep &= ~_off_lines(lines, residual, weights, good)[lines]
        if (keep == good).all() or iteration == ITERATIONS - 1:
            break
        good = keep
    square = float(np.average(residual[good] ** 2, weights=1.0 / spread[good]))
    return Solution(_powers(found, x0, half_x, y0, half_y), square, good, history)


def _off_lines(
    lines: NDArray[np.int64], residual: NDArray[np.float64], weights: NDArray[np.float64], good: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Lines whose mean residual is far from those of the others: blends, or a wrong wavelength."""
    n = int(lines.max()) + 1
    weight = np.bincount(lines[good], weights[good], n)
    seen = weight > 0
    means = np.bincount(lines[good], weights[good] * residual[good], n) / np.where(seen, weight, 1.0)
    own = np.sqrt(1.0 / np.where(seen, weight, 1.0)) if weights.std() > 0 else np.zeros(n)
    common = 1.4826 * float(np.median(np.abs(means[seen])))
    return np.asarray(seen & (np.abs(means) > np.maximum(LINE_SIGMA * np.hypot(common, own), SMALLEST_LINE)))


def _powers(found: NDArray[np.float64], x0: float, half_x: float, y0: float, half_y: float) -> NDArray[np.float64]:
    """Coefficients of powers of x and y from those of Chebyshev polynomials of scaled ones."""
    return _change(found.shape[0], x0, half_x).T @ found @ _change(found.shape[1], y0, half_y)


def _change(n: int, middle: float, half: float) -> NDArray[np.float64]:
    """Row k: Chebyshev polynomial k of (t - middle) / half in powers of t."""
    out = np.zeros((n, n))
    scaled = Polynomial([-middle / half, 1.0 / half])
    for k in range(n):
        coefficients = Chebyshev.basis(k).convert(kind=Polynomial)(scaled).coef
        out[k, : coefficients.size] = coefficients
    return out
