"""Where the rows of a pixel table lie: boxes of short runs of rows, and the order of rows in a store."""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.rows.projection import FAST, rough_tangent


@nb.njit(nogil=True, cache=True, error_model="numpy")
def not_finite(values: NDArray[np.float32]) -> Any:
    """Number of float32 values that are NaN or infinite, and the place of the first (-1 if none)."""
    bits = values.view(np.uint32)
    exponent = np.uint32(0x7F800000)
    n = np.uint32(0)
    for i in range(bits.size):
        n += np.uint32((bits[i] & exponent) == exponent)
    if n > 0:
        for i in range(bits.size):
            if (bits[i] & exponent) == exponent:
                return np.int64(n), np.int64(i)
    return np.int64(0), np.int64(-1)


@nb.njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _box(x, y, wavelength, out):  # type: ignore[no-untyped-def]
    f = np.float32
    w0 = w1 = wavelength[0]
    x0 = x1 = x[0]
    y0 = y1 = y[0]
    for i in range(x.size):
        w0, w1 = min(w0, wavelength[i]), max(w1, wavelength[i])
        x0, x1 = min(x0, x[i]), max(x1, x[i])
        y0, y1 = min(y0, y[i]), max(y1, y[i])
    slack = f(4e-6) * max(max(abs(x0), abs(x1)), max(abs(y0), abs(y1)))
    out[0], out[1] = w0, w1
    out[2], out[3] = x0 - slack, x1 + slack
    out[4], out[5] = y0 - slack, y1 + slack


@nb.njit(nogil=True, cache=True, error_model="numpy")
def segment_boxes(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    edges: NDArray[np.int64],
    native: bool,
    out: NDArray[np.float32],
) -> None:
    """Bounding boxes of successive runs of rows, by `rough_tangent`; bound by arithmetic.

    Parameters
    ----------
    xpos, ypos : float32 (rows,)
        Native longitude, and native latitude minus pi/2 [rad] (manual A.3.2). All rows have to be finite.
    wavelength : float32 (rows,) [Angstrom]
    edges : int64 (runs + 1,), run k holds the rows edges[k] to edges[k + 1] - 1; at least one
    native : bool
        False if the positions are not native spherical coordinates (earlier or later stages): then the box
        is that of xpos and ypos themselves.
    out : float32 (runs, 6)
        Filled with the smallest and largest wavelength [Angstrom], and the smallest and largest xi (east)
        and eta (north) in the tangent plane [rad], widened by what the arithmetic may be wrong by.
    """
    longest = 0
    for k in range(out.shape[0]):
        longest = max(longest, edges[k + 1] - edges[k])
    x, y = np.empty(longest, np.float32), np.empty(longest, np.float32)
    for k in range(out.shape[0]):
        first, last = edges[k], edges[k + 1]
        n = last - first
        if native:
            rough_tangent(xpos[first:last], ypos[first:last], x[:n], y[:n])
            _box(x[:n], y[:n], wavelength[first:last], out[k])
        else:
            _box(xpos[first:last], ypos[first:last], wavelength[first:last], out[k])


@nb.njit(nogil=True, cache=True, error_model="numpy")
def row_keys(
    wavelength: NDArray[np.float32],
    origin: NDArray[np.int32],
    first_edge: float,
    width: float,
    n_bands: int,
    out: NDArray[np.int64],
) -> Any:
    """Place of each row in a store: (band * 32 + IFU) * 64 + slice.

    Parameters
    ----------
    wavelength : float32 (rows,) [Angstrom]
    origin : int32 (rows,), bits 0-5 slice, bits 6-10 IFU (manual A.3.2)
    first_edge, width : float, lower edge of band 0, width of the bands [Angstrom]
    n_bands : int, rows beyond the first or last band count to it
    out : int64 (rows,)
    """
    for i in range(out.size):
        band = np.int64(np.floor((np.float64(wavelength[i]) - first_edge) / width))
        band = min(max(band, np.int64(0)), np.int64(n_bands - 1))
        out[i] = band * 2048 + (np.int64(origin[i]) & 2047)
        # the low 11 bits of origin are IFU * 64 + slice


@nb.njit(nogil=True, cache=True, error_model="numpy")
def stable_order(keys: NDArray[np.int64], first_key: int, places: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Order that sorts the keys, equal ones staying as they are (counting sort).

    Parameters
    ----------
    keys : int64 (rows,)
    first_key : int, smallest possible key
    places : int64 (possible keys,), where the rows of each key begin, key by key; overwritten
    out : int64 (rows,), filled with the numbers of the rows in sorted order
    """
    for i in range(keys.size):
        k = keys[i] - first_key
        out[places[k]] = i
        places[k] += 1


@nb.njit(nogil=True, cache=True)
def runs_of_rows(rows: NDArray[np.int64], out: NDArray[np.int64]) -> Any:
    """Ranges of consecutive numbers in `rows`, as int64 (n, 2); returns how many of `out` are filled."""
    n = 0
    for i in range(rows.size):
        if n > 0 and out[n - 1, 1] == rows[i]:
            out[n - 1, 1] = rows[i] + 1
        else:
            out[n, 0] = rows[i]
            out[n, 1] = rows[i] + 1
            n += 1
    return n
