"""An OUTPUT_WCS for the exposures of `pixel_tables`."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.makers.pixel_tables import CENTRE


def write_output_wcs(path: Path, first: float, n: int, spaxels: int = 60) -> Path:
    """A grid about the centre of the field, with n planes from wavelength `first` [Angstrom]."""
    step = 0.2 / 3600
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT1": "deg", "CUNIT2": "deg",
        "CUNIT3": "Angstrom", "CRVAL1": CENTRE[0], "CRVAL2": CENTRE[1], "CRVAL3": first, "CRPIX1": spaxels / 2 + 0.5,
        "CRPIX2": spaxels / 2 + 0.25, "CRPIX3": 1.0, "CD1_1": -step, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": step,
        "CD3_3": 1.25,
    }  # fmt: skip
    fits.PrimaryHDU(np.zeros((n, spaxels, spaxels), "f4"), header=fits.Header(cards.items())).writeto(path)
    return path
