"""Sources in an image: regions above a threshold, their centres, their widths at half maximum."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SQUARE: Final = np.ones((3, 3), np.bool_)
"""For `bright_regions`: what is narrower than three pixels in any direction is removed."""


@dataclass(frozen=True)
class Source:
    """A source in an image.

    Attributes
    ----------
    x, y : int, pixel nearest to its flux-weighted centre, from 0
    width_x, width_y : float, full widths at half maximum along the axes [pixel]; -1 where they cannot be measured
    """

    x: int
    y: int
    width_x: float
    width_y: float

    @property
    def valid(self) -> bool:
        """Whether both widths could be measured."""
        return self.width_x > 0 and self.width_y > 0


def background(image: NDArray[np.floating]) -> tuple[float, float]:
    """Median, and 1.4826 times the median absolute deviation, of the finite pixels; (0, 0) if there are none."""
    values = image[np.isfinite(image)].astype(np.float64)
    if values.size == 0:
        return 0.0, 0.0
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def width_at_half(profile: NDArray[np.floating], peak: int) -> float:
    """Full width at half maximum of a profile, float (n,), about the pixel `peak` [pixel], by linear interpolation.

    Pixels without data (NaN) count as 0. The width is -1 if the value at `peak` is not positive, or if a side does not
    fall below its half.
    """
    values = np.nan_to_num(profile.astype(np.float64), nan=0.0)
    half = 0.5 * values[peak]
    if not half > 0:
        return -1.0
    width = 0.0
    for side in (values[peak:], values[peak::-1]):
        below = np.flatnonzero(side < half)
        if below.size == 0:
            return -1.0
        i = int(below[0])
        width += i - 1 + (side[i - 1] - half) / (side[i - 1] - side[i])
    return width


@dataclass(frozen=True)
class Region:
    """A bright region of an image.

    Attributes
    ----------
    x, y : float, flux-weighted centre [pixel from 0]
    first : line and column of the first of its pixels, line by line
    """

    x: float
    y: float
    first: tuple[int, int]


def mean_deviation(image: NDArray[np.floating]) -> tuple[float, float]:
    """Median of the finite pixels, and their mean absolute deviation from it; (0, 0) if there are none."""
    values = image[np.isfinite(image)].astype(np.float64)
    if values.size == 0:
        return 0.0, 0.0
    middle = float(np.median(values))
    return middle, float(np.abs(values - middle).mean())


def bright_regions(image: NDArray[np.floating], level: float, opening: NDArray[np.bool_] | None = None) -> list[Region]:
    """Connected regions above a level, ordered by their first pixels.

    Parameters
    ----------
    image : float (ny, nx), NaN where there are no data
    level : pixels above it are bright
    opening : bool (3, 3), with which what is narrower is removed (cosmic rays, hot pixels); a cross by default
    """
    from scipy import ndimage  # takes a fifth of a second, which plans and workers need not wait for

    bright = np.nan_to_num(image, nan=-np.inf) > level
    labels, n = ndimage.label(ndimage.binary_opening(bright, opening))
    found = []
    for number, box in enumerate(ndimage.find_objects(labels, n), 1):
        if box is None:
            continue
        inside = labels[box] == number
        y, x = _centre(image[box], inside)
        first = (box[0].start, int(np.flatnonzero(inside[0])[0]) + box[1].start)
        found.append(Region(x + box[1].start, y + box[0].start, first))
    return sorted(found, key=lambda region: region.first)


def find_sources(image: NDArray[np.floating], threshold: float = 5.0) -> list[Source]:
    """Sources in an image, ordered by their lowest row.

    Parameters
    ----------
    image : float (ny, nx), NaN where there are no data
    threshold : float, in standard deviations of the background above its median

    Notes
    -----
    A binary opening with a cross removes what is narrower than three pixels (cosmic rays, hot pixels). With this
    the numbers of sources of the reference come out (QC EXPCOMB NDET), also where cosmic rays were left in.
    """
    middle, deviation = background(image)
    return sources_above(image, middle + threshold * deviation) if deviation > 0 else []


def sources_above(image: NDArray[np.floating], level: float, opening: NDArray[np.bool_] | None = None) -> list[Source]:
    """Sources in an image above a level; see `bright_regions`."""
    found = []
    for region in bright_regions(image, level, opening):
        x, y = round(region.x), round(region.y)
        finite = np.isfinite(image[y, x])
        widths = (width_at_half(image[y], x), width_at_half(image[:, x], y)) if finite else (-1.0, -1.0)
        found.append(Source(x, y, *widths))
    return found


def _centre(values: NDArray[np.floating], inside: NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = np.nonzero(inside)
    weight = values[inside].astype(np.float64)
    total = weight.sum()
    return float((rows * weight).sum() / total), float((columns * weight).sum() / total)
