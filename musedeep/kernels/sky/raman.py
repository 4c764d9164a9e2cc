"""Light of Raman lines in rows of a pixel table: its fit, and its subtraction."""

from typing import Any, Final, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES

SPATIAL: Final = 6
"""Coefficients over the field: xx, xy, yy, x, y, 1, of positions over `FIELD_SCALE`."""

FIELD_SCALE: Final = 150.0
"""Half the width of the field, pixels."""

CONTINUUM: Final = 2
"""Coefficients of the continuum: 1, and the distance from the middle of the band over its width."""

SLICE_BITS = 63


class BandTables(NamedTuple):
    """Spectra of a band in each slice of an IFU, and where the rows of the fit are.

    Attributes
    ----------
    spectra : float64 (48, 1 + skies, bins), of the Raman lines, and of the groups of sky lines, per Angstrom
    start, step : of the bins [Angstrom]
    low, high : the band [Angstrom]
    mask : bool (ny, nx), pixels of the field that count
    x_start, y_start : position of the middle of its first pixel [pixel]
    """

    spectra: NDArray[np.float64]
    start: float
    step: float
    low: float
    high: float
    mask: NDArray[np.bool_]
    x_start: float
    y_start: float


@nb.njit(nogil=True, cache=True)
def add_raman_rows(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    dq: NDArray[np.int32],
    origin: NDArray[np.int32],
    tables: BandTables,
    solution: NDArray[np.float64],
    clip: Any,
    matrix: NDArray[np.float64],
    right: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> None:
    """Add rows of one IFU to the normal equations of the light in a band.

    The parameters are those over the field of the Raman lines, then of groups of sky lines, then of the continuum.

    Parameters
    ----------
    xpos ... origin : float32, int32 (rows,)
    tables : BandTables
    solution : float64 (n,), of the turn before; empty in the first
    clip : rows further from it are left out [standard deviations of the row]
    matrix, right : float64 (n, n), of which the upper triangle is filled, and (n,), added to
    noise : float64 (2,), number of rows and sum of their variances, added to
    """
    ny, nx = tables.mask.shape
    skies = tables.spectra.shape[1] - 1
    bins = tables.spectra.shape[2]
    n = SPATIAL + skies + CONTINUUM
    phi = np.empty(n)
    for i in range(data.size):
        w = np.float64(wavelength[i])
        slice_number = origin[i] & SLICE_BITS
        if w < tables.low or w > tables.high or dq[i] != 0 or slice_number < 1 or slice_number > N_SLICES:
            continue
        if not (np.isfinite(data[i]) and stat[i] > 0.0):
            continue
        px = min(max(int(np.floor(xpos[i] - tables.x_start + 0.5)), 0), nx - 1)
        py = min(max(int(np.floor(ypos[i] - tables.y_start + 0.5)), 0), ny - 1)
        if not tables.mask[py, px]:
            continue
        place = min(max((w - tables.start) / tables.step, 0.0), bins - 1.000001)
        k = int(place)
        f = place - k
        spectra = tables.spectra[slice_number - 1]
        lines = (1.0 - f) * spectra[0, k] + f * spectra[0, k + 1]
        x, y = xpos[i] / FIELD_SCALE, ypos[i] / FIELD_SCALE
        phi[0], phi[1], phi[2] = lines * x * x, lines * x * y, lines * y * y
        phi[3], phi[4], phi[5] = lines * x, lines * y, lines
        for j in range(skies):
            phi[SPATIAL + j] = (1.0 - f) * spectra[1 + j, k] + f * spectra[1 + j, k + 1]
        phi[n - 2] = 1.0
        phi[n - 1] = (w - 0.5 * (tables.low + tables.high)) / (tables.high - tables.low)
        if solution.size:
            model = 0.0
            for j in range(n):
                model += solution[j] * phi[j]
            if abs(data[i] - model) > clip * np.sqrt(stat[i]):
                continue
        for j in range(n):
            right[j] += phi[j] * data[i]
            for m in range(j, n):
                matrix[j, m] += phi[j] * phi[m]
        noise[0] += 1.0
        noise[1] += stat[i]


@nb.njit(nogil=True, cache=True)
def subtract_raman_rows(
    xpos: NDArray[np.float32],
    ypos: NDArray[np.float32],
    wavelength: NDArray[np.float32],
    origin: NDArray[np.int32],
    ifu: Any,
    spectra: NDArray[np.float32],
    start: Any,
    step: Any,
    field: NDArray[np.float64],
    data: NDArray[np.float32],
) -> None:
    """Subtract Raman light from the rows of an IFU; rows of other IFUs stay.

    Parameters
    ----------
    xpos, ypos, wavelength, origin : float32, int32 (rows,)
    spectra : float32 (48, bins), of the lines in each slice, per Angstrom
    start, step : of the bins [Angstrom]
    field : float64 (6,), see `SPATIAL`
    data : float32 (rows,), changed
    """
    bins = spectra.shape[1]
    last = start + step * (bins - 1)
    for i in range(data.size):
        w = np.float64(wavelength[i])
        slice_number = origin[i] & SLICE_BITS
        if not (start <= w < last) or slice_number < 1 or slice_number > N_SLICES or (origin[i] >> 6) & 31 != ifu:
            continue
        place = (w - start) / step
        k = int(place)
        f = place - k
        lines = (1.0 - f) * spectra[slice_number - 1, k] + f * spectra[slice_number - 1, k + 1]
        if lines == 0.0:
            continue
        x, y = xpos[i] / FIELD_SCALE, ypos[i] / FIELD_SCALE
        light = x * (field[0] * x + field[1] * y + field[3]) + y * (field[2] * y + field[4]) + field[5]
        data[i] = np.float32(data[i] - lines * light)
