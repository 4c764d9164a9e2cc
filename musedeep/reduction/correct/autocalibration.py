"""Autocalibration of slices on the sky of a deep field: factors that bring all slices to the same sky.

The method of Bacon et al. (2017, A&A 608, A1, section 3.1), as muse_scipost revised it (Weilbacher et al. 2020, section
4.10):

1. Objects are masked: pixels of the white-light image whose distance from its median is more than 5 times the median
   of these distances. Single pixels among them are sky; around the others, two pixels more are masked (`sky_pixels`).
   An input SKY_MASK takes the place of this mask.
2. The spectrum is divided into 20 ranges that cut no group of sky lines; with adaptive optics into 19, of which one
   holds the notch filter (`range_limits`).
3. The mean of the rows in the mask is found for each column of the CCD in each slice and range. Sums suffice, so
   memory does not grow with the rows (`ColumnSums`).
4. The sky of a slice is the mean of its columns, of those with at least 50 rows, without outliers: columns more than 3
   standard deviations (1.4826 times the median absolute deviation) from the median, until none is left (`slice_sky`).
5. The sky of a range is the mean of all slices, without those more than 3 standard deviations from the median, until
   none is left. A factor is the sky of its range over that of its slice.
6. A factor that differs by more than 0.03 from the mean of the factors of both neighbouring ranges has been measured on
   an object: that mean takes its place. So it is with a sky far from those of the other slices (by 10 standard
   deviations and 5 percent), and with all slices in the range of the notch filter.

Slices without data have the factor 1. 98 percent of the factors of simulated exposures agree with those of muse_scipost
2.8.7 within 0.003; with the same mask most of them do so within 3e-6.

How it is called, on an exposure with positions in pixels of the field, flux-calibrated, without Raman light, and with
its sky: `pixels = sky_pixels(white_image(...))`, `factors = measure_factors(exposure.sources, pixels.mask, start,
mode)`, `exposure.corrected(calibrate_slices(observation, factors))`; with factors of the user, the last alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.kernels.rows.slice_flux import CCD_COLUMNS, add_to_columns
from musedeep.reduction.correct.never_twice import PIXTABLE, refuse
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.reduction.rows.sums import add_up
from musedeep.storage.calibrations.autocal_factors import AutocalFactors
from musedeep.storage.pixel_tables.row_steps import ScaleSlices
from musedeep.storage.pixel_tables.table import Rows, RowSource

AUTOCAL: Final = PIXTABLE + "AUTOCAL"

LIMITS: Final = (
    0.0, 5000.0, 5265.0, 5466.0, 5658.0, 5850.0, 6120.0, 6440.0, 6678.0, 6931.0, 7211.0, 7450.0, 7668.0, 7900.0, 8120.0,
    8330.0, 8565.0, 8731.0, 9012.0, 9275.0, 10000.0,
)  # fmt: skip
"""Limits of the ranges of wavelengths, Angstrom."""

IN_THE_NOTCH: Final = 5850.0
"""This limit is not one with adaptive optics."""

MASK_CLIP: Final = 5.0
GROWTH: Final = 3
"""Pixels by which objects grow, after one at their edge has been taken away."""

FEWEST_ROWS: Final = 50
CLIP: Final = 3.0
OUTLIER: Final = 10.0
FAR: Final = 0.05
"""The sky of a slice is an object's if it differs from the median of all by more than both: standard deviations (by the
median absolute deviation), and a share of the median."""
STEP: Final = 0.03
TO_SIGMA: Final = 1.4826

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def range_limits(mode: str) -> Floats:
    """Limits of the ranges of wavelengths in an instrument mode, float64 (21,), or (20,) with adaptive optics."""
    return np.array([limit for limit in LIMITS if limit != IN_THE_NOTCH or "-AO-" not in mode])


@dataclass(frozen=True)
class SkyPixels:
    """Pixels of the field without objects.

    Attributes
    ----------
    mask : bool (ny, nx)
    low, high : their lowest and highest value in the image
    """

    mask: Mask
    low: float
    high: float


def sky_pixels(image: NDArray[np.float32]) -> SkyPixels:
    """Pixels without objects, of a white-light image, float32 (ny, nx), NaN where there are no data.

    Raises
    ------
    MusedeepError
        The image has no data.
    """
    from scipy.ndimage import binary_dilation, binary_erosion  # a tenth of a second to load

    values = image[np.isfinite(image)].astype(np.float64)
    if not values.size:
        raise MusedeepError("the white-light image for the autocalibration has no data; check the wavelength limits")
    median = float(np.median(values))
    spread = MASK_CLIP * float(np.median(np.abs(values - median)))
    low, high = median - spread, median + spread
    with np.errstate(invalid="ignore"):
        objects = ~((image >= low) & (image <= high))
    for change in (binary_erosion, *GROWTH * (binary_dilation,)):
        # the outermost lines and columns stay, as in the ESO pipeline
        objects[1:-1, 1:-1] = change(objects, np.ones((3, 3)))[1:-1, 1:-1]
    return SkyPixels(~objects, low, high)


class ColumnSums:
    """Numbers and sums of the data of each IFU, slice, range and CCD column, as `RowSums`.

    Parameters
    ----------
    mask : bool (ny, nx), pixels of the field that count
    start : x, y of the middle of its first pixel [pixel]
    limits : float64 (ranges + 1,) [Angstrom]
    """

    columns = ("xpos", "ypos", "lambda", "data", "origin")

    def __init__(self, mask: Mask, start: tuple[float, float], limits: Floats) -> None:
        self.mask, self.start, self.limits = np.ascontiguousarray(mask), start, limits
        self.number: dict[int, NDArray[np.int64]] = {}
        self.total: dict[int, Floats] = {}

    def fresh(self) -> "ColumnSums":
        """See `RowSums.fresh`."""
        return ColumnSums(self.mask, self.start, self.limits)

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        of_row = rows["origin"] >> 6 & 31
        held = np.flatnonzero(np.bincount(of_row, minlength=1)).tolist()
        for ifu in held:
            one = rows if len(held) == 1 else {name: values[of_row == ifu] for name, values in rows.items()}
            if ifu not in self.number:
                shape = (N_SLICES, self.limits.size - 1, CCD_COLUMNS)
                self.number[ifu], self.total[ifu] = np.zeros(shape, np.int64), np.zeros(shape)
            values = (one[name] for name in ("xpos", "ypos", "lambda", "data", "origin"))
            add_to_columns(*values, self.mask, *self.start, self.limits, self.number[ifu], self.total[ifu])

    def merge(self, other: "ColumnSums") -> None:
        """See `RowSums.merge`."""
        for ifu, number in other.number.items():
            if ifu in self.number:
                self.number[ifu] += number
                self.total[ifu] += other.total[ifu]
            else:
                self.number[ifu], self.total[ifu] = number, other.total[ifu]


def slice_sky(number: NDArray[np.int64], total: Floats) -> float:
    """Mean of the columns of one slice in one range, without outliers; NaN if no column has enough rows.

    Parameters
    ----------
    number, total : int64, float64 (128,), see `ColumnSums`
    """
    enough = number >= FEWEST_ROWS
    values = total[enough] / number[enough]
    while values.size:
        distance = np.abs(values - np.median(values))
        kept = distance <= CLIP * TO_SIGMA * np.median(distance)
        if kept.all():
            return float(values.mean())
        values = values[kept]
    return np.nan


def factors_of(sums: ColumnSums) -> AutocalFactors:
    """The factors that follow from the sums; steps 4 to 6 of the module.

    Raises
    ------
    MusedeepError
        A range has data, but its sky is not positive.
    """
    n_ranges = sums.limits.size - 1
    shape = (N_IFUS, N_SLICES, n_ranges)
    points, sky = np.zeros(shape, np.int32), np.full(shape, np.nan)
    for ifu, number in sums.number.items():
        points[ifu - 1] = number.sum(2)
        for index in np.ndindex(N_SLICES, n_ranges):
            sky[ifu - 1][index] = slice_sky(number[index], sums.total[ifu][index])
    measured = np.full(shape, np.nan)
    for k in range(n_ranges):
        of_range = sky[:, :, k]
        known = np.isfinite(of_range)
        if known.any():
            measured[:, :, k][known] = _of_range(of_range[known], sums.limits[k : k + 2])
    if IN_THE_NOTCH not in sums.limits:
        measured[:, :, np.searchsorted(sums.limits, IN_THE_NOTCH) - 1] = np.nan
    return AutocalFactors(sums.limits, points, *_without_steps(measured, points > 0))


def _of_range(sky: Floats, limits: Floats) -> Floats:
    """Factors of slices by their sky in one range, float64 (n,); NaN where it is far from that of the others."""
    median = np.median(sky)
    distance = np.abs(sky - median)
    far = (distance > OUTLIER * TO_SIGMA * np.median(distance)) & (distance > FAR * np.abs(median))
    good = sky[~far]
    while not (kept := np.abs(good - np.median(good)) <= CLIP * good.std()).all():
        good = good[kept]
    reference = float(good.mean())
    if not reference > 0.0:
        raise MusedeepError(
            f"the sky of {limits[0]:g} to {limits[1]:g} Angstrom is {reference:g}, not positive; slices cannot be "
            "calibrated on a sky that is subtracted: give autocalib=none"
        )
    return np.where(far | (sky <= 0.0), np.nan, reference / np.where(sky > 0.0, sky, np.nan))


def _without_steps(measured: Floats, has_data: Mask) -> tuple[Floats, Floats]:
    """Factors without those of objects, and the measured ones that were replaced.

    Parameters
    ----------
    measured : float64 (24, 48, ranges), NaN where a sky could not be measured
    has_data : bool (24, 48, ranges)

    Returns
    -------
    float64 (24, 48, ranges) each; the second NaN where the measured factor stays
    """
    filled = np.ones(measured.shape)
    places = np.arange(measured.shape[2])
    for index in np.ndindex(measured.shape[:2]):
        known = np.isfinite(measured[index])
        if known.any():
            filled[index] = np.interp(places, places[known], measured[index][known])
    filled[~has_data] = 1.0
    between = 0.5 * (filled[:, :, :-2] + filled[:, :, 2:])
    steps = np.zeros(measured.shape, bool)
    steps[:, :, 1:-1] = (np.abs(filled[:, :, 1:-1] - between) > STEP) & np.isfinite(measured[:, :, 1:-1])
    factors = filled.copy()
    factors[:, :, 1:-1][steps[:, :, 1:-1]] = between[steps[:, :, 1:-1]]
    return factors, np.where(steps, measured, np.nan)


def measure_factors(
    sources: Sequence[RowSource], mask: Mask, start: tuple[float, float], mode: str, workers: int | None = None
) -> AutocalFactors:
    """The factors of the slices of an exposure by a mask. Its rows are read once.

    Parameters
    ----------
    sources : rows of its IFUs
        Flux-calibrated and without Raman light, the sky not subtracted; with positions in pixels of the field.
    mask : bool (ny, nx), pixels of the field without objects (`sky_pixels`)
    start : x, y of the middle of the mask's first pixel [pixel]
    mode : instrument mode
    workers : threads

    Raises
    ------
    MusedeepError
        The sky of a range of wavelengths is not positive; the mask holds no row.
    """
    sums = ColumnSums(mask, start, range_limits(mode))
    add_up(sources, [sums], workers)
    if not any(number.any() for number in sums.number.values()):
        raise MusedeepError(
            f"{sources[0].path}: no pixel of the sky mask for the autocalibration holds data; give a SKY_MASK of "
            "this field, or autocalib=none"
        )
    return factors_of(sums)


class SliceFactors(Stepped):
    """Data times the factors of their slices, variances times the squares."""

    def __init__(self, factors: AutocalFactors, name: str) -> None:
        super().__init__(ScaleSlices(factors.limits, factors.factors))
        self.name = name

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return [(AUTOCAL, self.name, "slices were calibrated on the sky")]


def calibrate_slices(observation: Observation, factors: AutocalFactors, user: bool = False) -> list[Correction]:
    """The correction of an exposure by factors of slices, its own ones (autocalib=deepfield) or the user's.

    Raises
    ------
    MusedeepError
        Its slices are calibrated already.
    """
    refuse(AUTOCAL in observation.header, observation, "its slices are calibrated", AUTOCAL)
    return [SliceFactors(factors, "user" if user else "slice-median")]
