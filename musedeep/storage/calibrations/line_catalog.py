"""LINE_CATALOG (manual A.2.1): wavelengths, relative fluxes, ions and qualities of arc lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.fits.hdus import column, numbers, open_hdus, whole_numbers
from musedeep.storage.fits.table import Column, table_hdu, tables_with

COLUMNS: Final = (
    Column("lambda", "E", "Angstrom"), Column("flux", "E"), Column("ion", "A"), Column("quality", "J"),
    Column("comment", "A"),
)  # fmt: skip
VERSION: Final = 3
"""Format version that the ESO pipeline 2.8.7 accepts."""

_NEEDED: Final = [one.name for one in COLUMNS[:4]]

LAMP_IONS: Final = {"Ne": ("Ne",), "Xe": ("Xe",), "HgCd": ("Hg", "Cd")}
"""Elements of the arc lamps."""


@dataclass(frozen=True)
class LineCatalog:
    """Arc lines, sorted by wavelength.

    Attributes
    ----------
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


def line_catalog_hdus(
    wavelengths: NDArray[np.float64],
    fluxes: NDArray[np.float64],
    ions: Sequence[str],
    qualities: NDArray[np.integer],
    comments: Sequence[str],
    source: Any = None,
) -> fits.HDUList:
    """A LINE_CATALOG, sorted by wavelength as the ESO pipeline demands; see `LineCatalog` and `static_file`."""
    order = np.argsort(wavelengths, kind="stable")
    texts = [ions[i] for i in order], [comments[i] for i in order]
    values = wavelengths[order], fluxes[order], texts[0], qualities[order], texts[1]
    table = table_hdu(COLUMNS, dict(zip((one.name for one in COLUMNS), values, strict=True)))
    hdus = static_file("LINE_CATALOG", table, source=source)
    for hdu in hdus:
        hdu.header["VERSION"] = (VERSION, "version of the format")
    return hdus


def read_line_catalog(path: str | Path) -> LineCatalog:
    """Read a list of arc lines.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, an empty one, values that are not finite, or not sorted by wavelength.
    """
    path = Path(path)
    with open_hdus(path, "LINE_CATALOG") as hdus:
        tables = tables_with(hdus, _NEEDED)
        if not tables:
            raise MusedeepError(f"{path}: no table with the columns {', '.join(_NEEDED)}; give a LINE_CATALOG")
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
