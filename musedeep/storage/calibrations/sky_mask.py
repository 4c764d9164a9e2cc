"""SKY_MASK (manual A.3.3): where the field of an exposure is sky, an image of 0 and 1 with the place of its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.field_grid import grid_cards
from musedeep.storage.fits.hdus import open_hdus
from musedeep.storage.fits.header_cards import add


@dataclass(frozen=True)
class SkyMask:
    """A mask of the field.

    Attributes
    ----------
    path : Path
    mask : bool (ny, nx), true where it is sky
    header : fits.Header
        Of the image: world coordinates in pixels of the field (CTYPE PIXEL), or celestial ones.
    """

    path: Path
    mask: NDArray[np.bool_]
    header: fits.Header

    @property
    def in_pixels(self) -> bool:
        """Whether its coordinates are those of the field of view, not celestial."""
        return str(self.header.get("CTYPE1", "PIXEL")).strip() in ("PIXEL", "")

    @property
    def start(self) -> tuple[float, float]:
        """x and y of the first pixel's centre, of a mask in pixels of the field.

        Raises
        ------
        MusedeepError
            Its coordinates are celestial, or steps are not one pixel.
        """
        if not self.in_pixels:
            raise MusedeepError(
                f"{self.path}: celestial coordinates, expected pixels of the field (CTYPE1 = PIXEL); give the SKY_MASK "
                "of this exposure"
            )
        found = []
        for axis in (1, 2):
            try:
                step, pixel, value = (
                    float(self.header.get(f"{key}", default))
                    for key, default in ((f"CD{axis}_{axis}", 1.0), (f"CRPIX{axis}", 1.0), (f"CRVAL{axis}", 1.0))
                )
            except (TypeError, ValueError) as error:
                raise MusedeepError(f"{self.path}: coordinates of axis {axis}: {error}; correct the header") from None
            if abs(step - 1.0) > 1e-6:
                raise MusedeepError(f"{self.path}: CD{axis}_{axis} is {step:g}, expected 1; give a SKY_MASK")
            found.append(value + (1.0 - pixel) * step)
        return found[0], found[1]


def mask_hdu(mask: NDArray[np.bool_], start: Sequence[float], header: fits.Header) -> fits.PrimaryHDU:
    """A SKY_MASK in pixels of the field.

    Parameters
    ----------
    mask : bool (ny, nx)
    start : x and y of the first pixel's centre
    header : primary header, without coordinates
    """
    made = header.copy()
    add(made, *grid_cards(start, 0.0, 2))
    return fits.PrimaryHDU(mask.astype(np.uint8), made)


def read_sky_mask(path: str | Path) -> SkyMask:
    """Read a SKY_MASK: the first image of two axes in the file.

    Raises
    ------
    MusedeepError
        No FITS file, truncated, without an image of two axes, or with values that are not finite.
    """
    path = Path(path)
    with open_hdus(path, "SKY_MASK") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header.get("NAXIS") == 2 and hdu.data is not None:
                data = np.asarray(hdu.data)
                if not np.isfinite(data).all():
                    raise MusedeepError(f"{path}: values that are not finite, expected 0 and 1; give a SKY_MASK")
                return SkyMask(path, data > 0, hdu.header.copy())
    raise MusedeepError(f"{path}: no image of two axes; give a SKY_MASK")
