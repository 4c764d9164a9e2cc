"""ASTROMETRY_REFERENCE (manual A.2.3): places of stars in the fields of astrometric exposures, one table per field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.table import Column, tables_with

Floats = NDArray[np.float64]

COLUMNS: Final = (
    Column("SourceID", "A"), Column("RA", "D", "deg"), Column("DEC", "D", "deg"), Column("filter", "A"),
    Column("mag", "D", "mag"),
)  # fmt: skip

FARTHEST: Final = 3600.0
"""A field whose table is farther from the pointing is none of it [arcsec]; fields of globular clusters lie closer than
that to their clusters."""


@dataclass(frozen=True)
class ReferenceField:
    """The stars of one field.

    Attributes
    ----------
    name : EXTNAME of its table
    distance : of the place in its header from the pointing [arcsec]
    ra, dec : float64 (n,) of the stars [deg]
    magnitude : float64 (n,); NaN where the table has none
    """

    name: str
    distance: float
    ra: Floats
    dec: Floats
    magnitude: Floats


def read_nearest_field(path: str | Path, ra: float, dec: float) -> ReferenceField:
    """The field of an ASTROMETRY_REFERENCE whose place is nearest to a pointing [deg].

    Raises
    ------
    MusedeepError
        No FITS file; no tables of stars; a table without its place; no field near the pointing.
    """
    path = Path(path)
    with open_hdus(path, "ASTROMETRY_REFERENCE") as hdus:
        tables = tables_with(hdus, ("RA", "DEC"))
        if not tables:
            raise MusedeepError(f"{path}: no table with the columns RA, DEC; give an ASTROMETRY_REFERENCE")
        places = np.array([[number_of(table.header, key, path) for key in ("RA", "DEC")] for table in tables])
        distances = separation(places[:, 0], places[:, 1], ra, dec)
        nearest = int(np.argmin(distances))
        table, distance = tables[nearest], float(distances[nearest])
        name = str(table.header.get("EXTNAME", "")) or f"table {nearest + 1}"
        if distance > FARTHEST:
            raise MusedeepError(
                f"{path}: the field nearest to the pointing (RA {ra:.5f}, DEC {dec:.5f}) is {name}, "
                f"{distance / 60.0:.1f} arcmin away; give an ASTROMETRY_REFERENCE with the field that was observed"
            )
        stars = [numbers(table, key) for key in ("RA", "DEC")]
        has_magnitude = "mag" in table.columns.names
        magnitude = numbers(table, "mag") if has_magnitude else np.full(stars[0].size, np.nan)
    good = np.isfinite(stars[0]) & np.isfinite(stars[1])
    return ReferenceField(name, distance, stars[0][good], stars[1][good], magnitude[good])


def separation(ra: Floats, dec: Floats, other_ra: float, other_dec: float) -> Floats:
    """Distances of places from another one, on the sphere; degrees in, arcsec out."""
    half_dec = 0.5 * np.radians(np.asarray(dec) - other_dec)
    half_ra = 0.5 * np.radians(np.asarray(ra) - other_ra)
    cosines = np.cos(np.radians(dec)) * np.cos(np.radians(other_dec))
    square = np.sin(half_dec) ** 2 + cosines * np.sin(half_ra) ** 2
    return np.asarray(np.degrees(2.0 * np.arcsin(np.sqrt(np.minimum(square, 1.0)))) * 3600.0)
