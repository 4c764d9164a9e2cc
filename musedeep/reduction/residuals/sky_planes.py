"""What is sky in a cube, and the level, the noise and the spread of the sky in each plane.

Passes over the cube are made in fixed bands of planes, and sums are added in the order of the planes, so that the
results have the same bits whatever the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from musedeep.errors import MusedeepError
from musedeep.kernels.sky.residual_spectra import plane_figures
from musedeep.progress import Progress
from musedeep.reduction.rows.sodium import NOTCH
from musedeep.storage.cubes.voxels import CubeVoxels, Voxels
from musedeep.threads import results_in_order

BAND: Final = 16
"""Planes read at once, as many as half the chunks of a store."""

EVERY: Final = 4
"""One plane in so many is in the image that sources are found in."""

SOURCE_LIMIT: Final = 3.0
"""A source rises above the sky of that image by this many standard deviations."""

LEAST_SKY: Final = 50
"""Spectra of sky below which nothing can be said of their components."""

NOTCH_MARGIN: Final = 5.0
"""Wavelengths on both sides of the sodium notch that are not used either [Angstrom]."""

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SkyPlanes:
    """The sky of each plane, float32 (planes,).

    Attributes
    ----------
    level : median of the sky; NaN of planes that are not used
    sigma : standard deviation of the noise, of the median variance; NaN as above
    spread : half the distance of the percentiles 15.87 and 84.13 of the sky; NaN as above
    """

    level: Floats
    sigma: Floats
    spread: Floats

    @property
    def used(self) -> Mask:
        """The planes that are used (planes,)."""
        return np.isfinite(self.sigma)


def parallel(
    threads: int, function: Callable[[Item], Result], items: Sequence[Item], progress: Progress, unit: str
) -> Iterator[Result]:
    """Results for all items in their order, computed in threads, a few ahead."""
    progress.begin(len(items), unit)
    with ThreadPoolExecutor(threads) as pool:
        for result in results_in_order(pool, threads, function, items):
            progress.advance()
            yield result
    progress.stop()


def bands_of(planes: int) -> list[tuple[int, int]]:
    """Bands [z0, z1) of `BAND` planes."""
    return [(z, min(z + BAND, planes)) for z in range(0, planes, BAND)]


def notch_planes(wavelengths: NDArray[np.float64], mode: str) -> Mask:
    """The planes (planes,) that the notch filter of the adaptive optics blocks in an instrument mode."""
    if mode not in NOTCH:
        return np.zeros(wavelengths.size, np.bool_)
    low, high = NOTCH[mode]
    return np.asarray((wavelengths >= low - NOTCH_MARGIN) & (wavelengths <= high + NOTCH_MARGIN))


def field_images(
    data: Voxels, skipped: Mask, threads: int, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An image of continua and the share of planes with values, float64 (lines, columns).

    Of one plane in `EVERY`: the mean of values above the median of the plane, in units of the plane's spread.

    Parameters
    ----------
    skipped : bool (planes,), planes that are left out
    """
    nz, ny, nx = data.shape
    everywhere = np.ones(ny * nx, np.bool_)

    def of_plane(z: int) -> tuple[Floats, Mask] | None:
        values = data.read_box(z, z + 1).reshape(-1).astype(np.float32, copy=False)
        centre, spread, n = plane_figures(values, everywhere, np.empty(values.size, np.float32))
        if not n or not spread > 0.0:
            return None
        values = (values - np.float32(centre)) / np.float32(spread)
        known = np.isfinite(values)
        return np.where(known, values, np.float32(0.0)), known

    total, number, planes = np.zeros(ny * nx), np.zeros(ny * nx), 0
    chosen = [z for z in range(EVERY // 2, nz, EVERY) if not skipped[z]]
    for found in parallel(threads, of_plane, chosen, progress, "planes for the mask"):
        if found is not None:
            total += found[0]
            number += found[1]
            planes += 1
    with np.errstate(invalid="ignore"):
        image = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return image.reshape(ny, nx), (number / max(planes, 1)).reshape(ny, nx)


def without_sources(image: NDArray[np.float64], covered: NDArray[np.float64]) -> Mask:
    """The spaxels (lines, columns) without continuum: below `SOURCE_LIMIT` standard deviations of the sky, and beside.

    The sky and its deviation are those of the fainter half of the spaxels that are not taken for sources, found again
    until they stay.

    Parameters
    ----------
    image, covered : see `field_images`; spaxels that less than half of the planes cover are no sky
    """
    known = np.isfinite(image) & (covered >= 0.5)
    sky = known.copy()
    for _ in range(20):
        values = image[sky]
        if values.size < LEAST_SKY:
            break
        low, middle = np.quantile(values, (0.1587, 0.5))
        kept = known & (image < middle + SOURCE_LIMIT * max(middle - low, 1e-12))
        if np.array_equal(kept, sky):
            break
        sky = kept
    # single bright spaxels are noise; the wings of sources are next to them
    sources = known & ~sky
    return known & ~binary_dilation(sources, np.ones((3, 3), np.bool_))


def survey_planes(cube: CubeVoxels, sky: Mask, skipped: Mask, threads: int, progress: Progress) -> SkyPlanes:
    """The sky of all planes.

    Not used are planes that are skipped, those without noise or spread, and those with less than half of the sky of
    the plane that has most of it: the ends of the wavelength range.

    Parameters
    ----------
    sky : bool (lines, columns)
    skipped : bool (planes,)

    Raises
    ------
    MusedeepError
        The cube has no variances; fewer than `LEAST_SKY` spaxels of sky have values.
    """
    data, stat, chosen = cube.data, cube.stat, np.ascontiguousarray(sky.reshape(-1))
    figures = np.full((4, data.shape[0]), np.nan)

    def of_band(band: tuple[int, int]) -> NDArray[np.float64]:
        found = np.empty((4, band[1] - band[0]))
        values, variances = (
            array.read_box(*band).reshape(band[1] - band[0], -1).astype(np.float32, copy=False)
            for array in (data, stat)
        )
        scratch = np.empty(chosen.size, np.float32)
        for k in range(values.shape[0]):
            found[:3, k] = plane_figures(values[k], chosen, scratch)
            found[3, k] = plane_figures(variances[k], chosen, scratch)[0]
        return found

    bands = bands_of(data.shape[0])
    for (z0, z1), found in zip(bands, parallel(threads, of_band, bands, progress, "bands of planes"), strict=True):
        figures[:, z0:z1] = found
    level, spread, number, variance = figures
    most = number[~skipped].max(initial=0)
    if most < LEAST_SKY:
        raise MusedeepError(
            f"{int(most)} spaxels of sky, at least {LEAST_SKY} are needed: give a mask of the sources with --mask, or "
            "components of another cube with --eigenspectra"
        )
    with np.errstate(invalid="ignore"):
        used = ~skipped & (number >= 0.5 * most) & (spread > 0.0) & np.isfinite(variance) & (variance > 0.0)
    if not used.any():
        raise MusedeepError("no plane has noise (STAT) and a spread of its values; give a cube as a pipeline wrote it")

    def kept(values: NDArray[np.float64]) -> Floats:
        return np.where(used, values, np.nan).astype(np.float32)

    with np.errstate(invalid="ignore"):
        return SkyPlanes(kept(level), kept(np.sqrt(variance)), kept(spread))
