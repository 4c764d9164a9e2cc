"""VIGNETTING_MASK: where the field of view is vignetted (manual 5.2)."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.headers import scan_file


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
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a VIGNETTING_MASK")
    scan_file(path)
    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.header.get("NAXIS") == 2 and hdu.header.get("XTENSION", "IMAGE").strip() == "IMAGE":
                return np.asarray(hdu.data != 0)
    raise MusedeepError(f"{path}: no image of two axes; give a VIGNETTING_MASK")
