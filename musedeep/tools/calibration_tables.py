"""Inputs of the tools that draw calibrations: the flat-field, and whether files are of one IFU."""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import open_hdus


def read_image(path: Path) -> tuple[NDArray[np.float32], int | None]:
    """DATA of a master flat-field, float32 (4112, 4096), and its IFU.

    Raises MusedeepError for no FITS file, or no extension DATA with an image.
    """
    with open_hdus(path, "MASTER_FLAT") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header.get("EXTNAME", "") == "DATA" and hdu.header["NAXIS"] == 2 and all(hdu.shape):
                return np.array(hdu.data, np.float32), _ifu(hdus[0].header, hdu.header)
    raise MusedeepError(f"{path}: no image extension DATA; give the MASTER_FLAT of one IFU")


def _ifu(*headers: fits.Header) -> int | None:
    for header in headers:
        if match := re.match(r"CHAN(\d\d)", str(header.get("EXTNAME", ""))):
            return int(match[1])
    return None


def same_ifu(*given: tuple[Path, int | None]) -> int | None:
    """The IFU of all files; MusedeepError if they belong to different ones."""
    known = [(path, ifu) for path, ifu in given if ifu is not None]
    for path, ifu in known[1:]:
        if ifu != known[0][1]:
            raise MusedeepError(f"{path}: is of IFU {ifu}, {known[0][0]} of IFU {known[0][1]}; give files of one IFU")
    return known[0][1] if known else None
