"""SKY_MASK with celestial coordinates."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS


def write_celestial_mask(path: Path, ra: float, dec: float) -> None:
    """Write a mask of 100 by 100 arcsec, north up, with sky in its western half; RA and DEC [deg] are its middle."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [250.5, 250.5]
    # the reference reads CDi_j, and no CDELT
    wcs.wcs.cd = np.diag([-0.2 / 3600.0, 0.2 / 3600.0])
    mask = np.zeros((500, 500), np.int32)
    mask[:, 250:] = 1
    header = wcs.to_header()
    for key in ("CDELT1", "CDELT2", "PC1_1", "PC2_2"):
        header.remove(key, ignore_missing=True)
    for i, j in np.ndindex(2, 2):
        header[f"CD{i + 1}_{j + 1}"] = wcs.wcs.cd[i, j]
    fits.PrimaryHDU(mask, header).writeto(path)


def west_of_middle(start, shape, middle, position_angle: float):
    """How far west of the middle of the field pixels are, float64 (lines, columns) [pixel].

    Parameters
    ----------
    start : x and y of the first pixel
    shape : lines and columns
    middle : x and y of the middle of the field
    position_angle : [deg]
    """
    x, y = np.meshgrid(*(first + np.arange(n) for first, n in zip(start, shape[::-1], strict=True)))
    angle = np.radians(position_angle)
    return (x - middle[0]) * np.cos(angle) - (y - middle[1]) * np.sin(angle)
