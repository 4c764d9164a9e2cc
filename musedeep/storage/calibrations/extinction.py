"""EXTINCT_TABLE: extinction of the atmosphere over Paranal (manual A.2.4)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.table import Column, table_hdu, tables_with

COLUMNS: Final = (Column("lambda", "D", "Angstrom"), Column("extinction", "D", "mag/airmass"))

HIGHEST: Final = 5.0
"""Largest extinction that makes sense, mag/airmass; more says that the unit is another."""


@dataclass(frozen=True)
class ExtinctionTable:
    """Extinction of the atmosphere.

    Attributes
    ----------
    name : the file, for messages
    wavelength : float64 (n,), ascending, air [Angstrom]
    magnitudes : float64 (n,), for one airmass
    """

    name: str
    wavelength: NDArray[np.float64]
    magnitudes: NDArray[np.float64]

    def at(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Magnitudes for one airmass at wavelengths [Angstrom], interpolated linearly.

        Raises
        ------
        MusedeepError
            A wavelength is outside the table.
        """
        if wavelength.size and not self.wavelength[0] <= wavelength.min() <= wavelength.max() <= self.wavelength[-1]:
            raise MusedeepError(
                f"{self.name}: reaches from {self.wavelength[0]:g} to {self.wavelength[-1]:g} Angstrom, "
                f"the data from {wavelength.min():g} to {wavelength.max():g}; give a table that covers them, or "
                "cut the data with lambdamin and lambdamax"
            )
        return np.interp(wavelength, self.wavelength, self.magnitudes)


def extinction_hdus(
    wavelength: NDArray[np.float64], magnitudes: NDArray[np.float64], source: Any = None
) -> fits.HDUList:
    """An EXTINCT_TABLE of float64 (n,) [Angstrom], [mag/airmass]; see `static_file`."""
    values = {"lambda": wavelength, "extinction": magnitudes}
    return static_file("EXTINCT_TABLE", table_hdu(COLUMNS, values), source=source)


def read_extinction(path: str | Path) -> ExtinctionTable:
    """Read an EXTINCT_TABLE.

    Raises
    ------
    MusedeepError
        It cannot be read, has no such table, wavelengths that do not ascend, or extinctions that make no sense.
    """
    with open_hdus(Path(path), "EXTINCT_TABLE") as hdus:
        tables = tables_with(hdus, [column.name for column in COLUMNS])
        if not tables:
            raise MusedeepError(f"{path}: no table with columns lambda and extinction; give an EXTINCT_TABLE")
        wavelength, magnitudes = (numbers(tables[0], column.name) for column in COLUMNS)
    if wavelength.size < 2 or not (np.diff(wavelength) > 0).all():
        raise MusedeepError(f"{path}: the wavelengths do not ascend; sort the rows")
    if not ((magnitudes >= 0.0) & (magnitudes <= HIGHEST)).all():
        raise MusedeepError(
            f"{path}: an extinction is negative, above {HIGHEST:g} mag/airmass or NaN; correct the table"
        )
    return ExtinctionTable(str(path), wavelength, magnitudes)
