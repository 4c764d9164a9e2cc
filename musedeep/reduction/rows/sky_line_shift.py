"""Shift of the wavelengths of an exposure, from sky emission lines (manual 9.8)."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.sky_line import LineFit, fit_line
from musedeep.kernels.rows.row_spectrum import add_rows, clip_rows, spectrum_of
from musedeep.reduction.parameters import SkyLineSearch
from musedeep.reduction.rows.image_rows import create_pixels
from musedeep.reduction.rows.slice_map import Image, SliceMap
from musedeep.statics.load import sky_line_fluxes

NEIGHBOUR_REACH: Final = 15.0
"""Lines nearer than this to a sky line are its neighbours, Angstrom; those farther have no light in its box."""

NEIGHBOUR_LIMIT: Final = 1e-4
"""Relative flux of the faintest neighbour that counts."""

SAME_LINE: Final = 0.5
"""Distance at which a line of the table is the line that was asked for, Angstrom."""

SAFE_SHIFT: Final = 3.0
"""Largest shift that makes sense, Angstrom; more says that it was no sky line."""


def sky_line_shift(where: SliceMap, image: Image, search: SkyLineSearch) -> float | None:
    """Shift to add to the wavelengths [Angstrom], the weighted mean of the lines; None where none could be fitted.

    Weights are 1 / error**2, where a bad fit makes the error larger. Without neighbours they are 1 / error, errors
    from noise alone: so does the reference (found by experiments on it).
    """
    found = [(line, fit) for line in search.lines if (fit := measure_line(where, image, line, search))]
    found = [(line, fit) for line, fit in found if abs(line - fit.centre) < SAFE_SHIFT]
    if not found:
        return None
    if search.neighbours:
        weights = np.array([fit.error**-2 / fit.misfit for _, fit in found])
    else:
        weights = np.array([1.0 / fit.error for _, fit in found])
    shifts = np.array([line - fit.centre for line, fit in found])
    return float((weights * shifts).sum() / weights.sum())


def measure_line(where: SliceMap, image: Image, line: float, search: SkyLineSearch) -> LineFit | None:
    """Fit one line in the spectrum of all slices.

    The spectrum has one bin each `bin_size`, in which every pixel without flags counts the same; pixels that lie
    further from it than the limits, in mean standard deviations of pixels there, are left out (as the reference does,
    found by experiments on it).
    """
    limits = (line - search.half_width, line + search.half_width)
    rows = create_pixels(Path("sky line"), where, image, 0.0, limits).rows
    wavelength, data, stat = rows["lambda"], rows["data"], rows["stat"]
    use = (rows["dq"] == 0) & (stat > 0)
    if not use.any():
        return None
    if search.neighbours:
        use &= ~_with_objects(rows["origin"], data, use)
    start = float(wavelength[use].min())
    bins = int(np.ceil((float(wavelength[use].max()) - start) / search.bin_size)) + 2
    mean = variance = np.empty(0)
    for turn in range(search.iterations + 1):
        sums = np.zeros((4, bins))
        add_rows(wavelength, data, stat, use, start, search.bin_size, sums)
        mean, variance = spectrum_of(sums)
        if turn == search.iterations or np.isnan(mean[:-1]).any():
            break
        scatter = np.nan_to_num(sums[3] / np.maximum(sums[0], 1e-30))
        filled = np.nan_to_num(mean)
        if not clip_rows(wavelength, data, start, search.bin_size, filled, scatter, search.high, search.low, use):
            break
    offsets, ratios = neighbours(line) if search.neighbours else (np.empty(0), np.empty(0))
    centres = np.asarray(start + search.bin_size * np.arange(bins), np.float64)
    return fit_line(centres, mean, variance, line, offsets, ratios)


def _with_objects(origin: NDArray[np.int32], data: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows in columns of slices that are brighter than the others: an object, whose spectrum is not that of the sky."""
    keys = (origin & 63).astype(np.int64) << 7 | origin >> 24
    number = np.bincount(keys[use])
    total = np.bincount(keys[use], data[use].astype(np.float64))
    filled = np.flatnonzero(number)
    level = total[filled] / number[filled]
    middle = np.median(level)
    scatter = 1.4826 * np.median(np.abs(level - middle))
    bright = np.zeros(max(number.size, int(keys.max()) + 1), bool)
    bright[filled[level > middle + 3.0 * scatter]] = True
    return np.asarray(bright[keys])


def neighbours(line: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances [Angstrom] and relative fluxes of known lines beside a sky line; none if it is not in the table."""
    wavelength, flux = sky_line_fluxes()
    near = np.abs(wavelength - line) <= SAME_LINE
    if not near.any():
        return np.empty(0), np.empty(0)
    main = int(np.flatnonzero(near)[flux[near].argmax()])
    ratios = flux / flux[main]
    beside = (np.abs(wavelength - line) < NEIGHBOUR_REACH) & (ratios > NEIGHBOUR_LIMIT)
    beside[main] = False
    return wavelength[beside] - wavelength[main], ratios[beside]
