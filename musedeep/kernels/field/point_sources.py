"""Point sources of an image as DAOFIND finds them (Stetson 1987, PASP 99, 191).

1. At each pixel a Gaussian of the width that is looked for, on a level background, is fitted to the pixels of a small
   circle by least squares. Its height is the density enhancement. Pixels without data take no part in the fit.
2. Candidates are the pixels that are higher than all others of their circle. This does not depend on a threshold, so
   that a threshold is found by sorting.
3. Sharpness is the pixel over the mean of the others of its circle, divided by its enhancement: small for extended
   sources, large for a single hot pixel.
4. Roundness compares the heights of Gaussians in x and in y: -2 to 2, and 0 for a round source.
5. The place is that of a Gaussian of the same width that fits the sums over lines, and over columns. The weights of
   these sums fall from the middle outwards.

In an image without gaps all five numbers agree with those of the ESO pipeline 2.8.7 to the last digits.
"""

from typing import Any, Final, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIGMA: Final = 2.35482
"""FWHM of a Gaussian over its standard deviation, as in the first implementations of DAOFIND."""
RADIUS: Final = 0.637
"""Radius of the circle over the FWHM: 1.5 standard deviations."""
LEAST_RADIUS: Final = 2.001
"""Of the circle [pixel]."""
LEAST_SHARE: Final = 0.6
"""Share of the circle that has to have data."""


class PointSources(NamedTuple):
    """Candidates, in the order of the pixels of the image; all float64 (n,).

    Attributes
    ----------
    x, y : place [pixel], counted from 0
    height : density enhancement, in the unit of the image
    sharpness, roundness : see above
    """

    x: Array
    y: Array
    height: Array
    sharpness: Array
    roundness: Array

    def chosen(self, which: Any) -> "PointSources":
        """Some of them: a mask or indices."""
        return PointSources(*(values[which] for values in self))


class Profile(NamedTuple):
    """The Gaussian that is looked for.

    Attributes
    ----------
    gaussian : float64 (2 half + 1, 2 half + 1), 1 in the middle
    inside : bool, of the same shape, the circle
    line : float64 (2 half + 1,), weights that make the height of a Gaussian of a sum over lines or columns
    half : int, pixels on either side of the middle
    variance : square of the standard deviation [pixel**2]
    """

    gaussian: Array
    inside: NDArray[np.bool_]
    line: Array
    half: int
    variance: float


def profile_of(fwhm: float) -> Profile:
    """The Gaussian of a width [pixel]."""
    radius = max(RADIUS * fwhm, LEAST_RADIUS)
    half = int(radius)
    place = np.arange(-half, half + 1.0)
    square = place[:, None] ** 2 + place**2
    variance = (fwhm / SIGMA) ** 2
    along = np.exp(-0.5 * place**2 / variance)
    line = (along - along.mean()) / ((along**2).sum() - along.sum() ** 2 / along.size)
    return Profile(np.exp(-0.5 * square / variance), square <= radius**2, line, half, variance)


def find_candidates(image: Array, fwhm: float) -> tuple[PointSources, float]:
    """All places of an image that are brighter than their neighbourhood, whatever their brightness.

    Also returns the noise of their heights: 1.4826 times the median absolute height of all pixels.

    Parameters
    ----------
    image : float64 (ny, nx), NaN where there are no data
    fwhm : of point sources [pixel]

    Notes
    -----
    Places so near to the edge of the image that their box is not whole are left out, and so are those that the fit of
    a Gaussian moves out of their box, or whose light has no maximum in x or in y.
    """
    profile = profile_of(fwhm)
    height = np.full(image.shape, -np.inf)
    if min(image.shape) > 2 * profile.half:
        _enhance(image, profile.gaussian, profile.inside, height)
    known = np.abs(height[np.isfinite(height)])
    noise = 1.4826 * float(np.median(known)) if known.size else 0.0
    rows, columns = np.nonzero(_peaks(height, profile.inside))
    values = np.empty((5, rows.size))
    _measure(image, height, rows, columns, profile, values)
    return PointSources(*values).chosen(np.isfinite(values).all(0)), noise


