"""The sky of one exposure, from its rows as corrected so far: refraction and flux, before the sky.

1. The planes of its cube are made, one band after the other, and added up to the white-light image (SKY_IMAGE).
2. The darkest part of the image is the sky (SKY_MASK; `mask`).
3. The rows of the sky are added up to its spectrum (SKY_SPECTRUM; `spectrum`).
4. Lines are fitted to it, and what is left is the continuum (SKY_LINES, SKY_CONTINUUM; `model`).

Rows are read three times: for their places, for the image, for the spectrum. None are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.sky.sky_rows import SkyField
from musedeep.progress import Progress
from musedeep.reduction.cube.field_cube import PlaneImages
from musedeep.reduction.cube.field_grid import FieldGrid, field_grid
from musedeep.reduction.cube.planes import BAND_MEMORY, planes_of, resampling
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.reduction.rows.sums import add_up
from musedeep.reduction.sky.line_fit import LineFit
from musedeep.reduction.sky.mask import SkyRegion, choice_bias, darkest, given_region
from musedeep.reduction.sky.model import SkyModel, noise_share, sky_model
from musedeep.reduction.sky.spectrum import CLIP, SAMPLING, MeanSpectrum, PlaneLevels, SkySpectrum
from musedeep.storage.calibrations.filters import WHITE
from musedeep.storage.calibrations.lsf_profile import LsfProfile
from musedeep.storage.calibrations.sky_continuum import SkyContinuumTable
from musedeep.storage.calibrations.sky_lines import SkyLineTable
from musedeep.storage.calibrations.sky_mask import SkyMask
from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable
from musedeep.storage.pixel_tables.table import RowSource

PIXFRAC = (0.6, 0.6, 0.6)
"""Shrinking of pixels for the image (found in the reference's log)."""


@dataclass(frozen=True)
class SkyChoice:
    """How the sky is found: parameters of muse_create_sky, and of muse_scipost with skymodel_ or sky_ before them.

    Attributes
    ----------
    fraction : share of the image, without what is ignored, that is sky
    ignore : share of the image to ignore, at the dark end
    sampling : bins of the spectrum [Angstrom]
    csampling : bins of the continuum [Angstrom]
    crsigma : limits for cosmic rays of the image and of the spectrum, in standard deviations; 0 or less: none
    unbiased : correct the continuum for the choice of dark pixels (`mask.choice_bias`)
    """

    fraction: float = 0.75
    ignore: float = 0.05
    sampling: float = SAMPLING
    csampling: float = SAMPLING
    crsigma: tuple[float, float] = (CLIP, CLIP)
    unbiased: bool = True


@dataclass(frozen=True)
class MeasuredSky:
    """The sky of an exposure.

    Attributes
    ----------
    image : float32 (ny, nx), white light
    grid : FieldGrid, of the image
    region : SkyRegion, what of it is sky
    spectrum : MeanSpectrum, of the rows there
    bias : float, how much too bright it is by the choice of dark pixels, mean of all wavelengths
    """

    image: NDArray[np.float32]
    grid: FieldGrid
    region: SkyRegion
    spectrum: MeanSpectrum
    bias: float

    def table(self, choice: SkyChoice) -> SkySpectrumTable:
        """The spectrum to be subtracted as it is: corrected for the choice of dark pixels, if that is wanted."""
        table = self.spectrum.table("SKY_SPECTRUM")
        if not choice.unbiased:
            return table
        return replace(table, data=table.data - self.bias * noise_share(self.spectrum)[self.spectrum.good])

    def model(
        self,
        table: SkyLineTable,
        lsfs: Mapping[int, LsfProfile],
        choice: SkyChoice,
        continuum: SkyContinuumTable | None = None,
    ) -> tuple[SkyModel, LineFit]:
        """Lines and continuum; see `model.sky_model`."""
        bias = self.bias if choice.unbiased else 0.0
        return sky_model(self.spectrum, table, lsfs, continuum, bias, choice.csampling)


def measure_sky(
    sources: Sequence[RowSource],
    pointing: tuple[float, float],
    choice: SkyChoice,
    given: SkyMask | None = None,
    *,
    memory: int = BAND_MEMORY,
    workers: int | None = None,
    progress: Progress | None = None,
) -> MeasuredSky:
    """Image, mask and spectrum of the sky of an exposure.

    Parameters
    ----------
    sources : its rows, of which the sky is not subtracted, with positions in pixels of the field
    pointing : RA and DEC [deg]
    given : a SKY_MASK, in which the sky is looked for
    memory : of the bands of the image [bytes]
    workers : threads

    Raises
    ------
    MusedeepError
        A given mask of another size or place; no sky; rows that are not finite.
    """
    survey = survey_rows(sources, float(np.deg2rad(pointing[1])), workers)
    grid = field_grid(survey, pointing)
    # a mask that is of no use is told before the image is made
    inside = None if given is None else given_region(given, grid.start[:2], grid.shape[1:])
    made = PlaneImages([WHITE], grid)
    levels = PlaneLevels(grid.start[2], grid.grid.step, grid.shape[0])
    how = resampling(pixfrac=PIXFRAC, crsigma=choice.crsigma[0])
    low, high = survey.limits[2]
    bands = planes_of(survey, grid, how, memory=memory, workers=workers, progress=progress)
    del survey  # its segments are in the way
    for planes in bands:
        made.add(planes)
        levels.add(planes.first, planes.data)
    image = made.images()[0]
    region = darkest(image, choice.fraction, choice.ignore, inside)
    excess = np.where(region.mask, np.maximum(image - np.nanmedian(image), 0.0), np.nan).astype(np.float32)
    usual = levels.usual()
    field = SkyField(excess, *grid.start[:2], *usual, grid.start[2], grid.grid.step)
    bins = int(np.floor((high - low) / choice.sampling + 1e-6)) + 1
    sums = SkySpectrum(field, float(low), bins, choice.sampling)
    add_up(sources, [sums], workers, progress)
    spectrum = sums.finished(choice.crsigma[1])
    return MeasuredSky(image, grid, region, spectrum, choice_bias(image, region, spectrum.image_covariance))
