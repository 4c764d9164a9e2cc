"""The grid of a cube or image of one exposure: in pixels of the field of view, or on the sky.

Before the astrometric calibration the positions of rows are pixels of the field; the grid then has voxels of one pixel
in x and y, and its first voxel lies at the lowest position and wavelength of all rows, as in the reference. To the
engine of the cubes (`box`) such a grid is one on the sky, with PIXEL degrees for a pixel, on the equator.

After it the grid is that of the cubes on the sky (`grid.grid_from_limits`).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.kernels.cube.voxels import PIXEL
from musedeep.reduction.cube.box import ExposureGeometry
from musedeep.reduction.cube.grid import Grid, Limits, check_grid, grid_from_limits
from musedeep.reduction.cube.row_survey import RowSurvey
from musedeep.storage.cubes.cube_fits import CubeWCS
from musedeep.storage.cubes.field_grid import PixelWCS
from musedeep.storage.fits.header_cards import Card


@dataclass(frozen=True)
class FieldGrid:
    """The grid of one exposure.

    Attributes
    ----------
    grid : Grid, as the engine of cubes takes it
    scale : float, what positions are, see `kernels.cube.voxels.Pointing`
    declination : float, of the pointing [rad]
    """

    grid: Grid
    scale: float
    declination: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.grid.shape

    @property
    def in_pixels(self) -> bool:
        """Whether it is in pixels of the field, and not on the sky."""
        return self.scale == PIXEL

    @property
    def start(self) -> tuple[float, float, float]:
        """Position of the first voxel of a grid in pixels: x, y [pixel], wavelength [Angstrom]."""
        grid = self.grid
        x, y = (value / PIXEL - (place - 1.0) * step / PIXEL for value, place, step in self._axes())
        return x, y, grid.crval[2] - (grid.crpix[2] - 1.0) * grid.step

    def _axes(self) -> list[tuple[float, float, float]]:
        grid = self.grid
        return list(zip(grid.crval[:2], grid.crpix[:2], grid.cd[::3], strict=True))

    def geometry(self, name: str, flux_scale: float = 1.0) -> ExposureGeometry:
        """The exposure as the engine of cubes sees it; `name` is for messages."""
        return ExposureGeometry(self.declination, (0.0, 0.0), flux_scale, 1.0, 1.0, name, self.scale)

    def pixel_wcs(self) -> PixelWCS:
        """The grid in pixels as header cards need it."""
        return PixelWCS(self.start, self.grid.step, self.grid.scale[:2])

    def cards(self, axes: int = 3, systematic_error: tuple[float, float] | None = None) -> list[Card]:
        """World coordinates of a cube (3 axes) or an image (2); the error [deg] is that of the astrometric solution."""
        wcs = self.pixel_wcs() if self.in_pixels else self.wcs(systematic_error)
        return [*wcs.spatial(), *(wcs.spectral() if axes == 3 else [])]

    def wcs(self, systematic_error: tuple[float, float] | None = None) -> CubeWCS:
        """The grid on the sky as header cards need it."""
        grid = self.grid
        return CubeWCS(grid.crpix, grid.crval, grid.cd, grid.step, grid.ctype3, systematic_error)

    def cut(self, planes: slice, lines: slice, columns: slice) -> "FieldGrid":
        """A part of the grid, whose voxels are some of its own; slices with both ends, within the grid."""
        shape = tuple(part.stop - part.start for part in (planes, lines, columns))
        crpix = tuple(v - p.start for v, p in zip(self.grid.crpix, (columns, lines, planes), strict=True))
        assert len(shape) == 3 and len(crpix) == 3
        return replace(self, grid=replace(self.grid, shape=shape, crpix=crpix))


def field_grid(
    survey: RowSurvey,
    pointing: tuple[float, float],
    steps: tuple[float, float, float] = (0.0, 0.0, 0.0),
    narrow_field: bool = False,
) -> FieldGrid:
    """The grid that covers the rows of an exposure.

    Parameters
    ----------
    survey : RowSurvey, of its rows
    pointing : (float, float), RA and DEC of the exposure [deg]; of no importance for a grid in pixels
    steps : (float, float, float)
        Sizes of a voxel, as dx, dy, dlambda: in pixels, or arcsec on the sky, and Angstrom; 0 for one pixel, the
        nominal spaxel of the mode, and the natural sampling
    narrow_field : whether the exposure is of the narrow-field mode

    Raises
    ------
    MusedeepError
        The cube would be larger than can be meant.
    """
    if not survey.in_pixels:
        limits = Limits(*((float(low), float(high)) for low, high in survey.limits))
        grid = grid_from_limits(limits, pointing, *steps, narrow_field)
        return FieldGrid(check_grid(grid), survey.scale, float(np.deg2rad(pointing[1])))
    return FieldGrid(check_grid(pixel_grid(survey.limits, steps)), PIXEL)


def pixel_grid(limits: NDArray[np.float64], steps: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Grid:
    """See `field_grid`, for positions in pixels of the field."""
    (x_low, x_high), (y_low, y_high), (low, high) = limits
    dx, dy, dz = steps[0] or 1.0, steps[1] or 1.0, steps[2] or DISPERSION
    shape = (
        int(np.ceil((high - low) / dz)) + 1,
        int(np.floor((y_high - y_low) / dy + 0.5)) + 1,
        int(np.floor((x_high - x_low) / dx + 0.5)) + 1,
    )
    return Grid(
        shape, (1.0, 1.0, 1.0), (float(x_low) * PIXEL, float(y_low) * PIXEL, float(low)),
        (dx * PIXEL, 0.0, 0.0, dy * PIXEL), dz, "AWAV",
        offset=(-float(x_low) * PIXEL, -float(y_low) * PIXEL), scale=(dx, dy, dz / DISPERSION),
    )  # fmt: skip
