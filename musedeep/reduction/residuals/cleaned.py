"""The cube without its sky residuals, which is never in memory: computed plane by plane from the coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.sky.residual_spectra import fit_components, plane_figures, subtract_components
from musedeep.progress import Progress
from musedeep.reduction.residuals.components import Segment, filtered_spectra, groups_of
from musedeep.reduction.residuals.sky_planes import Floats, Mask, SkyPlanes, bands_of, parallel
from musedeep.storage.cubes.voxels import Voxels

LINE_LIMIT: Final = 4.0
"""Lines of sources exceed the noise of what the fit leaves by this factor, in a plane or as a sum of three."""


def fitted(data: Voxels, sky: SkyPlanes, segments: Sequence[Segment], threads: int, progress: Progress) -> list[Floats]:
    """Coefficients of all components, for each segment (components, spaxels); see `fit_components`."""
    columns = [np.ascontiguousarray(segment.vectors.T) for segment in segments]
    nx = data.shape[2]
    out = [np.zeros((segment.number, data.shape[1] * nx), np.float32) for segment in segments]

    def of_group(lines: tuple[int, int]) -> list[Floats]:
        spectra, scales = filtered_spectra(data, lines, sky)
        found = []
        for segment, transposed in zip(segments, columns, strict=True):
            coefficients = np.empty((scales.size, segment.number), np.float32)
            own = np.ascontiguousarray(spectra[:, segment.planes])
            fit_components(own, scales, segment.vectors, transposed, segment.prior, LINE_LIMIT, coefficients)
            found.append(coefficients)
        return found

    groups = groups_of(data.shape)
    for (y0, y1), found in zip(groups, parallel(threads, of_group, groups, progress, "groups of spectra"), strict=True):
        for whole, coefficients in zip(out, found, strict=True):
            whole[:, y0 * nx : y1 * nx] = coefficients.T
    return out


@dataclass(frozen=True)
class CleanedData:
    """Values without sky residuals as `Voxels`.

    Attributes
    ----------
    data : the values of the cube
    sky : of each plane
    subtract_level : whether the level of the sky is subtracted, too
    segments, coefficients : the components, and those of each spaxel (components, spaxels)
    """

    data: Voxels
    sky: SkyPlanes
    subtract_level: bool
    segments: Sequence[Segment]
    coefficients: Sequence[Floats]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.data.shape

    @property
    def ends(self) -> tuple[int, ...]:
        """Planes at which chunks of the cube end."""
        return getattr(self.data, "ends", ())

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> Floats:
        """See `Voxels.read_box`."""
        nx, last = self.shape[2], self.shape[1] if y1 is None else y1
        values = self.data.read_box(z0, z1, y0, last).astype(np.float32, copy=False)
        nothing, used = np.zeros((0, values[0].size), np.float32), self.sky.used
        for z in range(z0, z1):
            if not used[z]:
                continue
            columns, coefficients = np.zeros(0, np.float32), nothing
            for segment, found in zip(self.segments, self.coefficients, strict=True):
                place = int(np.searchsorted(segment.planes, z))
                if place < segment.planes.size and segment.planes[place] == z:
                    columns = segment.vectors[place] * self.sky.sigma[z]
                    coefficients = found[:, y0 * nx : last * nx]
            level = self.sky.level[z] if self.subtract_level else np.float32(0.0)
            subtract_components(values[z - z0].reshape(-1), level, columns, coefficients)
        return values

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_stored`."""
        return self.read_box(z0, z1, y0, y1)


def variance_factors(cleaned: CleanedData, mask: Mask, threads: int, progress: Progress) -> Floats:
    """What variances have to be multiplied by to be those of the sky that is left, float32 (planes,); 1 if not used."""
    chosen = np.ascontiguousarray(mask.reshape(-1))

    def of_band(band: tuple[int, int]) -> Floats:
        found = np.ones(band[1] - band[0], np.float32)
        values = cleaned.read_box(*band)
        for k, plane in enumerate(values.reshape(len(values), -1)):
            _, spread, _ = plane_figures(plane, chosen, np.empty(plane.size, np.float32))
            if cleaned.sky.used[band[0] + k] and spread > 0.0:
                found[k] = (spread / cleaned.sky.sigma[band[0] + k]) ** 2
        return found

    bands = bands_of(cleaned.shape[0])
    return np.concatenate(list(parallel(threads, of_band, bands, progress, "bands of planes")))


@dataclass(frozen=True)
class ScaledVariance:
    """Variances times a factor per plane as `Voxels`."""

    stat: Voxels
    factors: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.stat.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the variances."""
        return self.stat.dtype

    @property
    def ends(self) -> tuple[int, ...]:
        """Planes at which chunks of the cube end."""
        return getattr(self.stat, "ends", ())

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_box`."""
        return np.asarray(self.stat.read_box(z0, z1, y0, y1) * self.factors[z0:z1, None, None], np.float32)

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_stored`."""
        return self.read_box(z0, z1, y0, y1)
