"""Sources in an image: regions above a threshold, their centres, their widths at half maximum."""

from dataclasses import dataclass
from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

SQUARE: Final = np.ones((3, 3), np.bool_)
"""For `bright_regions`: what is narrower than three pixels in any direction is removed."""

_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.bool_)


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
    bright = _opened(np.nan_to_num(image, nan=-np.inf) > level, _CROSS if opening is None else opening)
    labels = np.zeros(bright.shape, np.int32)
    boxes = np.empty((np.count_nonzero(bright), 4), np.int64)
    found = []
    for number in range(1, _label(bright, labels, boxes, np.empty(bright.size, np.int64)) + 1):
        y0, y1, x0, x1 = boxes[number - 1].tolist()
        inside = labels[y0:y1, x0:x1] == number
        y, x = _centre(image[y0:y1, x0:x1], inside)
        found.append(Region(x + x0, y + y0, (y0, int(np.flatnonzero(inside[0])[0]) + x0)))
    return found


def _opened(bright: NDArray[np.bool_], shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bright pixels that lie in a shape, bool (3, 3) and symmetric, of bright pixels of the image only.

    scipy.ndimage, which can open and label, takes a fifth of a second to load.
    """
    ny, nx = bright.shape
    steps = np.argwhere(shape).tolist()
    wide = np.pad(bright, 1)
    eroded = np.logical_and.reduce([wide[y : y + ny, x : x + nx] for y, x in steps])
    wide = np.pad(eroded, 1)
    return np.asarray(np.logical_or.reduce([wide[y : y + ny, x : x + nx] for y, x in steps]))


@nb.njit(nogil=True, cache=True)
def _label(bright, labels, boxes, stack):
    """Number the connected regions (pixels that share a side) from 1, in the order of their first pixels.

    Parameters
    ----------
    bright : bool (ny, nx)
    labels : int32 (ny, nx), all 0; filled with the numbers
    boxes : int64 (n, 4), filled with the first line of a region, the line after its last, and likewise its columns
    stack : int64 (ny * nx,), work

    Returns
    -------
    int, the number of regions
    """
    ny, nx = bright.shape
    number = 0
    for start in range(ny * nx):
        if not bright[start // nx, start % nx] or labels[start // nx, start % nx]:
            continue
        y0, y1, x0, x1 = ny, 0, nx, 0
        number += 1
        labels[start // nx, start % nx] = number
        stack[0] = start
        held = 1
        while held:
            held -= 1
            y, x = stack[held] // nx, stack[held] % nx
            y0, y1, x0, x1 = min(y0, y), max(y1, y + 1), min(x0, x), max(x1, x + 1)
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                v, u = y + dy, x + dx
                if 0 <= v < ny and 0 <= u < nx and bright[v, u] and not labels[v, u]:
                    labels[v, u] = number
                    stack[held] = v * nx + u
                    held += 1
        boxes[number - 1] = y0, y1, x0, x1
    return number


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
