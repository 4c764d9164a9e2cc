"""Calibrations that muse_scipost takes of small pixel tables."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.calibrations.extinction import extinction_hdus
from musedeep.storage.calibrations.response import FLAT_CORRECTED, Response, response_hdu


def calibrations(directory: Path, mode: str = "WFM-NOAO-N") -> list[tuple[Path, str]]:
    """A response of constant magnitude, and air that takes nothing; those that are there already stay."""
    response, extinction = directory / "response.fits", directory / "extinction.fits"
    if not response.exists():
        grid = np.arange(4150.0, 9801.25, 1.25)
        header = fits.Header([("HIERARCH ESO INS MODE", mode), (f"HIERARCH {FLAT_CORRECTED}", True)])
        table = response_hdu(Response(grid, np.full(grid.size, 38.0), np.full(grid.size, 0.01)))
        fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(response)
        extinction_hdus(np.array([4000.0, 10000.0]), np.array([0.0, 0.0])).writeto(extinction)
    return [(response, "STD_RESPONSE"), (extinction, "EXTINCT_TABLE")]
