"""Line-spread function of a slice as an image: offset from the line by wavelength of the line (manual A.3.9).

Found by experiments on the reference: around each offset, samples of all lines within the regression window are
fitted, all with the same weight, by a polynomial of second order in the offset times one of third order in the
wavelength of the line; its value at the offset is the profile, which is then normalised for each wavelength.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

OFFSET_ORDER: Final = 2
LINE_ORDER: Final = 3
"""Orders of the polynomial (found on the reference)."""

MIDDLE: Final = 7000.0
HALF: Final = 2350.0
"""Wavelengths are scaled with these, Angstrom."""

_N_T: Final = 2 * OFFSET_ORDER + 1
_N_U: Final = 2 * LINE_ORDER + 1


def scaled(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wavelengths of lines as the polynomial takes them."""
    return np.asarray((wavelengths - MIDDLE) / HALF)


@nb.njit(nogil=True, cache=True)
def _cell_moments(offsets, u, values, cuts, moments, sums):  # type: ignore[no-untyped-def]
    """Moments of the samples between neighbouring cuts, about the middle of each cell."""
    moments[:] = 0.0
    sums[:] = 0.0
    ut = np.empty(_N_U)
    for k in range(offsets.size):
        c = np.searchsorted(cuts, offsets[k], side="right") - 1
        if c < 0 or c >= cuts.size - 1:
            continue
        t = offsets[k] - 0.5 * (cuts[c] + cuts[c + 1])
        ut[0] = 1.0
        for j in range(1, _N_U):
            ut[j] = ut[j - 1] * u[k]
        power = 1.0
        for a in range(_N_T):
            for j in range(_N_U):
                moments[c, a, j] += power * ut[j]
            if a <= OFFSET_ORDER:
                for j in range(LINE_ORDER + 1):
                    sums[c, a, j] += power * ut[j] * values[k]
            power *= t


@nb.njit(nogil=True, cache=True)
def _window_equations(cuts, moments, sums, x, half, order, normal, right):  # type: ignore[no-untyped-def]
    """Normal equations of a window: the moments of its cells, moved to its middle."""
    m = np.zeros((_N_T, _N_U))
    s = np.zeros((OFFSET_ORDER + 1, LINE_ORDER + 1))
    binomial = np.zeros((_N_T, _N_T))
    for a in range(_N_T):
        binomial[a, 0] = 1.0
        for b in range(1, a + 1):
            binomial[a, b] = binomial[a - 1, b - 1] + binomial[a - 1, b]
    shifts = np.empty(_N_T)
    for c in range(cuts.size - 1):
        middle = 0.5 * (cuts[c] + cuts[c + 1])
        if abs(middle - x) >= half or moments[c, 0, 0] == 0.0:
            continue
        shifts[0] = 1.0
        for a in range(1, _N_T):
            shifts[a] = shifts[a - 1] * (middle - x)
        for a in range(_N_T):
            for b in range(a + 1):
                factor = binomial[a, b] * shifts[a - b]
                for j in range(_N_U):
                    m[a, j] += factor * moments[c, b, j]
                if a <= OFFSET_ORDER:
                    for j in range(LINE_ORDER + 1):
                        s[a, j] += factor * sums[c, b, j]
    n_line = order + 1
    scale = np.empty(_N_T)
    scale[0] = 1.0
    for a in range(1, _N_T):
        scale[a] = scale[a - 1] / half
    for a in range(OFFSET_ORDER + 1):
        for i in range(n_line):
            right[a * n_line + i] = s[a, i] * scale[a]
            for b in range(OFFSET_ORDER + 1):
                for j in range(n_line):
                    normal[a * n_line + i, b * n_line + j] = m[a + b, i + j] * scale[a + b]
    return m[0, 0]


def _regression(offsets, u, values, grid, half, order):  # type: ignore[no-untyped-def]
    """Coefficients in the scaled wavelength at each offset of the grid, float64 (order + 1, size)."""
    cuts = np.unique(np.concatenate([grid - half, grid + half]))
    # limits that differ by rounding only are one
    cuts = cuts[np.concatenate([[True], np.diff(cuts) > 1e-9])]
    moments = np.empty((cuts.size - 1, _N_T, _N_U))
    sums = np.empty((cuts.size - 1, OFFSET_ORDER + 1, LINE_ORDER + 1))
    _cell_moments(offsets, u, values, cuts, moments, sums)
    n = (OFFSET_ORDER + 1) * (order + 1)
    normal, right = np.empty((n, n)), np.empty(n)
    out = np.zeros((order + 1, grid.size))
    for i, x in enumerate(grid):
        if _window_equations(cuts, moments, sums, x, half, order, normal, right) >= n:
            out[:, i] = np.linalg.lstsq(normal, right, rcond=1e-13)[0][: order + 1]
    return out


def profile_image(
    offsets: NDArray[np.float64],
    u: NDArray[np.float64],
    values: NDArray[np.float64],
    grid: NDArray[np.float64],
    half: float,
    wavelengths: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Line-spread function of a slice, not normalised, float64 (planes, size); 0 where a window has too few samples.

    The regression lowers and widens peaks that are curved within its window, by 0.4 % of the width with the
    default window; so what it leaves of the samples is fitted once more and added (Tukey's twicing).

    Each sample is looked at once in a fit (its moments go to the cell between two limits of windows), so the time does
    not depend on how far windows overlap: about 0.1 microseconds a sample.

    Parameters
    ----------
    offsets : float64 (n,), wavelength less that of the line [Angstrom]
    u : float64 (n,), scaled wavelength of the line
    values : float64 (n,), per Angstrom, of a line of flux 1
    grid : float64 (size,), offsets of the image [Angstrom]
    half : half size of the regression window [Angstrom]
    wavelengths : float64 (planes,), of the image [Angstrom]
    """
    order = min(LINE_ORDER, np.unique(u).size - 1)
    if order < 0:
        return np.zeros((wavelengths.size, grid.size))
    found = _regression(offsets, u, values, grid, half, order)
    inside = (offsets >= grid[0]) & (offsets <= grid[-1])
    at, v, left = offsets[inside], u[inside], values[inside].copy()
    curve = CubicSpline(grid, found.T)(at)
    left -= np.einsum("ij,ij->i", curve, v[:, None] ** np.arange(order + 1))
    found += _regression(at, v, left, grid, half, order)
    return np.asarray(scaled(wavelengths)[:, None] ** np.arange(order + 1) @ found)


def normalised(image: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Profiles (planes, size) of unit integral; those without light stay 0."""
    total = image.sum(1, keepdims=True) * step
    return np.asarray(np.where(total > 0, image / np.where(total > 0, total, 1.0), 0.0))


def full_widths(image: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Full widths at half maximum of profiles (planes, size), in units of `step`'s; NaN where a side is cut off."""
    widths = np.full(image.shape[0], np.nan)
    for i, profile in enumerate(image):
        peak = int(profile.argmax())
        half = 0.5 * profile[peak]
        left = np.flatnonzero(profile[:peak] < half)
        right = np.flatnonzero(profile[peak:] < half)
        if half <= 0 or not left.size or not right.size:
            continue
        a, b = left[-1], peak + right[0]
        low = a + (half - profile[a]) / (profile[a + 1] - profile[a])
        high = b - (half - profile[b]) / (profile[b - 1] - profile[b])
        widths[i] = (high - low) * step
    return widths
