"""The smooth model of a master dark: two stripes, a tilted plane, and the glow of the corners.

1. Two horizontal stripes are fitted and subtracted (`stripes`).
2. A tilted plane is fitted without the border and without pixels far from the median of their quadrant, and
   subtracted (`plane`).
3. The glow of each corner is fitted to the residuals (`glow`). The model is the sum of plane and glow.
4. Pixels far from model and stripes are flagged (`flag_far_pixels`).
5. The square of the smoothed residuals is added to the variances (`smooth`).

Details are from experiments on the ESO pipeline with made-up darks (docs/background/frames.md). Its model is that of
MUSE's CCDs, 4096 x 4112 pixels, and positions are those of that size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from musedeep.instrument import DQ
from musedeep.kernels.ccd.image_statistics import mean_deviation, median

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


SHAPE: Final = (4112, 4096)
"""Rows and columns of the images that the places below belong to."""
STRIPES: Final = ((849, 900, 1459, 1510), (3169, 3220, 3899, 3950))
"""Rows of the stripes: first row of the level below, first of the stripe, first of the level above, end of that."""
ORDER: Final = 5
"""Order of the surfaces of stripes and corners, along x and along y."""
BORDER: Final = 500
"""Width of the border that the plane is not fitted to, pixels."""
RADIUS: Final = 750.0
"""Distance from a corner to which its glow reaches, pixels."""
OUTER: Final = 850.0
"""Distance from a corner to which the glow is fitted, as nothing beyond RADIUS, pixels."""
REJECT: Final = 3.0
"""Pixels further from the median of their quadrant do not count for the plane, mean absolute deviations."""
CORNER_REJECT: Final = 4.0
"""Pixels further from the level around them do not count for the glow of a corner, standard deviations."""
BLOCK: Final = 23
"""Side of the blocks whose medians are the level around a pixel, pixels."""
FLAG: Final = 5.0
"""Pixels further from the model are flagged, mean absolute deviations."""
FWHM: Final = 11.0
"""Of the Gaussian that smooths the residuals for the variance, pixels."""
ROWS: Final = 128
"""Rows that are worked on at a time."""

Quadrant = tuple[slice, slice]


@dataclass(frozen=True)
class Surface:
    """A polynomial surface over a window of an image, a product of Legendre polynomials of x and y.

    Attributes
    ----------
    coefficients : float64 (order of y + 1, order of x + 1)
    shape : rows, columns of the window
    """

    coefficients: NDArray[np.float64]
    shape: tuple[int, int]

    def image(self) -> NDArray[np.float64]:
        """The surface at all pixels of its window, float64 (rows, columns)."""
        by_y, by_x = _bases(self.shape, self.coefficients.shape[0] - 1)
        values: NDArray[np.float64] = by_y @ self.coefficients @ by_x.T
        return values


def _bases(shape: tuple[int, int], order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    by_y, by_x = (legvander(np.linspace(-1.0, 1.0, n), order).astype(np.float64) for n in shape)
    return by_y, by_x


def fit_surface(image: Image, good: Mask, order: int) -> Surface | None:
    """Least-squares fit of a surface of an order in x and the same in y; None if there are too few good pixels.

    Sums over an image are separable: its normal equations are two matrix products.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns), pixels that count
    order : of the polynomials along x and along y
    """
    n = order + 1
    if np.count_nonzero(good) <= n * n:
        return None
    by_y, by_x = _bases((image.shape[0], image.shape[1]), order)
    pairs_y, pairs_x = ((b[:, :, None] * b[:, None, :]).reshape(-1, n * n) for b in (by_y, by_x))
    products, sums = np.zeros((n * n, n * n)), np.zeros((n, n))
    for first in range(0, image.shape[0], ROWS):
        rows = slice(first, first + ROWS)
        products += pairs_y[rows].T @ (good[rows].astype(np.float64) @ pairs_x)
        sums += by_y[rows].T @ (np.where(good[rows], image[rows].astype(np.float64), 0.0) @ by_x)
    matrix = products.reshape(n, n, n, n).transpose(0, 2, 1, 3).reshape(n * n, n * n)
    solution = np.linalg.lstsq(matrix, sums.reshape(n * n), rcond=None)[0].astype(np.float64)
    return Surface(solution.reshape(n, n), (image.shape[0], image.shape[1]))


@dataclass(frozen=True)
class DarkModel:
    """The model of a master dark.

    Attributes
    ----------
    data : float32 (rows, columns), plane and corners; the stripes are not in it, as in the reference
    dq : int32 (rows, columns), the flags of the dark, and those of pixels far from the model
    stat : float32 (rows, columns), the variance of the dark, and the square of its smoothed residuals
    """

    data: Image
    dq: NDArray[np.int32]
    stat: Image


def stripes(image: Image, good: Mask) -> list[tuple[slice, NDArray[np.float64]]]:
    """Rows and values, float64 (rows, columns), of the two horizontal stripes of a master dark.

    The level is the mean of the means of the 51 rows below and above. A surface is fitted to the excess of the stripe
    over it, which is 0 in the rows of the level; it is at least 0.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns), pixels that count
    """
    found = []
    for below, first, above, end in STRIPES:
        levels = [
            image[rows].mean(dtype=np.float64, where=good[rows]) for rows in (slice(below, first), slice(above, end))
        ]
        excess = image[below:end] - np.float32(np.mean(levels))
        excess[: first - below] = 0.0
        excess[above - below :] = 0.0
        surface = fit_surface(excess, good[below:end], ORDER)
        if surface is not None:
            found.append((slice(first, above), np.maximum(surface.image()[first - below : above - below], 0.0)))
    return found


def plane(image: Image, good: Mask) -> Image | None:
    """Fit 1, x, y and xy to the image without its border; float32 (rows, columns), or None if nothing is good.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns), pixels that count
    """
    inside = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    surface = fit_surface(image[inside], good[inside], 1)
    if surface is None:
        return None
    y, x = ((np.arange(n) - BORDER) * 2.0 / (n - 2 * BORDER - 1) - 1.0 for n in image.shape)
    level, slope = (surface.coefficients[:, i] @ np.stack([np.ones_like(y), y]) for i in (0, 1))
    values = np.empty(image.shape, np.float32)
    for row in range(image.shape[0]):
        values[row] = level[row] + slope[row] * x
    return values


def glow(corner: Image, good: Mask) -> NDArray[np.float64]:
    """Fit the glow of a corner, float64 (n, n), at least 0.

    It is fitted to the pixels near the median of their block, flagged or not: the limit for hot pixels of the whole
    quadrant flags the glow itself.

    Parameters
    ----------
    corner : float32 (n, n), the dark without plane and stripes, its corner at [0, 0]
    good : bool (n, n), pixels without flags
    """
    ny, nx = corner.shape
    distance = np.hypot(np.arange(ny)[:, None], np.arange(nx))
    inside = distance <= RADIUS
    noise = corner[inside & good].std(ddof=1, dtype=np.float64)
    near = np.abs(corner - block_medians(corner)) < CORNER_REJECT * noise
    surface = fit_surface(np.where(inside, corner, np.float32(0.0)), near & (distance <= OUTER), ORDER)
    if surface is None:
        return np.zeros(corner.shape)
    return np.where(inside, np.maximum(surface.image(), 0.0), 0.0)


def block_medians(image: Image) -> Image:
    """Median of the block that each pixel is in, float32 (rows, columns); those at the end are smaller."""
    out = np.empty_like(image)
    for y in range(0, image.shape[0], BLOCK):
        for x in range(0, image.shape[1], BLOCK):
            at = np.s_[y : y + BLOCK, x : x + BLOCK]
            out[at] = np.median(image[at])
    return out


def far_pixels(image: Image, good: Mask, quadrant: Quadrant, sigma: float) -> tuple[Mask, Mask]:
    """Pixels of a quadrant more than sigma mean absolute deviations below and above the median of its good pixels.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns)
    quadrant : its rows and columns
    sigma : limit

    Returns
    -------
    two times bool (rows, columns) of the quadrant
    """
    cut, kept = image[quadrant], good[quadrant]
    centre = median(cut, kept)
    if np.isnan(centre):
        return np.zeros(cut.shape, bool), np.zeros(cut.shape, bool)
    limit = sigma * mean_deviation(cut, kept, centre)
    return cut < np.float32(centre - limit), cut > np.float32(centre + limit)


def fit_dark_model(data: Image, dq: NDArray[np.int32], stat: Image, quadrants: Sequence[Quadrant]) -> DarkModel | None:
    """Fit the model of a master dark; None if the dark has no good pixels.

    Parameters
    ----------
    data : float32 (4112, 4096), count
    dq : int32 (4112, 4096), Euro3D flags
    stat : float32 (4112, 4096), variances
    quadrants : rows and columns of each

    Raises
    ------
    ValueError
        The image does not have the size of MUSE's CCDs.
    """
    if data.shape != SHAPE:
        raise ValueError(f"a dark of {data.shape} pixels, expected {SHAPE}")
    good = dq == 0
    if not good.any():
        return None
    left = data.copy()
    for rows, values in stripes(data, good):
        left[rows] -= values
    counted = good.copy()
    for quadrant in quadrants:
        low, high = far_pixels(left, good, quadrant, REJECT)
        counted[quadrant] &= ~(low | high)
    model = plane(left, counted)
    if model is None:
        return None
    left -= model
    del counted
    n = int(OUTER) + 1
    for along_y in (1, -1):
        for along_x in (1, -1):
            corner = (a[::along_y, ::along_x][:n, :n] for a in (left, good, model))
            rest, kept, target = corner
            values = glow(np.ascontiguousarray(rest), np.ascontiguousarray(kept)).astype(np.float32)
            target += values
            rest -= values
    flags = dq.copy()
    flag_far_pixels(left, flags, quadrants)
    variance = smooth(left, flags == 0)
    variance *= variance
    variance += stat
    return DarkModel(model, flags, variance)


def flag_far_pixels(left: Image, dq: NDArray[np.int32], quadrants: Sequence[Quadrant]) -> None:
    """Flag pixels that are far from the model.

    Pixels beyond FLAG mean absolute deviations of their quadrant are hot, or permanent defects if they are low.
    Of the others those beyond REJECT of the whole image are hot or dark if two of their four neighbours are bad or
    beyond that, too; one between four bad pixels is bad.

    Parameters
    ----------
    left : float32 (rows, columns), the dark without model and stripes
    dq : int32 (rows, columns), flags are added
    quadrants : rows and columns of each
    """
    good = dq == 0
    for quadrant in quadrants:
        low, high = far_pixels(left, good, quadrant, FLAG)
        dq[quadrant][low] |= DQ.BAD_COLUMN
        dq[quadrant][high] |= DQ.HOT
    good = dq == 0
    centre = median(left, good)
    if np.isnan(centre):
        return
    # around zero, not around the median, as the reference
    limit = np.float32(REJECT * mean_deviation(left, good, centre))
    bad = ~good
    found = good & (np.abs(left) > limit) & (neighbours(bad | (np.abs(left) > limit)) >= 2)
    found |= good & (neighbours(bad | found) == 4)
    dq[found] |= np.where(left[found] > centre, DQ.HOT, DQ.DARK).astype(np.int32)


def neighbours(mask: Mask) -> NDArray[np.uint8]:
    """Number of the four neighbours of each pixel that are in a mask, uint8 (rows, columns)."""
    number = np.zeros(mask.shape, np.uint8)
    number[1:] += mask[:-1]
    number[:-1] += mask[1:]
    number[:, 1:] += mask[:, :-1]
    number[:, :-1] += mask[:, 1:]
    return number


def smooth(image: Image, good: Mask) -> Image:
    """Smooth an image by a Gaussian of FWHM, 23 pixels wide, over its good pixels, float32; 0 where there are none.

    Parameters
    ----------
    image : float32 (rows, columns)
    good : bool (rows, columns)
    """
    from scipy.ndimage import gaussian_filter  # a tenth of a second to load, and most darks have no model

    sigma, radius = FWHM / (2.0 * np.sqrt(2.0 * np.log(2.0))), int(FWHM)
    weight = gaussian_filter(good.astype(np.float32), sigma, mode="constant", radius=radius)
    values: Image = gaussian_filter(np.where(good, image, np.float32(0.0)), sigma, mode="constant", radius=radius)
    return np.divide(values, weight, out=np.zeros_like(values), where=weight > 0)
