"""SKY_CONTINUUM (manual A.3.12): the continuum of the night sky."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.table import Column, table_hdu, tables_with

EXTENSION: Final = "CONTINUUM"

COLUMNS: Final = (Column("lambda", "D", "Angstrom"), Column("flux", "D", "erg/(s cm^2 arcsec^2)"))
"""The unit is the one of the ESO pipeline; fluxes are those of a spaxel, 1e-20 erg/s/cm2/Angstrom."""


@dataclass(frozen=True)
class SkyContinuumTable:
    """The continuum of the night sky.

    Attributes
    ----------
    path : Path
    wavelength : float64 (n,), ascending, in air [Angstrom]
    flux : float64 (n,), of a spaxel, 1e-20 erg/s/cm2/Angstrom
    """

    path: Path
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]


def sky_continuum_hdu(wavelength: NDArray[np.float64], flux: NDArray[np.float64]) -> fits.BinTableHDU:
    """The table CONTINUUM; see `SkyContinuumTable`."""
    return table_hdu(COLUMNS, {"lambda": wavelength, "flux": flux}, EXTENSION)


def read_sky_continuum(path: str | Path) -> SkyContinuumTable:
    """Read a SKY_CONTINUUM.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, fewer than two rows, wavelengths that do not ascend, fluxes that are not finite.
    """
    path = Path(path)
    with open_hdus(path, "SKY_CONTINUUM") as hdus:
        tables = tables_with(hdus, ("lambda", "flux"))
        named = [hdu for hdu in tables if hdu.header.get("EXTNAME") == EXTENSION] or tables
        # SKY_LINES has these columns, too
        if not named or {"name", "group"} <= set(named[0].columns.names):
            category = hdus[0].header.get("ESO PRO CATG")
            what = f"is a {category}" if category else "no such table"
            raise MusedeepError(f"{path}: {what}, without a continuum (columns lambda, flux); give a SKY_CONTINUUM")
        wavelength, flux = numbers(named[0], "lambda"), numbers(named[0], "flux")
    if wavelength.size < 2 or not (np.diff(wavelength) > 0).all():
        raise MusedeepError(f"{path}: lambda does not ascend over two rows or more; give a SKY_CONTINUUM")
    if not np.isfinite(flux).all():
        raise MusedeepError(f"{path}: a flux is not finite; correct the SKY_CONTINUUM")
    return SkyContinuumTable(path, wavelength, flux)