@nb.njit(nogil=True, cache=True)
def _enhance(image: Array, gaussian: Array, inside: NDArray[np.bool_], height: Array) -> None:
    """Heights of the Gaussians that fit best; -inf stays where there are no data, or too few around."""
    ny, nx = image.shape
    size = gaussian.shape[0]
    half = size // 2
    least = LEAST_SHARE * inside.sum()
    for y in range(half, ny - half):
        for x in range(half, nx - half):
            if not np.isfinite(image[y, x]):
                continue
            n, g, gg, d, gd = 0, 0.0, 0.0, 0.0, 0.0
            for j in range(size):
                for i in range(size):
                    value = image[y + j - half, x + i - half]
                    if inside[j, i] and np.isfinite(value):
                        shape = gaussian[j, i]
                        n += 1
                        g += shape
                        gg += shape * shape
                        d += value
                        gd += shape * value
            if n >= least:
                height[y, x] = (gd - g * d / n) / (gg - g * g / n)


@nb.njit(nogil=True, cache=True)
def _peaks(height: Array, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a height is positive and none around it is larger."""
    ny, nx = height.shape
    size = inside.shape[0]
    half = size // 2
    found = np.zeros((ny, nx), np.bool_)
    for y in range(half, ny - half):
        for x in range(half, nx - half):
            peak = height[y, x] > 0
            j = 0
            while peak and j < size:
                for i in range(size):
                    if inside[j, i] and height[y + j - half, x + i - half] > height[y, x]:
                        peak = False
                j += 1
            found[y, x] = peak
    return found


@nb.njit(nogil=True, cache=True)
def _measure(image: Array, height: Array, rows: Any, columns: Any, profile: Profile, values: Array) -> None:
    """Place, height, sharpness, roundness of each peak, float64 (5, n); NaN where it is none."""
    half, size = profile.half, 2 * profile.half + 1
    box = np.empty((size, size))
    weight = np.empty(size)
    edge = half - 0.5
    for k in range(size):
        weight[k] = half + 1.0 - abs(k - half)
    for k in range(rows.size):
        x, y = columns[k], rows[k]
        peak = height[y, x]
        n, background = 0, 0.0
        for j in range(size):
            for i in range(size):
                value = image[y + j - half, x + i - half]
                if profile.inside[j, i] and np.isfinite(value):
                    n += 1
                    background += value - peak * profile.gaussian[j, i]
        background /= n
        others = 0.0
        n = 0
        for j in range(size):
            for i in range(size):
                value = image[y + j - half, x + i - half]
                if not np.isfinite(value):
                    value = background + peak * profile.gaussian[j, i]
                box[j, i] = value
                if profile.inside[j, i] and not (i == half and j == half):
                    others += value
                    n += 1
        along_x, along_y = 0.0, 0.0
        for j in range(size):
            for i in range(size):
                along_x += profile.line[i] * box[j, i]
                along_y += profile.line[j] * box[j, i]
        dx = _shift(box, profile, weight, False)
        dy = _shift(box, profile, weight, True)
        good = along_x > 0 and along_y > 0 and abs(dx) < half and abs(dy) < half
        # light of a source at the edge, whose middle is beyond what could be searched
        good = good and edge <= x + dx <= image.shape[1] - 1 - edge and edge <= y + dy <= image.shape[0] - 1 - edge
        values[0, k] = x + dx if good else np.nan
        values[1, k] = y + dy
        values[2, k] = peak
        values[3, k] = (box[half, half] - others / n) / peak
        values[4, k] = 2.0 * (along_x - along_y) / (along_x + along_y) if good else np.nan


@nb.njit(nogil=True, cache=True)
def _shift(box: Array, profile: Profile, weight: Array, transposed: bool) -> float:
    """How far the light of a box lies to the right of (above) its middle [pixel]; infinite if it has no maximum.

    One step of a least-squares fit of a Gaussian and a level to the weighted sums over columns (lines), which starts
    in the middle.
    """
    size, half = box.shape[0], profile.half
    p, g, gg, d, gd, slope, slope2, g_slope, d_slope = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(size):
        total, shape = 0.0, 0.0
        for m in range(size):
            total += weight[m] * (box[k, m] if transposed else box[m, k])
            shape += weight[m] * profile.gaussian[m, k]
        w, derivative = weight[k], shape * (half - k)
        p += w
        g += w * shape
        gg += w * shape * shape
        d += w * total
        gd += w * shape * total
        slope += w * derivative
        slope2 += w * derivative * derivative
        g_slope += w * shape * derivative
        d_slope += w * total * derivative
    height = (gd - g * d / p) / (gg - g * g / p)
    if not height > 0:
        return np.inf
    level = (d - height * g) / p
    return (g_slope - (d_slope - slope * (height * g + level * p))) / (height * slope2 / profile.variance)
