"""The spectrum of the sky of an exposure, from one reading of its rows.

1. From the planes of which the white-light image is made, a usual value and its spread at each wavelength follow,
   whatever cosmic rays there are (`PlaneLevels`).
2. The rows within the sky mask are read (`SkySpectrum`): each row without flags shares itself among the two nearest
   bins. Rows far from what is usual are kept apart. Each pixel of the field gets the means of its rows on even and on
   odd lines of the CCD, whose difference tells its noise.
3. Of the rows kept apart, those within 15 standard deviations of the spectrum of all others are added at the end; the
   others are cosmic rays.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION
from musedeep.kernels.rows.row_spectrum import spectrum_of
from musedeep.kernels.sky.sky_rows import SkyField, add_sky_rows, add_undoubted
from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable
from musedeep.storage.pixel_tables.table import Rows

SAMPLING: Final = DISPERSION / 4.0
"""Bins of the spectrum [Angstrom]: as the reference's."""

CLIP: Final = 15.0
"""Rows further than this from the spectrum are cosmic rays, in standard deviations: as the reference has it."""

DOUBT: Final = 10.0
"""Rows further than this from what is usual are looked at again: in standard deviations of voxels, which are means of a
few rows."""

ENOUGH: Final = 4000
"""Voxels of a plane that tell its usual value."""

QUANTILES: Final = (0.1587, 0.5, 0.8413)


