"""From the pixels of a CCD to the rows of a pixel table: which pixels belong to a slice, and where they lie.

Formulas found by experiments on the reference (manual A.3.2, A.3.5, A.3.8 and A.3.9 give the formats): a pixel
belongs to a slice if its centre lies between the traced edges; r, its place across the slice, runs from -1/2 at the
left edge to 1/2 at the right one, and the position in the field of view is

    xpos = x - r width cos(angle),    ypos = y - r width sin(angle)

of the slice's row of the geometry table. Rows of a pixel table go slice by slice, upwards on the CCD, left to right.
"""

from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

MARGIN: Final = 20
"""Columns by which the offset of a slice lies left of its edge in the first row, so that x relative to it is
positive all the way up."""


def trace_edges(coefficients: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    """Edges of all slices in every row, float64 (slices, 2, rows), column from 1; NaN where a trace failed.

    Parameters
    ----------
    coefficients : float64 (slices, 2, order + 1)
        Of the left and the right edge, in powers of the row number (from 1) [pixel, from 1].
    n_rows : int, rows of the trimmed image
    """
    rows = np.arange(1.0, n_rows + 1)
    return np.ascontiguousarray(np.polynomial.polynomial.polyval(rows, np.moveaxis(coefficients, -1, 0)))


def x_offsets(edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Column on the CCD (from 1) minus x in `origin`, int64 (slices,), from edges of `trace_edges`; can be negative."""
    return np.floor(edges[:, 0, 0]).astype(np.int64) - MARGIN


@nb.njit(nogil=True, cache=True, inline="always")
def row_terms(wavelength, y, out):  # type: ignore[no-untyped-def]
    """Coefficients in x of the wavelength in row y."""
    for i in range(wavelength.shape[0]):
        value = 0.0
        for j in range(wavelength.shape[1] - 1, -1, -1):
            value = value * y + wavelength[i, j]
        out[i] = value


@nb.njit(nogil=True, cache=True, inline="always")
def _wavelength(terms, x, shift):  # type: ignore[no-untyped-def]
    value = 0.0
    for i in range(terms.size - 1, -1, -1):
        value = value * x + terms[i]
    # the shift comes after the rounding, as in the reference
    return np.float32(np.float32(value) + shift)


@nb.njit(nogil=True, cache=True, inline="always")
def row_span(left, right, n_columns):  # type: ignore[no-untyped-def]
    """First and last column (from 1) of a slice in a row; none where a trace failed."""
    if not (np.isfinite(left) and np.isfinite(right)):
        return 1, 0
    return max(int(np.ceil(left)), 1), min(int(np.floor(right)), n_columns)


@nb.njit(nogil=True, cache=True, inline="always")
def _row_range(terms, first, last, shift):  # type: ignore[no-untyped-def]
    """Wavelengths between which all pixels of a row lie, from its ends and its curvature; infinite if not known."""
    if terms.size > 3:
        return -np.inf, np.inf
    one, other = _wavelength(terms, float(first), shift), _wavelength(terms, float(last), shift)
    # a parabola leaves its chord by no more than this; rounding of float32 by far less than the rest
    bend = 0.01
    if terms.size > 2:
        bend += abs(terms[2]) * 0.25 * (last - first) ** 2
    return min(one, other) - bend, max(one, other) + bend


@nb.njit(nogil=True, cache=True, inline="always")
def _from_both_ends(k: int, n: int) -> int:
    """The rows 0, n - 1, 1, n - 2 and so on: wavelengths rise with them, and the limits are among the first."""
    return n - 1 - k // 2 if k % 2 else k // 2


@nb.njit(nogil=True, cache=True)
def count_pixels(
    edges: NDArray[np.float64],
    wavelength: NDArray[np.float64],
    shift: Any,
    low: Any,
    high: Any,
    n_columns: Any,
    counts: NDArray[np.int64],
) -> None:
    """Pixels of a slice in each row of the CCD whose wavelength is within limits.

    Parameters
    ----------
    edges : float64 (2, rows), left and right edge in each row [pixel, from 1]
    wavelength : float64 (x order + 1, y order + 1), polynomial of column and row, both from 1 [Angstrom]
    shift : float32, added to the wavelength [Angstrom]
    low, high : float32, limits of the shifted wavelength, both inside [Angstrom]
    n_columns : int, columns of the trimmed image
    counts : int64 (rows,), filled
    """
    terms = np.empty(wavelength.shape[0])
    for row in range(edges.shape[1]):
        counts[row] = 0
        row_terms(wavelength, row + 1.0, terms)
        first, last = row_span(edges[0, row], edges[1, row], n_columns)
        if last < first:
            continue
        shortest, longest = _row_range(terms, first, last, shift)
        if low <= shortest and longest <= high:
            counts[row] = last - first + 1
        elif longest >= low and shortest <= high:
            for x in range(first, last + 1):
                if low <= _wavelength(terms, float(x), shift) <= high:
                    counts[row] += 1


@nb.njit(nogil=True, cache=True)
def slice_limits(edges: NDArray[np.float64], wavelength: NDArray[np.float64], n_columns: int) -> tuple[float, float]:
    """Smallest and largest wavelength of the pixels of a slice; infinite and minus infinite without pixels."""
    terms = np.empty(wavelength.shape[0])
    low, high = np.inf, -np.inf
    nothing = np.float32(0.0)
    for k in range(edges.shape[1]):
        row = _from_both_ends(k, edges.shape[1])
        row_terms(wavelength, row + 1.0, terms)
        first, last = row_span(edges[0, row], edges[1, row], n_columns)
        if last < first:
            continue
        shortest, longest = _row_range(terms, first, last, nothing)
        if shortest < low or longest > high:
            for x in range(first, last + 1):
                value = float(_wavelength(terms, float(x), nothing))
                low, high = min(low, value), max(high, value)
    return low, high


@nb.njit(nogil=True, cache=True)
def slice_spectrum(
    edges: NDArray[np.float64],
    wavelength: NDArray[np.float64],
    data: NDArray[np.float32],
    dq: NDArray[np.int32],
    first_row: int,
    start: float,
    step: float,
    sums: NDArray[np.float64],
) -> None:
    """Add the pixels of a slice without flags to a spectrum, each shared among the two nearest bins.

    Parameters
    ----------
    edges, wavelength : as for `count_pixels`
    data : float32 (some rows, columns)
    dq : int32 (some rows, columns)
    first_row : int, row of the CCD that is their first, from 0
    start, step : float, centre of the first bin, and width of bins [Angstrom]
    sums : float64 (2, bins), added to, of weights, and of weighted values
    """
    terms = np.empty(wavelength.shape[0])
    nothing = np.float32(0.0)
    n = sums.shape[1]
    for row in range(data.shape[0]):
        y = first_row + row
        row_terms(wavelength, y + 1.0, terms)
        first, last = row_span(edges[0, y], edges[1, y], data.shape[1])
        for x in range(first, last + 1):
            if dq[row, x - 1] != 0:
                continue
            place = (_wavelength(terms, float(x), nothing) - start) / step
            k = int(np.floor(place))
            part = place - k
            value = np.float64(data[row, x - 1])
            if 0 <= k < n:
                sums[0, k] += 1.0 - part
                sums[1, k] += (1.0 - part) * value
            if 0 <= k + 1 < n:
                sums[0, k + 1] += part
                sums[1, k + 1] += part * value


@nb.njit(nogil=True, cache=True)
def row_wavelengths(
    ifu: int,
    edges: NDArray[np.float64],
    wavelength: NDArray[np.float64],
    offsets: NDArray[np.int64],
    shift: Any,
    low: Any,
    high: Any,
    n_columns: int,
    starts: NDArray[np.int64],
    first: int,
    values: NDArray[np.float32],
    origin: NDArray[np.int32],
) -> None:
    """Wavelengths and origins of successive rows of a pixel table.

    Bounded by arithmetic: one polynomial a row.

    Parameters
    ----------
    ifu : int, from 1
    edges : float64 (slices, 2, rows of the CCD)
    wavelength : float64 (slices, x order + 1, y order + 1)
    offsets : int64 (slices,), of x in `origin`, from `x_offsets`
    shift, low, high, n_columns : as for `count_pixels`
    starts : int64 (slices * rows of the CCD + 1,)
        Rows of the table before each row of the CCD, slice by slice: sums of the counts of `count_pixels`.
    first : int, number of the first row, from 0
    values : float32 (n,), filled [Angstrom]
    origin : int32 (n,), filled, x - offset, y, IFU and slice (manual A.3.2)
    """
    terms = np.empty(wavelength.shape[1])
    n_rows = edges.shape[2]
    n = 0
    at = np.searchsorted(starts, first, side="right") - 1
    while n < values.size:
        if starts[at + 1] > starts[at]:
            k, row = at // n_rows, at % n_rows
            row_terms(wavelength[k], row + 1.0, terms)
            left, right = row_span(edges[k, 0, row], edges[k, 1, row], n_columns)
            code = (row + 1) << 11 | ifu << 6 | (k + 1)
            before = first + n - starts[at]
            for x in range(left, right + 1):
                value = _wavelength(terms, float(x), shift)
                if not low <= value <= high:
                    continue
                if before > 0:
                    before -= 1
                    continue
                if n == values.size:
                    break
                values[n], origin[n] = value, (x - offsets[k]) << 24 | code
                n += 1
        at += 1


@nb.njit(nogil=True, cache=True)
def pixels_of_origin(
    origin: NDArray[np.int32],
    edges: NDArray[np.float64],
    geometry: NDArray[np.float64],
    offsets: NDArray[np.int64],
    image: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]],
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    data: NDArray[np.float32],
    dq: NDArray[np.int32],
    stat: NDArray[np.float32],
) -> None:
    """Places in the field of view and values of rows of a pixel table, in any order.

    Bounded by memory traffic: about 40 bytes a row, of which a slice's part of the image is read piece by piece.

    Parameters
    ----------
    origin : int32 (n,), from `row_wavelengths`
    edges : float64 (slices, 2, rows), left and right edge in each row [pixel, from 1]
    geometry : float64 (slices, 4), x, y [pixel of the field], angle [rad], width [pixel] of the slices
    offsets : int64 (slices,), of x in `origin`
    image : (data, dq, stat), float32, int32, float32 (rows, columns), trimmed
    xpos, ypos, data, dq, stat : float32, int32 for dq; (n,) each, filled
    """
    along_x, along_y = geometry[:, 3] * np.cos(geometry[:, 2]), geometry[:, 3] * np.sin(geometry[:, 2])
    for i in range(origin.size):
        code = np.int64(origin[i])
        k = (code & 63) - 1
        row = (code >> 11 & 8191) - 1
        x = (code >> 24) + offsets[k]
        left, right = edges[k, 0, row], edges[k, 1, row]
        r = (x - 0.5 * (left + right)) / (right - left)
        xpos[i] = geometry[k, 0] - r * along_x[k]
        ypos[i] = geometry[k, 1] - r * along_y[k]
        data[i], dq[i], stat[i] = image[0][row, x - 1], image[1][row, x - 1], image[2][row, x - 1]


@nb.njit(nogil=True, cache=True)
def slice_field_limits(
    edges: NDArray[np.float64],
    wavelength: NDArray[np.float64],
    geometry: NDArray[np.float64],
    shift: Any,
    low: Any,
    high: Any,
    n_columns: Any,
) -> NDArray[np.float64]:
    """Lowest and highest x, y [pixel], wavelength [Angstrom] of a slice, float64 (2, 3); infinite without pixels.

    Parameters
    ----------
    edges, wavelength, shift, low, high, n_columns : as for `count_pixels`
    geometry : float64 (4,), of the slice, see `pixels_of_origin`
    """
    out = np.empty((2, 3))
    out[0], out[1] = np.inf, -np.inf
    terms = np.empty(wavelength.shape[0])
    along_x, along_y = geometry[3] * np.cos(geometry[2]), geometry[3] * np.sin(geometry[2])
    for k in range(edges.shape[1]):
        row = _from_both_ends(k, edges.shape[1])
        row_terms(wavelength, row + 1.0, terms)
        left, right = edges[0, row], edges[1, row]
        first, last = row_span(left, right, n_columns)
        if last < first:
            continue
        shortest, longest = _row_range(terms, first, last, shift)
        if longest < low or shortest > high:
            continue
        # where all pixels count, the ends are the limits, but for wavelengths near those known so far
        inside = low <= shortest and longest <= high and shortest >= out[0, 2] and longest <= out[1, 2]
        step = max(last - first, 1) if inside else 1
        middle, width = 0.5 * (left + right), right - left
        for x in range(first, last + 1, step):
            value = _wavelength(terms, float(x), shift)
            if not low <= value <= high:
                continue
            r = (x - middle) / width
            px, py = np.float32(geometry[0] - r * along_x), np.float32(geometry[1] - r * along_y)
            out[0, 0], out[1, 0] = min(out[0, 0], px), max(out[1, 0], px)
            out[0, 1], out[1, 1] = min(out[0, 1], py), max(out[1, 1], py)
            out[0, 2], out[1, 2] = min(out[0, 2], value), max(out[1, 2], value)
    return out
