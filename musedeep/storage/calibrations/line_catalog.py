"""LINE_CATALOG (manual A.2.1): wavelengths, relative fluxes, ions and qualities of arc lines."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import column, numbers, open_hdus, whole_numbers

COLUMNS: Final = ("lambda", "flux", "ion", "quality")

LAMP_IONS: Final = {"Ne": ("Ne",), "Xe": ("Xe",), "HgCd": ("Hg", "Cd")}
"""Elements of the arc lamps."""


@dataclass(frozen=True)
class LineCatalog:
    """Arc lines, sorted by wavelength.

    Attributes
    ----------
    path : Path
    wavelengths : float64 (n,), Angstrom in air
    fluxes : float64 (n,), relative within a lamp
    ions : unicode (n,), as NeI
    qualities : int64 (n,)
        0: not seen, 1: for pattern matching, 2: part of a multiplet, 3: good, 5: bright and isolated.
    """

    path: Path
    wavelengths: NDArray[np.float64]
    fluxes: NDArray[np.float64]
    ions: NDArray[np.str_]
    qualities: NDArray[np.int64]

    def of_lamp(self, lamp: str) -> NDArray[np.int64]:
        """Places of the lines of a lamp (Ne, Xe, HgCd)."""
        chosen = np.zeros(self.ions.size, bool)
        for element in LAMP_IONS[lamp]:
            chosen |= np.char.startswith(self.ions, element)
        return np.flatnonzero(chosen)


def read_line_catalog(path: str | Path) -> LineCatalog:
    """Read a list of arc lines.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, an empty one, values that are not finite, or not sorted by wavelength.
    """
    path = Path(path)
    with open_hdus(path, "LINE_CATALOG") as hdus:
        tables = [h for h in hdus if isinstance(h, fits.BinTableHDU) and set(COLUMNS) <= set(h.columns.names)]
        if not tables:
            raise MusedeepError(f"{path}: no table with the columns {', '.join(COLUMNS)}; give a LINE_CATALOG")
        wavelengths, fluxes = (numbers(tables[0], name) for name in ("lambda", "flux"))
        ions = np.char.strip(np.asarray(column(tables[0], "ion"), np.str_))
        qualities = whole_numbers(tables[0], "quality")
    if ions.ndim != 1:
        raise MusedeepError(f"{path}: column ion does not hold one text in each row; give a LINE_CATALOG")
    if not wavelengths.size:
        raise MusedeepError(f"{path}: the table of lines is empty; give a LINE_CATALOG")
    if not (np.isfinite(wavelengths).all() and np.isfinite(fluxes).all()):
        raise MusedeepError(f"{path}: a wavelength or flux is not finite; correct the LINE_CATALOG")
    if (np.diff(wavelengths) < 0).any():
        raise MusedeepError(f"{path}: lines are not sorted by wavelength; sort the LINE_CATALOG")
    return LineCatalog(path, wavelengths, fluxes, ions, qualities)
