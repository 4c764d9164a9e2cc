"""Where the field of an exposure is sky: the darkest part of its white-light image, but for the very darkest.

1. Pixels of the image, of a given mask if there is one, are sorted by their value (`darkest`). The share `ignore` is
   left out at the lower end: artefacts, edges. The next `fraction` of what remains is sky. So does the reference; its
   limits were found from its images and masks.
2. Dark pixels are also those that noise has made dark: the spectrum of the chosen ones is too faint. By how much
   follows from the noise and from the density of values at both limits (`choice_bias`; Robbins 1956, Efron 2011, JASA
   106, 1602: the mean noise of pixels of a value is -covariance d ln(density) / d value, whatever the true values are).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.sky_mask import SkyMask

LARGEST_MOVE: Final = 2.0
"""Largest difference in the place of a given mask and the field that is none, pixels."""


class SkyRegion(NamedTuple):
    """The sky of a field.

    Attributes
    ----------
    mask : bool (ny, nx)
    low, high : limits of the values of the image
    """

    mask: NDArray[np.bool_]
    low: float
    high: float


def darkest(
    image: NDArray[np.float32], fraction: float, ignore: float, inside: NDArray[np.bool_] | None = None
) -> SkyRegion:
    """The darkest pixels of an image without the very darkest.

    Parameters
    ----------
    image : float32 (ny, nx), NaN where there are no data
    fraction : share of the pixels that are not ignored
    ignore : share of pixels to leave out at the lower end
    inside : bool (ny, nx), optional, pixels to choose from

    Raises
    ------
    MusedeepError
        No pixel is left.
    """
    chosen = np.isfinite(image) if inside is None else np.isfinite(image) & inside
    values = np.sort(image[chosen])
    n = values.size
    below, last = int(ignore * n) - 1, int((ignore + fraction * (1.0 - ignore)) * n) - 1
    if n == 0 or last <= max(below, 0):
        where = "the field" if inside is None else "the part of the field in the SKY_MASK"
        raise MusedeepError(
            f"no sky: {n} pixels of {where} have data, of which a fraction of {fraction:g} is wanted, and {ignore:g} "
            "ignored; raise the fraction, or give another SKY_MASK"
        )
    low, high = values[max(below, 0)], values[min(last, n - 1)]
    if below >= 0:
        chosen &= image > low
    if last < n - 1:
        chosen &= image < high
    if not chosen.any():
        raise MusedeepError(f"no sky: all values of the image are {float(low):g}; give data with light")
    return SkyRegion(chosen, float(low), float(high))


def given_region(mask: SkyMask, start: tuple[float, float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A given mask on the grid of a field: bool (ny, nx), by the pixel of the mask that is nearest.

    Parameters
    ----------
    mask : in pixels of the field
    start : x and y of the field's first pixel
    shape : lines and columns of the field

    Raises
    ------
    MusedeepError
        Its size or place differs from those of the field.
    """
    ny, nx = mask.mask.shape
    move = mask.start[0] - start[0], mask.start[1] - start[1]
    ends = move[0] + nx - shape[1], move[1] + ny - shape[0]
    if max(map(abs, (*move, *ends))) > LARGEST_MOVE:
        raise MusedeepError(
            f"{mask.path}: the mask has {nx} x {ny} pixels from x = {mask.start[0]:.1f}, y = {mask.start[1]:.1f}, the "
            f"field {shape[1]} x {shape[0]} from x = {start[0]:.1f}, y = {start[1]:.1f}; give the SKY_MASK of this "
            "exposure, or of one with the same IFUs"
        )
    y = np.floor(np.arange(shape[0]) - move[1] + 0.5).astype(np.int64)
    x = np.floor(np.arange(shape[1]) - move[0] + 0.5).astype(np.int64)
    known = ((y >= 0) & (y < ny))[:, None] & ((x >= 0) & (x < nx))[None, :]
    return np.asarray(known & mask.mask[np.clip(y, 0, ny - 1)[:, None], np.clip(x, 0, nx - 1)[None, :]])


def choice_bias(image: NDArray[np.float32], region: SkyRegion, covariance: float) -> float:
    """How much too bright the sky of a region is by its choice: mean of the noise of its pixels; below 0 if too faint.

    Parameters
    ----------
    image : float32 (ny, nx), that the region was chosen by
    covariance : by noise, of the mean of the rows in a pixel and the pixel of the image
    """
    values = np.sort(image[np.isfinite(image)].astype(np.float64))
    n = values.size
    if n < 100 or not covariance > 0:
        return 0.0
    # of the darker half: sources make the other side wide
    spread = float(np.median(values) - values[int(0.16 * n)])
    width = max(0.5 * spread * (n / 1000.0) ** -0.2, 1e-30)

    def density(value: float, is_limit: bool) -> float:
        return (
            float(np.exp(-0.5 * ((values - value) / width) ** 2).sum() / (n * width * np.sqrt(2.0 * np.pi)))
            if is_limit
            else 0.0
        )

    rise = density(region.high, region.high < values[-1]) - density(region.low, region.low > values[0])
    return float(-covariance * rise * n / region.mask.sum())
