"""VIGNETTING_MASK: where the field of view is vignetted (manual 5.2)."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.fits.hdus import open_hdus


def vignetting_hdus(mask: NDArray[np.integer], lowest: tuple[float, float]) -> fits.HDUList:
    """A VIGNETTING_MASK: an image of the field of view in the primary extension.

    Parameters
    ----------
    mask : integer (ny, nx), 1 where the light is vignetted, 0 elsewhere
    lowest : x and y of the first pixel's centre in the field of view, pixels of the GEOMETRY_TABLE
    """
    hdus = static_file("VIGNETTING_MASK")
    hdus[0].data = np.asarray(mask, np.uint8)
    header = hdus[0].header
    for axis, value in enumerate(lowest, start=1):
        header[f"CTYPE{axis}"] = "PIXEL"
        header[f"CUNIT{axis}"] = "pixel"
        header[f"CRPIX{axis}"] = 1.0
        header[f"CRVAL{axis}"] = float(value)
        header[f"CD{axis}_{axis}"] = 1.0
    header["CD1_2"] = header["CD2_1"] = 0.0
    return hdus


def read_vignetting_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a VIGNETTING_MASK: the first image of the file.

    Returns
    -------
    bool (rows, columns), true where it is vignetted

    Raises
    ------
    MusedeepError
        No FITS file, truncated, or without an image of two axes.
    """
    path = Path(path)
    with open_hdus(path, "VIGNETTING_MASK") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header.get("NAXIS") == 2 and hdu.data is not None:
                return np.asarray(hdu.data != 0)
    raise MusedeepError(f"{path}: no image of two axes; give a VIGNETTING_MASK")
