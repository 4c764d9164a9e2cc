"""The sum of the aligned images, and of their exposure times, on the grid of the first image, which is made larger.

Each pixel takes the pixel of each image that is nearest to it on the sky.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.storage.cubes.field_view import FieldPlane

Array = NDArray[np.float64]

WIDEST: Final = 1.0
"""Distance from the first image beyond which an image is left out [deg]."""
LARGEST: Final = 50_000_000
"""Pixels of a sum."""
MOST_PIXELS: Final = 5000
"""Of an image, that are compared with the box of another."""


@dataclass(frozen=True)
class Mosaic:
    """The sum of images.

    Attributes
    ----------
    plane : its coordinates
    data : float32 (ny, nx), NaN where no image has data
    seconds : float32 (ny, nx), sum of exposure times there; NaN where no image has data
    left_out : numbers of the images that are too far away, from 0
    """

    plane: FieldPlane
    data: NDArray[np.float32]
    seconds: NDArray[np.float32]
    left_out: list[int]


def mosaic(images: Sequence[Array], planes: Sequence[FieldPlane], exptimes: Sequence[float]) -> Mosaic:
    """Add images up.

    Parameters
    ----------
    images : float64 (ny, nx) each, NaN where there are no data
    planes : their coordinates, after their offsets
    exptimes : their exposure times [s]
    """
    first = planes[0]
    corners = [_corners(image, plane, first) for image, plane in zip(images, planes, strict=True)]
    reach = WIDEST * 3600 / first.scale
    near = [k for k, place in enumerate(corners) if np.isfinite(place).all() and np.abs(place).max() <= reach]
    # an image that would make the sum too large is left out, too
    kept: list[int] = []
    low, high = corners[0].min(1), corners[0].max(1)
    for k in near:
        lower, upper = np.minimum(low, corners[k].min(1)), np.maximum(high, corners[k].max(1))
        if np.prod(upper - lower + 1) <= LARGEST:
            low, high = lower, upper
            kept.append(k)
    start = np.floor(low + 0.5).astype(int)
    nx, ny = (np.floor(high + 0.5).astype(int) - start + 1).tolist()
    plane = replace(first, crpix=(first.crpix[0] - start[0], first.crpix[1] - start[1]))
    total, seconds, covered = np.zeros((ny, nx)), np.zeros((ny, nx)), np.zeros((ny, nx), bool)
    y, x = np.mgrid[:ny, :nx].astype(np.float64)
    ra, dec = plane.to_sky(x, y)
    for k in kept:
        column, row = (np.floor(value + 0.5).astype(int) for value in planes[k].to_pixels(ra, dec))
        height, width = images[k].shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        values = np.full((ny, nx), np.nan)
        values[inside] = images[k][row[inside], column[inside]]
        good = np.isfinite(values)
        total[good] += values[good]
        seconds[good] += exptimes[k]
        covered |= good
    data, times = (np.where(covered, value, np.nan).astype(np.float32) for value in (total, seconds))
    return Mosaic(plane, data, times, [k for k in range(len(images)) if k not in kept])


def _corners(image: Array, plane: FieldPlane, first: FieldPlane) -> Array:
    """Corners of an image in pixels of the first one, float64 (2, 4)."""
    ny, nx = image.shape
    x, y = np.array([0.0, nx - 1.0, 0.0, nx - 1.0]), np.array([0.0, 0.0, ny - 1.0, ny - 1.0])
    ra, dec = plane.to_sky(x, y)
    placed = np.array(first.to_pixels(ra, dec))
    return np.where(_cosine(ra, dec, first) > 0.5, placed, np.inf)


def _cosine(ra: Array, dec: Array, plane: FieldPlane) -> Array:
    """Cosine of the distance from where a plane touches the sky."""
    delta, delta_0 = np.radians(dec), np.radians(plane.crval[1])
    return np.asarray(
        np.sin(delta) * np.sin(delta_0) + np.cos(delta) * np.cos(delta_0) * np.cos(np.radians(ra - plane.crval[0]))
    )


def overlap(images: Sequence[Array], planes: Sequence[FieldPlane], i: int, j: int, margin: float) -> bool:
    """Whether two images may show the same sky: data of one lie within `margin` [arcsec] of the box of the other."""
    places = [np.nonzero(np.isfinite(images[k])) for k in (i, j)]
    if not all(rows.size for rows, _ in places):
        return False
    for (rows, columns), one, other in zip(places, (i, j), (j, i), strict=True):
        step = max(rows.size // MOST_PIXELS, 1)
        ra, dec = planes[one].to_sky(columns[::step].astype(float), rows[::step].astype(float))
        x, y = planes[other].to_pixels(ra, dec)
        around = margin / planes[other].scale
        ny, nx = images[other].shape
        inside = (x >= -around) & (x < nx + around) & (y >= -around) & (y < ny + around)
        if (inside & (_cosine(ra, dec, planes[other]) > 0.5)).any():
            return True
    return False
