"""VIGNETTING_MASK: where the field of view is vignetted (manual 5.2)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import open_hdus


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
