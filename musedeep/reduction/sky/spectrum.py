"""The spectrum of the sky of an exposure, from one reading of its rows.

1. While the rows are read for the white-light image, their values are counted by wavelength and level (`RowLevels`).
   From that a usual value and its spread at each wavelength follow, whatever cosmic rays there are.
2. The rows within the sky mask are read (`SkySpectrum`): each row without flags shares itself among the two nearest
   bins. Rows far from what is usual are kept apart. Each pixel of the field gets the means of its rows on even and on
   odd lines of the CCD, whose difference tells its noise.
3. Of the rows kept apart, those within CLIP standard deviations of the spectrum of all others are added at the end; the
   others are cosmic rays.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION, DQ
from musedeep.kernels.rows.row_spectrum import spectrum_of
from musedeep.kernels.sky.sky_rows import N_LEVELS, SkyField, add_levels, add_sky_rows, add_undoubted, level_edges
from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable
from musedeep.storage.pixel_tables.table import Rows

SAMPLING: Final = DISPERSION / 4.0
"""Bins of the spectrum [Angstrom]: as the reference's."""

CLIP: Final = 15.0
"""Rows further than this from the spectrum are cosmic rays, in standard deviations: as in the reference's images."""

DOUBT: Final = 6.0
"""Rows further than this from what is usual are looked at again, in standard deviations."""

QUANTILES: Final = (0.1587, 0.5, 0.8413)


class RowLevels:
    """Values of the rows of an exposure, by wavelength; see `RowSums`.

    Parameters
    ----------
    wavelengths : lowest and highest [Angstrom]

    Attributes
    ----------
    counts : int32 (bins, N_LEVELS)
    """

    columns = ("lambda", "data", "dq")

    def __init__(self, wavelengths: tuple[float, float]) -> None:
        self.wavelengths = wavelengths
        bins = int(np.ceil((wavelengths[1] - wavelengths[0]) / DISPERSION)) + 1
        self.counts = np.zeros((bins, N_LEVELS), np.int32)

    def fresh(self) -> "RowLevels":
        """See `RowSums.fresh`."""
        return RowLevels(self.wavelengths)

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        add_levels(
            rows["lambda"], rows["data"].view(np.int32), rows["dq"], self.wavelengths[0], DISPERSION, self.counts
        )

    def merge(self, other: "RowLevels") -> None:
        """See `RowSums.merge`."""
        self.counts += other.counts

    def usual(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Usual value and spread of rows by wavelength, float64 (bins,) each, in bins of DISPERSION."""
        edges = level_edges()
        total = np.cumsum(self.counts, axis=1, dtype=np.int64)
        found = np.full((3, total.shape[0]), np.nan)
        for k in np.flatnonzero(total[:, -1]):
            below = np.concatenate([[0], total[k]])
            found[:, k] = np.interp(np.array(QUANTILES) * below[-1], below, edges)
        spread = 0.5 * (found[2] - found[0])
        # at least one level: values are not known better
        spread = np.maximum(spread, 0.1 * np.abs(found[1]))
        filled = np.isfinite(found[1])
        if not filled.any():
            return np.zeros(filled.size), np.full(filled.size, np.inf)
        at = np.arange(filled.size)
        return np.interp(at, at[filled], found[1][filled]), np.interp(at, at[filled], spread[filled])


class SkySpectrum:
    """The spectrum of the rows within a mask; see `RowSums`.

    Parameters
    ----------
    field : SkyField
    start, bins : centre of the first bin [Angstrom], and number of bins of SAMPLING

    Attributes
    ----------
    sums : float64 (5, bins), of `sky_rows.add_sky_rows`
    slices : int64 (25, 64), rows of each IFU and slice
    halves : float64 (2, 2, ny, nx), number and sum of the rows on even and on odd lines of the CCD
    doubtful : list of float64 (rows, 4)
    """

    columns = ("xpos", "ypos", "lambda", "data", "stat", "dq", "origin")

    def __init__(self, field: SkyField, start: float, bins: int) -> None:
        self.field, self.start, self.bins = field, start, bins
        self.sums = np.zeros((5, bins))
        self.slices = np.zeros((25, 64), np.int64)
        self.halves = np.zeros((2, 2, *field.excess.shape))
        self.doubtful: list[NDArray[np.float64]] = []

    def fresh(self) -> "SkySpectrum":
        """See `RowSums.fresh`."""
        return SkySpectrum(self.field, self.start, self.bins)

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        doubtful = np.empty((rows["lambda"].size, 4))
        columns = [rows[name] for name in self.columns]
        found = add_sky_rows(*columns, self.field, self.start, SAMPLING, self.sums, self.slices, self.halves, doubtful)
        if found:
            self.doubtful.append(doubtful[:found].copy())

    def merge(self, other: "SkySpectrum") -> None:
        """See `RowSums.merge`."""
        self.sums += other.sums
        self.slices += other.slices
        self.halves += other.halves
        self.doubtful += other.doubtful

    def finished(self) -> "MeanSpectrum":
        """The mean of all rows but cosmic rays; this adds the rows kept apart that are none, and is to be called once.

        Raises
        ------
        MusedeepError
            There are no rows.
        """
        if not self.slices.any():
            raise MusedeepError("no row of the exposure is in the sky mask; give another SKY_MASK, or more wavelengths")
        doubtful = np.concatenate([np.empty((0, 4)), *self.doubtful])
        if doubtful.size:
            mean, scatter = (_filled(self.sums[k], self.sums[0]) for k in (1, 3))
            add_undoubted(doubtful, mean, scatter, CLIP, self.start, SAMPLING, self.sums)
        mean, variance = spectrum_of(self.sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            stat, scatter = self.sums[3] / self.sums[0], self.sums[4] / self.sums[0] - mean**2
        pixel = self._pixel_variance()
        return MeanSpectrum(self.start, SAMPLING, mean, stat, variance, np.maximum(scatter, 0.0), self.slices, pixel)

    def _pixel_variance(self) -> float:
        """Variance by noise of the mean of a pixel's rows, of the sky; 0 where it is not known."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.halves[:, 1] / self.halves[:, 0]
        half = 0.5 * (means[0] - means[1])
        half = half[np.isfinite(half)]
        return float((1.4826 * np.median(np.abs(half - np.median(half)))) ** 2) if half.size > 1 else 0.0


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
    slices : int64 (25, 64), rows of each IFU and slice
    pixel_variance : float, variance by noise of the mean over all wavelengths of a pixel of the field
    """

    start: float
    step: float
    data: NDArray[np.float64]
    stat: NDArray[np.float64]
    variance: NDArray[np.float64]
    scatter: NDArray[np.float64]
    slices: NDArray[np.int64]
    pixel_variance: float = 0.0

    @property
    def wavelength(self) -> NDArray[np.float64]:
        """Centres of the bins, float64 (bins,) [Angstrom]."""
        return np.asarray(self.start + self.step * np.arange(self.data.size), np.float64)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Bins with data."""
        return np.asarray(np.isfinite(self.data))

    def table(self, path: Path) -> SkySpectrumTable:
        """As a SKY_SPECTRUM; bins without data are 0 and have a flag."""
        bad = ~self.good
        data, stat = np.where(bad, 0.0, self.data), np.where(bad, 0.0, self.stat)
        return SkySpectrumTable(path, self.wavelength, data, stat, np.where(bad, int(DQ.MISSING), 0))
