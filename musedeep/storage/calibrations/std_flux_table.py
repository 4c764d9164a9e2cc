"""STD_FLUX_TABLE (manual A.2.6): fluxes of standard stars, one extension per star, RA and DEC in its header."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.sky_angles import ra_difference
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.table import Column, table_hdu, tables_with

FLUX_UNIT: Final = "erg/s/cm**2/Angstrom"

COLUMNS: Final = (
    Column("lambda", "D", "Angstrom"), Column("flux", "D", FLUX_UNIT), Column("fluxerr", "D", FLUX_UNIT),
)  # fmt: skip

NEAR: Final = 60.0
"""Largest distance of a tabulated star from the pointing, the size of the field [arcsec]."""


@dataclass(frozen=True)
class Standard:
    """A spectrophotometric standard star.

    Attributes
    ----------
    name : as the manual spells it without blanks
    ra, dec : degrees, J2000
    wavelength : float64 (n,), air, ascending [Angstrom]
    flux : float64 (n,), above the atmosphere [erg/s/cm2/Angstrom]
    flux_error : float64 (n,), same unit; 0 if it is not known
    """

    name: str
    ra: float
    dec: float
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_error: NDArray[np.float64]

    def distance(self, ra: float, dec: float) -> float:
        """Distance from a position, both in degrees, along a great circle [arcsec]."""
        half_ra, half_dec = np.radians(ra_difference(self.ra, ra)) / 2.0, np.radians(self.dec - dec) / 2.0
        cosines = np.cos(np.radians(self.dec)) * np.cos(np.radians(dec))
        square = np.sin(half_dec) ** 2 + cosines * np.sin(half_ra) ** 2
        return float(np.degrees(2.0 * np.arcsin(np.sqrt(min(square, 1.0)))) * 3600.0)


def std_flux_table_hdus(stars: Sequence[Standard], source: Any = None) -> fits.HDUList:
    """An STD_FLUX_TABLE; see `static_file`."""
    tables = []
    for star in stars:
        values = star.wavelength, star.flux, star.flux_error
        table = table_hdu(COLUMNS, dict(zip((one.name for one in COLUMNS), values, strict=True)), star.name)
        table.header["OBJECT"] = (star.name, "name of the object")
        table.header["RA"] = (star.ra, "[deg] right ascension (J2000)")
        table.header["DEC"] = (star.dec, "[deg] declination (J2000)")
        tables.append(table)
    return static_file("STD_FLUX_TABLE", *tables, source=source)


def nearest_standard(paths: Sequence[str | Path], ra: float, dec: float) -> Standard:
    """The star of some STD_FLUX_TABLEs that is nearest to a position (degrees).

    Raises
    ------
    MusedeepError
        A file cannot be read or has no such tables; no star within `NEAR`; its wavelengths do not ascend, or its
        fluxes are not positive numbers.
    """
    needed = [one.name for one in COLUMNS[:2]]
    stars: list[tuple[Path, Standard]] = []
    for path in map(Path, paths):
        with open_hdus(path, "STD_FLUX_TABLE") as hdus:
            tables = [hdu for hdu in tables_with(hdus, needed) if {"RA", "DEC"} <= set(hdu.header)]
            if not tables:
                raise MusedeepError(
                    f"{path}: no table with the columns {', '.join(needed)} and RA, DEC in its header; give an "
                    "STD_FLUX_TABLE"
                )
            stars += [(path, _star(hdu, path)) for hdu in tables]
    if not stars:
        raise MusedeepError("no STD_FLUX_TABLE; give one with the star that was observed")
    path, star = min(stars, key=lambda one: one[1].distance(ra, dec))
    away = star.distance(ra, dec)
    if not away <= NEAR:
        far = f"{away / 3600.0:.2f} degrees" if away >= 3600.0 else f"{away:.0f} arcsec"
        raise MusedeepError(
            f"{path}: no standard star within {NEAR:.0f} arcsec of RA {ra:.5f}, DEC {dec:.5f}; the nearest, "
            f"{star.name}, is {far} away; give the STD_FLUX_TABLE that has the star that was observed"
        )
    if star.wavelength.size < 2 or not (np.diff(star.wavelength) > 0).all():
        raise MusedeepError(f"{path}: star {star.name}: lambda does not ascend; sort the rows")
    if not (np.isfinite(star.flux) & (star.flux > 0)).all():
        raise MusedeepError(f"{path}: star {star.name}: a flux is no positive number; remove or correct such rows")
    return star


def _star(hdu: fits.BinTableHDU, path: Path) -> Standard:
    """The star of a table."""
    name = str(hdu.header.get("EXTNAME", hdu.header.get("OBJECT", ""))).strip()
    ra, dec = (number_of(hdu.header, key, path) for key in ("RA", "DEC"))
    wavelength, flux = numbers(hdu, "lambda"), numbers(hdu, "flux")
    error = numbers(hdu, "fluxerr") if "fluxerr" in hdu.columns.names else np.zeros(flux.size)
    return Standard(name, ra, dec, wavelength, flux, np.where(np.isfinite(error), error, 0.0))