class PlaneLevels:
    """The usual value of the voxels of each plane of an exposure's cube, and how far rows may be from it.

    Parameters
    ----------
    start, step, planes : wavelengths of the planes [Angstrom]
    """

    def __init__(self, start: float, step: float, planes: int) -> None:
        self.start, self.step = start, step
        self._figures = np.full((2, planes), np.nan)

    def add(self, first: int, data: NDArray[np.float32]) -> None:
        """Add planes, float32 (planes, lines, columns), of which `first` is the number of the first."""
        lines = max(int(np.sqrt(data.shape[1] * data.shape[2] / ENOUGH)), 1)
        for k, plane in enumerate(data, first):
            # some of the voxels tell it well enough
            values = plane.ravel()[:: lines * lines]
            values = values[np.isfinite(values)]
            if values.size:
                low, middle, high = np.quantile(values, QUANTILES)
                self._figures[:, k] = middle, 0.5 * (high - low)

    def usual(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Usual value, and largest difference from it without doubt, float64 (planes,) each."""
        known = np.isfinite(self._figures[0])
        if not known.any():
            return np.zeros(known.size), np.full(known.size, np.inf)
        at = np.arange(known.size)
        level, spread = (np.interp(at, at[known], one[known]) for one in self._figures)
        # rows lie between the planes, too, where the light of a line may be another
        steep = np.abs(np.gradient(level)) if level.size > 1 else np.zeros(level.size)
        return level, DOUBT * spread + steep


class SkySpectrum:
    """The spectrum of the rows within a mask; see `RowSums`.

    Parameters
    ----------
    field : SkyField
    start, bins, step : centre of the first bin [Angstrom], number of bins, and their width [Angstrom]

    Attributes
    ----------
    sums : float64 (6, bins), of `sky_rows.add_sky_rows`
    slices : int64 (25, 64), rows of each IFU and slice
    halves : float64 (2, 2, ny, nx), of `sky_rows.add_sky_rows`
    share : float64 (2,), of `sky_rows.add_sky_rows`
    doubtful : list of float32 (rows, 4)
    """

    columns = ("xpos", "ypos", "lambda", "data", "stat", "dq", "origin")

    def __init__(self, field: SkyField, start: float, bins: int, step: float = SAMPLING) -> None:
        self.field, self.start, self.bins, self.step = field, start, bins, step
        self.sums = np.zeros((6, bins))
        self.slices = np.zeros((25, 64), np.int64)
        self.halves = np.zeros((2, 2, *field.excess.shape))
        self.share = np.zeros(2)
        self.doubtful: list[NDArray[np.float32]] = []

    def fresh(self) -> "SkySpectrum":
        """See `RowSums.fresh`."""
        return SkySpectrum(self.field, self.start, self.bins, self.step)

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        doubtful = np.empty((rows["lambda"].size, 4), np.float32)
        columns = [rows[name] for name in self.columns]
        found = add_sky_rows(
            *columns, self.field, self.start, self.step, self.sums, self.slices, self.halves, self.share, doubtful
        )
        if found:
            self.doubtful.append(doubtful[:found].copy())

    def merge(self, other: "SkySpectrum") -> None:
        """See `RowSums.merge`."""
        self.sums += other.sums
        self.slices += other.slices
        self.halves += other.halves
        self.share += other.share
        self.doubtful += other.doubtful

    def finished(self, sigma: float = CLIP) -> "MeanSpectrum":
        """The mean of all rows but cosmic rays; this adds the rows kept apart that are none, and is to be called once.

        Parameters
        ----------
        sigma : float, rows further than this from the spectrum are cosmic rays, in standard deviations; 0 or less: none

        Raises
        ------
        MusedeepError
            There are no rows.
        """
        if not self.slices.any():
            raise MusedeepError("no row of the exposure is in the sky mask; give another SKY_MASK, or more wavelengths")
        doubtful = np.concatenate([np.empty((0, 4), np.float32), *self.doubtful])
        if doubtful.size:
            mean, stat, square = (_filled(self.sums[k], self.sums[0]) for k in (1, 3, 4))
            # in strong lines, slices differ by more than the noise
            scatter = np.maximum(stat, square - mean**2)
            add_undoubted(doubtful, mean, scatter, sigma if sigma > 0 else np.inf, self.start, self.step, self.sums)
        mean, variance = spectrum_of(self.sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            stat, square, offset = (self.sums[k] / self.sums[0] for k in (3, 4, 5))
        return MeanSpectrum(
            self.start, self.step, mean, stat, variance, np.maximum(square - mean**2, 0.0),
            np.nan_to_num(self.step * offset), self.slices, self._image_covariance(),
        )  # fmt: skip

    def _image_covariance(self) -> float:
        """See `MeanSpectrum.image_covariance`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.halves[:, 1] / self.halves[:, 0]
        half = 0.5 * (means[0] - means[1])
        half = half[np.isfinite(half)]
        if half.size < 2 or not self.share[0]:
            return 0.0
        variance = (1.4826 * np.median(np.abs(half - np.median(half)))) ** 2
        return float(variance * self.share[1] / self.share[0])


def _filled(values: NDArray[np.float64], number: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means, interpolated where nothing fell."""
    some = number > 0
    if not some.any():
        return np.zeros(values.size)
    at = np.arange(values.size)
    return np.interp(at, at[some], values[some] / number[some])


@dataclass(frozen=True)
class MeanSpectrum:
    """The mean spectrum of rows.

    Attributes
    ----------
    start, step : centre of the first bin, and width of bins [Angstrom]
    data : float64 (bins,), mean of the rows; NaN in bins without
    stat : float64 (bins,), mean of the variances of the rows
    variance : float64 (bins,), of `data`
    scatter : float64 (bins,), variance of the rows as they scatter about `data`, with the noise that `stat` lacks
    offset : float64 (bins,), mean distance of the rows from the centre of their bin [Angstrom]
    slices : int64 (25, 64), rows of each IFU and slice
    image_covariance : float
        Covariance, by noise, of the mean of the rows that lie in a pixel of the field and the pixel of the white-light
        image, which these rows share with their neighbours.
    """

    start: float
    step: float
    data: NDArray[np.float64]
    stat: NDArray[np.float64]
    variance: NDArray[np.float64]
    scatter: NDArray[np.float64]
    offset: NDArray[np.float64]
    slices: NDArray[np.int64]
    image_covariance: float = 0.0

    @property
    def wavelength(self) -> NDArray[np.float64]:
        """Centres of the bins, float64 (bins,) [Angstrom]."""
        return np.asarray(self.start + self.step * np.arange(self.data.size), np.float64)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Bins with data."""
        return np.asarray(np.isfinite(self.data))

    def table(self, path: str | Path) -> SkySpectrumTable:
        """As a SKY_SPECTRUM, without the bins that have no data (the notch of the adaptive optics)."""
        good = self.good
        flags = np.zeros(int(good.sum()), np.int64)
        return SkySpectrumTable(Path(path), self.wavelength[good], self.data[good], self.stat[good], flags)
