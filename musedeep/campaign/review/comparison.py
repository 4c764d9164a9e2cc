"""Images of single exposures on the grid of the cube, and each of them against the median of the others.

1. The pixels of the cube's image are places on the sky. The offset of an exposure (measured minus reference) is added,
   and its image is interpolated there, linearly.
2. Its background, the median, is taken off, and its flux is scaled to that of the others.
3. Large fields are binned, so that all exposures fit into memory.
4. The residual of an exposure is its image without the median of all others that are in the cube. Values of a pixel
   are sorted once; without one of them, the median is between their next ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.quality.record import ExposureRecord
from musedeep.storage.fits.hdus import open_hdus

Image = NDArray[np.float32]

WIDEST: Final = 512
"""Pixels of the longer side of images that are compared."""
ROWS: Final = 32
"""Rows of all images that are sorted at once."""


@dataclass(frozen=True)
class Plane:
    """An image and its coordinates; data float32 (ny, nx), NaN where there are none."""

    data: Image
    wcs: Any

    @property
    def scale(self) -> float:
        """Width of a pixel [arcsec]; nan if it has no coordinates."""
        try:
            return float(np.sqrt(abs(np.linalg.det(self.wcs.celestial.pixel_scale_matrix)))) * 3600.0
        except (ValueError, AttributeError, np.linalg.LinAlgError):
            return float("nan")

    @property
    def declination(self) -> float:
        """Of the middle [deg]; 0 if it has no coordinates."""
        ny, nx = self.data.shape
        dec = float(self.wcs.pixel_to_world_values(nx / 2, ny / 2)[1])
        return dec if -90.0 <= dec <= 90.0 else 0.0


def read_plane(path: Path, *names: str) -> Plane:
    """Read an image: the extension of the first of these names that is there, else the first with an image.

    Raises MusedeepError: no FITS file, or no image in it.
    """
    with open_hdus(path, "image of the field") as hdus:
        wanted = [hdus[name] for name in names if name in hdus]
        flat = [hdu for hdu in hdus if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) and hdu.header["NAXIS"] == 2]
        if not (wanted or flat):
            raise MusedeepError(f"{path}: has no image; make the product again")
        hdu = (wanted or flat)[0]
        return Plane(np.asarray(hdu.data, np.float32), WCS(hdu.header, naxis=2))


def on_grid(single: Plane, places: tuple[NDArray[np.float64], NDArray[np.float64]], exposure: ExposureRecord) -> Image:
    """The image of an exposure at places, right ascension and declination [deg], each float64 (ny, nx)."""
    from scipy.ndimage import map_coordinates

    ra, dec = places
    x, y = single.wcs.world_to_pixel_values(ra + (exposure.ra_offset or 0.0), dec + (exposure.dec_offset or 0.0))
    image = map_coordinates(single.data, [y, x], order=1, mode="constant", cval=np.nan)
    scale = exposure.flux_scale or 1.0 / (exposure.transparency or 1.0)
    finite = image[np.isfinite(image)]
    return np.asarray((image - (np.median(finite) if finite.size else 0.0)) * scale, np.float32)


def binned(image: Image, factor: int) -> Image:
    """Means of squares of pixels with data; the last incomplete rows and columns are left out."""
    if factor == 1:
        return image
    ny, nx = (n // factor for n in image.shape)
    parts = image[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor)
    number = np.isfinite(parts).sum(axis=(1, 3))
    total = np.nansum(parts, axis=(1, 3), dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def bin_factor(shape: tuple[int, ...], widest: int = WIDEST) -> int:
    """Pixels that become one, so that no side is longer than `widest`."""
    return max(1, -(-max(shape) // widest))


def compared(reference: Plane, singles: Sequence[tuple[ExposureRecord, Plane]]) -> tuple[Image, Image]:
    """Images of exposures on the grid of a reference, and what is left of each without the median of the others.

    Returns
    -------
    images, residuals : float32 (exposures, ny, nx); an exposure that is excluded takes part in no median
    """
    factor = bin_factor(reference.data.shape)
    y, x = np.indices(reference.data.shape)
    places = reference.wcs.pixel_to_world_values(x, y)
    images = np.array([binned(on_grid(plane, places, exposure), factor) for exposure, plane in singles])
    used = np.array([not exposure.excluded for exposure, _ in singles])
    return images, images - medians_of_others(images, used)


def medians_of_others(images: Image, used: NDArray[np.bool_]) -> Image:
    """For each image, the median of all others that are used; float32 (images, ny, nx), NaN where no other has data."""
    found = np.empty_like(images)
    for row in range(0, images.shape[1], ROWS):
        part = images[:, row : row + ROWS]
        found[:, row : row + ROWS] = _medians_of_others(part, used)
    return found


def _medians_of_others(images: Image, used: NDArray[np.bool_]) -> Image:
    values = np.where(used[:, None, None], images, np.nan)
    order = np.argsort(values, axis=0, kind="stable")  # NaN are last
    ordered = np.concatenate([np.take_along_axis(values, order, axis=0), np.full_like(values[:1], np.nan)])
    rank = np.argsort(order, axis=0, kind="stable")
    number = np.isfinite(values).sum(axis=0)
    # an image without data in a pixel, or that is not used, is none of the sorted values
    inside = np.isfinite(values)
    others = number - inside
    low, high = np.maximum(others - 1, 0) // 2, others // 2
    skipped = np.where(inside, rank, len(values))
    low, high = low + (low >= skipped), high + (high >= skipped)
    middle = (np.take_along_axis(ordered, low, axis=0) + np.take_along_axis(ordered, high, axis=0)) / 2
    return np.where(others > 0, middle, np.nan).astype(np.float32)
