"""Sums over the rows of the sky: the spectrum of the rows within a mask."""

from typing import Any, Final, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.rows.row_spectrum import share_row


class SkyField(NamedTuple):
    """Where rows count to the sky, and which of them may be cosmic rays.

    Attributes
    ----------
    excess : float32 (ny, nx)
        How much brighter than the darker half of the field each pixel is, at least 0; NaN outside the sky.
    x, y : coordinates of the first pixel's centre
    level, limit : float64 (bins,), at least two
        By wavelength, a value that is usual for rows, and how far others may be from it without doubt; both are linear
        between bins.
    start, step : centre of the first bin of these, and width of bins [Angstrom]
    """

    excess: NDArray[np.float32]
    x: float
    y: float
    level: NDArray[np.float64]
    limit: NDArray[np.float64]
    start: float
    step: float


EXCESS_SHARE: Final = 3.0
"""Multiple of a pixel's excess by which its rows may be brighter without doubt: sources have lines, too."""


HALF: Final = 0.3
"""Half of the width over which a row is spread in the white-light image, pixels (pixfrac 0.6)."""


@nb.njit(nogil=True, cache=True)
def own_share(distance: Any) -> Any:
    """Share of a row's light that stays in the pixel that it lies in, at a distance from its centre along one axis."""
    return min(1.0, (0.5 + HALF - abs(distance)) / (2.0 * HALF))


@nb.njit(nogil=True, cache=True)
def add_sky_rows(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    dq: NDArray[np.int32],
    origin: NDArray[np.int32],
    field: SkyField,
    start: Any,
    step: Any,
    sums: NDArray[np.float64],
    slices: NDArray[np.int64],
    halves: NDArray[np.float64],
    share: NDArray[np.float64],
    doubtful: NDArray[np.float32],
) -> Any:
    """Add rows of the sky to a spectrum, and keep those in doubt; returns their number.

    A row shares its value among the two nearest bins, weighted by its nearness to their centres.

    Parameters
    ----------
    xpos, ypos, wavelength, data, stat, dq, origin : (rows,), columns of a pixel table
    start, step : float, centre of the first bin of the spectrum, and width of bins [Angstrom]
    sums : float64 (6, bins), added to; see `share_row`
    slices : int64 (25, 64), rows of each IFU and slice, added to
    halves : float64 (2, 2, ny, nx), added to
        Number of rows on even and odd lines of the CCD, and sum of their differences from what is usual.
    share : float64 (2,), number of rows, and sum of their shares in the pixel of the image they lie in; added to
    doubtful : float32 (rows, 4), filled: wavelength, value, variance, excess of rows in doubt
    """
    n_levels = field.level.size
    ny, nx = field.excess.shape
    found = 0
    for i in range(wavelength.size):
        if dq[i] != 0:
            continue
        kx = int(np.floor(xpos[i] - field.x + 0.5))
        ky = int(np.floor(ypos[i] - field.y + 0.5))
        if kx < 0 or kx >= nx or ky < 0 or ky >= ny:
            continue
        excess = field.excess[ky, kx]
        if np.isnan(excess):
            continue
        slices[(origin[i] >> 6) & 31, origin[i] & 63] += 1
        place = min(max((wavelength[i] - field.start) / field.step, 0.0), n_levels - 1.0)
        k = min(int(place), n_levels - 2)
        part = place - k
        usual = (1.0 - part) * field.level[k] + part * field.level[k + 1]
        limit = (1.0 - part) * field.limit[k] + part * field.limit[k + 1]
        if not abs(data[i] - usual) <= limit + EXCESS_SHARE * excess:
            doubtful[found, 0], doubtful[found, 1] = wavelength[i], data[i]
            doubtful[found, 2], doubtful[found, 3] = stat[i], excess
            found += 1
            continue
        share[0] += 1.0
        share[1] += own_share(xpos[i] - field.x - kx) * own_share(ypos[i] - field.y - ky)
        half = (origin[i] >> 11) & 1
        halves[half, 0, ky, kx] += 1.0
        halves[half, 1, ky, kx] += data[i] - usual
        share_row((wavelength[i] - start) / step, data[i], stat[i], sums)
    return found


@nb.njit(nogil=True, cache=True)
def add_undoubted(
    doubtful: NDArray[np.float32],
    spectrum: NDArray[np.float64],
    scatter: NDArray[np.float64],
    sigma: Any,
    start: Any,
    step: Any,
    sums: NDArray[np.float64],
) -> Any:
    """Add those rows in doubt that are within `sigma` standard deviations of the spectrum; returns their number.

    Parameters
    ----------
    doubtful : float32 (rows, 4), of `add_sky_rows`
    spectrum, scatter : float64 (bins,), mean value and mean variance of the rows without doubt
    start, step, sums : as there
    """
    n = spectrum.size
    kept = 0
    for i in range(doubtful.shape[0]):
        wavelength, value = np.float64(doubtful[i, 0]), np.float64(doubtful[i, 1])
        variance, excess = np.float64(doubtful[i, 2]), np.float64(doubtful[i, 3])
        place = min(max((wavelength - start) / step, 0.0), n - 1.0)
        k = min(int(place), n - 2)
        part = place - k
        residual = value - ((1.0 - part) * spectrum[k] + part * spectrum[k + 1])
        deviation = np.sqrt(max((1.0 - part) * scatter[k] + part * scatter[k + 1], 0.0))
        if not abs(residual) <= sigma * deviation + EXCESS_SHARE * excess:
            continue
        kept += 1
        share_row(place, value, variance, sums)
    return kept
