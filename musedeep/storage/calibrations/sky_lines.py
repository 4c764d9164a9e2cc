"""SKY_LINES (manual A.2.2): emission lines of the night sky. RAMAN_LINES has the same layout."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import column, numbers, open_hdus, whole_numbers
from musedeep.storage.fits.table import Column, table_hdu, tables_with

EXTENSION: Final = "LINES"

COLUMNS: Final = (
    Column("name", "30A"), Column("group", "J"), Column("lambda", "D", "Angstrom"),
    Column("flux", "D", "10**(-20)*erg/(s cm^2 arcsec^2)"), Column("dq", "J"),
)  # fmt: skip

_NUMBERS: Final = ("group", "lambda", "flux", "dq")


@dataclass(frozen=True)
class SkyLineTable:
    """Emission lines, by ascending wavelength.

    Attributes
    ----------
    path : Path
    name : unicode (n,)
    group : int64 (n,), lines of a group vary together
    wavelength : float64 (n,), in air [Angstrom]
    flux : float64 (n,)
        1e-20 erg/s/cm2: of an arcsec**2 in static calibrations, of a spaxel in products of recipes, whose unit says
        arcsec**2, too.
    """

    path: Path
    name: NDArray[np.str_]
    group: NDArray[np.int64]
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.wavelength.size)

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "SkyLineTable":
        """Some of the lines; `which` is bool (n,), or int (m,) in ascending order."""
        return SkyLineTable(self.path, self.name[which], self.group[which], self.wavelength[which], self.flux[which])


def sky_lines_hdu(lines: SkyLineTable) -> fits.BinTableHDU:
    """The table LINES of a SKY_LINES product, brightest line first, as the ESO pipeline writes it."""
    order = np.argsort(-lines.flux, kind="stable")
    values = {
        "name": [str(lines.name[i]) for i in order],
        "group": lines.group[order],
        "lambda": lines.wavelength[order],
        "flux": lines.flux[order],
        "dq": np.zeros(order.size, np.int32),
    }
    width = Column("name", f"{max((len(name) for name in lines.name), default=1)}A")
    return table_hdu((width, *COLUMNS[1:]), values, EXTENSION)


def read_sky_lines(path: str | Path, kind: str = "SKY_LINES") -> SkyLineTable:
    """Read a SKY_LINES or RAMAN_LINES table (`kind`).

    Lines may be in any order (products of recipes are sorted by flux), and those with dq > 0 are left out.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, an empty one, values that are not finite, wavelengths that are not positive, a
        negative flux; a list of OH transitions, whose fluxes are not given.
    """
    path = Path(path)
    with open_hdus(path, kind) as hdus:
        category = hdus[0].header.get("ESO PRO CATG")
        tables = tables_with(hdus, ("name", *_NUMBERS))
        named = [hdu for hdu in tables if hdu.header.get("EXTNAME") == EXTENSION] or tables
        if any(hdu.header.get("EXTNAME") == "OH_TRANSITIONS" and len(hdu.data) for hdu in hdus[1:]):
            raise MusedeepError(
                f"{path}: a table OH_TRANSITIONS, of transitions without fluxes; give a {kind} with {EXTENSION} only"
            )
        if not named:
            what = f"is a {category}" if category and category != kind else "no such table"
            needed = ", ".join(("name", *_NUMBERS))
            raise MusedeepError(f"{path}: {what}, without the columns {needed}; give a {kind}")
        table = named[0]
        unit = table.columns["lambda"].unit
        if unit is not None and unit.strip().lower() not in ("angstrom", "0.1nm"):
            raise MusedeepError(f"{path}: lambda is in {unit}, expected Angstrom; convert it")
        quality, group = whole_numbers(table, "dq"), whole_numbers(table, "group")
        wavelength, flux = numbers(table, "lambda"), numbers(table, "flux")
        name = np.char.strip(np.asarray(column(table, "name"), np.str_)) if wavelength.size else np.empty(0, np.str_)
    use = quality <= 0
    if not use.any():
        raise MusedeepError(f"{path}: no line to be used (dq = 0); give a {kind}")
    wavelength, flux, name, group = wavelength[use], flux[use], name[use], group[use]
    if not np.isfinite(wavelength).all() or not np.isfinite(flux).all() or wavelength.min() <= 0:
        raise MusedeepError(f"{path}: a wavelength or flux is not finite or not positive; correct the {kind}")
    if flux.min() < 0:
        worst = int(flux.argmin())
        raise MusedeepError(
            f"{path}: the flux of line {name[worst]} is {flux[worst]:g}, expected at least 0; correct the {kind}"
        )
    # by name where wavelengths are equal: the order of the file is of no importance
    order = np.lexsort((flux, name, wavelength))
    return SkyLineTable(path, name[order], group[order], wavelength[order], flux[order])
