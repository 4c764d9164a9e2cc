"""Whether offsets of images are right: tests of our own, since muse_exp_align may end well with wrong ones.

1. Distances: the same source in two images is at one place after the offsets, for enough sources.
2. Sharpness: the sum of the images shows its sources higher than with the offsets of headers, or as high.
3. A second method: the cross-correlation of each image with the sum of the others, both without their smooth light.
   Where its peak does not stand out of the noise, it says nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.campaign.cascade.stars import FWHM, nearest_pairs
from musedeep.kernels.field.point_sources import find_candidates
from musedeep.kernels.field.tangent import east_north
from musedeep.recipes.exp_align.mosaic import mosaic, overlap
from musedeep.recipes.exp_align.offsets import moved
from musedeep.storage.cubes.field_view import FieldPlane, FieldView

Array = NDArray[np.float64]

BRIGHTEST: Final = 30
"""Sources of a sum of images that tell how sharp it is."""
SMOOTH: Final = 10.0
"""Width of what counts as smooth light, for the cross-correlation [pixel]."""
CLIPPED: Final = 20.0
"""Light above this, over its median deviation, counts as this: one bright star is not to decide alone."""
LEAST_COMMON: Final = 100
"""Pixels that an image has in common with others, from which it is correlated with them."""
STANDS_OUT: Final = 6.0
"""Height of the peak of a cross-correlation over its scatter elsewhere, from which it is believed."""


@dataclass(frozen=True)
class Match:
    """Sources that an image shares with others, and the median of their distances [arcsec]; None without any."""

    number: int
    residual: float | None


def planes_with(views: Sequence[FieldView], offsets: Array) -> list[FieldPlane]:
    """Coordinates of images after their offsets, float64 (n, 2) [deg]."""
    return [moved(view.plane, offset) for view, offset in zip(views, offsets, strict=True)]


def overlap_groups(views: Sequence[FieldView], margin: float) -> list[list[int]]:
    """Numbers of the images that hang together by the sky they share, group by group.

    Parameters
    ----------
    margin : by which images may be misplaced [arcsec]
    """
    images, planes = [view.data for view in views], [view.plane for view in views]
    left, groups = list(range(len(views))), list[list[int]]()
    while left:
        group, todo = [left[0]], [left.pop(0)]
        while todo:
            k = todo.pop()
            near = [j for j in left if overlap(images, planes, k, j, margin)]
            left = [j for j in left if j not in near]
            group += near
            todo += near
        groups.append(sorted(group))
    return groups


def matches(places: Sequence[tuple[Array, Array]], planes: Sequence[FieldPlane], radius: float) -> list[Match]:
    """What each image shares with the others after the offsets.

    Parameters
    ----------
    places : x and y of the sources of each image [pixel, from 0]
    planes : coordinates after the offsets
    radius : within which sources of two images are the same [arcsec]
    """
    n = len(planes)
    centre = planes[0].crval
    sky = [east_north(*plane.to_sky(x, y), centre) for plane, (x, y) in zip(planes, places, strict=True)]
    counts: list[list[int]] = [[] for _ in range(n)]
    distances: list[list[Array]] = [[] for _ in range(n)]
    for i in range(n):
        for j in range(i + 1, n):
            a, b = nearest_pairs(sky[i], sky[j], radius)
            if len(a):
                apart = np.hypot(*(sky[i][a] - sky[j][b]).T)
                for k in (i, j):
                    counts[k].append(len(a))
                    distances[k].append(apart)
    return [
        Match(int(np.median(c)), float(np.median(np.concatenate(d)))) if c else Match(0, None)
        for c, d in zip(counts, distances, strict=True)
    ]


def sharpness(views: Sequence[FieldView], offsets: Array) -> float:
    """Height of the brightest sources of the mean of images, where at least half of them have data; NaN without any."""
    total = mosaic([view.data for view in views], planes_with(views, offsets), [1.0] * len(views))
    covered = total.seconds >= np.nanmax(total.seconds) / 2
    shown = np.where(covered, total.data / total.seconds, np.nan).astype(np.float64)
    found, noise = find_candidates(shown, FWHM)
    heights = np.sort(found.height[found.height > 5 * noise])[::-1][:BRIGHTEST]
    return float(heights.mean()) if heights.size else math.nan


def _without_smooth(image: Array) -> Array:
    """An image without its smooth light, clipped; 0 where there are no data."""
    from scipy import ndimage

    good = np.isfinite(image)
    filled = np.where(good, image, 0.0)
    weight = ndimage.gaussian_filter(good.astype(np.float64), SMOOTH)
    smooth = ndimage.gaussian_filter(filled, SMOOTH) / np.maximum(weight, 1e-3)
    left = np.where(good, image - smooth, 0.0)
    values = left[good]
    if not values.size:
        return left
    scatter = 1.4826 * float(np.median(np.abs(values - np.median(values)))) or 1.0
    clipped: Array = np.clip(left, -CLIPPED * scatter, CLIPPED * scatter)
    return clipped


def correlated_shift(first: Array, second: Array, reach: float) -> tuple[float, float] | None:
    """By how much the second image has to move to lie on the first, x and y [pixel]; None if nothing stands out.

    Parameters
    ----------
    first, second : float64 (ny, nx) on one grid, NaN where there are no data
    reach : largest shift [pixel]
    """
    shape = tuple(2 * n for n in first.shape)
    one, other = _without_smooth(first), _without_smooth(second)
    correlation = np.fft.irfft2(np.fft.rfft2(one, shape) * np.conj(np.fft.rfft2(other, shape)), shape)
    correlation = np.fft.fftshift(correlation)
    cy, cx = shape[0] // 2, shape[1] // 2
    size = math.ceil(reach) + 2
    box = correlation[max(cy - size, 0) : cy + size + 1, max(cx - size, 0) : cx + size + 1]
    j, i = np.unravel_index(int(box.argmax()), box.shape)
    wide = correlation[max(cy - 4 * size, 0) : cy + 4 * size + 1, max(cx - 4 * size, 0) : cx + 4 * size + 1]
    scatter = 1.4826 * float(np.median(np.abs(wide - np.median(wide))))
    edge = not (0 < j < box.shape[0] - 1 and 0 < i < box.shape[1] - 1)
    if edge or not box[j, i] - np.median(wide) > STANDS_OUT * scatter:
        return None
    dy = _vertex(*box[j - 1 : j + 2, i]) + j - min(size, cy)
    dx = _vertex(*box[j, i - 1 : i + 2]) + i - min(size, cx)
    return float(dx), float(dy)


def _vertex(left: float, middle: float, right: float) -> float:
    """Where the parabola through three values is highest, from the middle one."""
    curve = left - 2 * middle + right
    return 0.0 if curve == 0 else 0.5 * (left - right) / curve


def disagreements(views: Sequence[FieldView], offsets: Array, reach: float) -> list[float | None]:
    """How far the second method would still move each image after the offsets [arcsec]; None where it cannot say.

    Parameters
    ----------
    reach : largest shift that is looked for [arcsec]
    """
    planes = planes_with(views, offsets)
    grid = mosaic([view.data for view in views], planes, [1.0] * len(views))
    shape = grid.data.shape
    total, number = np.zeros(shape), np.zeros(shape)
    for view, plane in zip(views, planes, strict=True):
        own = _on_grid(view.data, plane, grid.plane, shape)
        good = np.isfinite(own)
        total[good] += own[good]
        number[good] += 1
    found: list[float | None] = []
    for view, plane in zip(views, planes, strict=True):
        own = _on_grid(view.data, plane, grid.plane, shape)
        both = np.isfinite(own) & (number > 1)
        if both.sum() < LEAST_COMMON:
            found.append(None)
            continue
        others = np.where(both, (total - np.nan_to_num(own)) / np.maximum(number - 1, 1), np.nan)
        rows, columns = np.nonzero(both)
        part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
        shift = correlated_shift(others[part], np.where(both, own, np.nan)[part], reach / grid.plane.scale)
        found.append(None if shift is None else math.hypot(*shift) * grid.plane.scale)
    return found


def _on_grid(image: Array, plane: FieldPlane, grid: FieldPlane, shape: tuple[int, ...]) -> Array:
    """An image on another grid, bilinear; NaN where it has no data."""
    from scipy import ndimage

    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    column, row = plane.to_pixels(*grid.to_sky(x, y))
    values: Array = ndimage.map_coordinates(image, [row, column], order=1, mode="constant", cval=np.nan)
    return values


def headers_only(views: Sequence[FieldView]) -> Array:
    """The offsets of headers: none."""
    return np.zeros((len(views), 2))
