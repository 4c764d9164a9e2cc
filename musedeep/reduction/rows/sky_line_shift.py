"""Shift of the wavelengths of an exposure, from sky emission lines (manual 9.8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.lines.sky_line import LineFit, fit_line
from musedeep.kernels.rows.row_spectrum import add_rows, clip_rows, spectrum_of
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


@dataclass(frozen=True)
class SkyLineSearch:
    """How the shift is found.

    Attributes
    ----------
    lines : wavelengths [Angstrom]; none: no correction
    half_width, bin_size : of the box around a line, and of bins [Angstrom]
    high, low, iterations : of the clipping, in standard deviations
    neighbours : whether lines beside the sky lines are in the model
    """

    lines: tuple[float, ...]
    half_width: float
    bin_size: float
    high: float
    low: float
    iterations: int
    neighbours: bool

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "SkyLineSearch":
        """From the parameters skylines, skyhalfwidth, skybinsize, skyreject, skyneighbours.

        Raises
        ------
        MusedeepError
            Numbers that are none, or make no sense.
        """
        text = str(parameters["skylines"]).strip()
        lines = _numbers("skylines", text) if text.lower() != "none" else ()
        limits = _numbers("skyreject", str(parameters["skyreject"]))
        if not 0 <= len(limits) <= 3 or min(limits, default=1) < 0:
            raise MusedeepError(
                f"muse_scibasic: skyreject={parameters['skyreject']} is not HIGH,LOW,ITERATIONS; as in 15.,15.,1"
            )
        high, low, passes = (*limits, *(15.0, 15.0, 1.0)[len(limits) :])
        width, size = float(parameters["skyhalfwidth"]), float(parameters["skybinsize"])
        if size > width:
            raise MusedeepError(
                f"muse_scibasic: skyhalfwidth={width:g}, skybinsize={size:g} make no box with bins; as in 5 and 0.1"
            )
        return cls(lines, width, size, high, low, int(passes), bool(parameters["skyneighbours"]))


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        values = (np.nan,)
    if not np.isfinite(values).all():
        raise MusedeepError(f"muse_scibasic: {name}={text} are not numbers, separated by commas; correct it")
    return values


def sky_line_shift(where: SliceMap, image: Image, search: SkyLineSearch) -> float | None:
    """What has to be added to the wavelengths: the weighted mean of the lines.

    Weights are 1 / error**2, where a bad fit makes the error larger. Without neighbours they are 1 / error, errors
    from noise alone: so does the reference (found by experiments on it).

    Returns
    -------
    float
        [Angstrom]; None where no line could be fitted.
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
    """Distances and relative fluxes of known lines beside a sky line; none if it is not in the table.

    Returns
    -------
    float64 (n,) [Angstrom], float64 (n,)
    """
    wavelength, flux = sky_line_fluxes()
    near = np.abs(wavelength - line) <= SAME_LINE
    if not near.any():
        return np.empty(0), np.empty(0)
    main = int(np.flatnonzero(near)[flux[near].argmax()])
    ratios = flux / flux[main]
    beside = (np.abs(wavelength - line) < NEIGHBOUR_REACH) & (ratios > NEIGHBOUR_LIMIT)
    beside[main] = False
    return wavelength[beside] - wavelength[main], ratios[beside]
