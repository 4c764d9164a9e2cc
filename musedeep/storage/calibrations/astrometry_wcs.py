"""ASTROMETRY_WCS: a bare primary header with a linear gnomonic solution of the field of view (manual 9.11).

The pixels are those of the pixel table (xpos, ypos [pix]). The reference pixel is counted from the middle of the field,
and the matrix is that of position angle 0: scipost turns it by the angle of its exposure. The table ASTROMETRY_SOURCES
lists the stars of the fit; tables of other origin may lack it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import numbers, open_hdus, write_hdus
from musedeep.storage.fits.header_cards import Card, add
from musedeep.storage.fits.headers import number_of, text_of, value_of
from musedeep.storage.fits.table import Column, table_hdu, tables_with

Floats = NDArray[np.float64]

SOURCES: Final = (
    Column("XPOS", "1D", "pix"), Column("YPOS", "1D", "pix"), Column("XERR", "1D", "pix"), Column("YERR", "1D", "pix"),
    Column("FLUX", "1D", "count"), Column("XFWHM", "1D", "pix"), Column("YFWHM", "1D", "pix"), Column("RA", "1D"),
    Column("DEC", "1D"),
)  # fmt: skip
"""Columns of ASTROMETRY_SOURCES: places in the cube (pixels from 1), and on the sky [deg]."""

SOURCES_NAME: Final = "ASTROMETRY_SOURCES"
_CTYPES: Final = ("RA---TAN", "DEC--TAN")
_LARGEST: Final = 1.0 / 3600.0
"""No pixel of MUSE is larger, degrees."""


@dataclass(frozen=True)
class AstrometryWcs:
    """A solution of the field: (xi, eta) = matrix (pixel - centre - middle of the field), gnomonic about `place`.

    Attributes
    ----------
    matrix : float64 (2, 2), CDi_j at position angle 0 [deg/pixel]
    centre : float64 (2,), CRPIX1 and CRPIX2, counted from the middle of the field [pixel]
    place : float64 (2,), CRVAL1 and CRVAL2 [deg]; NaN where the header has none
    errors : float64 (2,), CSYER1 and CSYER2 [deg]; 0 where the header has none
    mode : INS MODE of the exposure; empty where the header does not say it
    sources : columns of ASTROMETRY_SOURCES, float64 (n,) each, by name; empty if there is no such table
    """

    matrix: Floats
    centre: Floats
    place: Floats
    errors: Floats
    mode: str
    sources: Mapping[str, Floats]

    @property
    def scales(self) -> tuple[float, float]:
        """Sizes of a pixel along right ascension and declination [arcsec], as QC ASTRO SCALE X and Y."""
        x, y = np.hypot(*self.matrix.T) * 3600.0
        return float(x), float(y)

    @property
    def angles(self) -> tuple[float, float]:
        """Angles of both rows of the matrix against the axes [deg], as QC ASTRO ANGLE X and Y give them."""
        (xx, xy), (yx, yy) = self.matrix
        return float(np.degrees(np.arctan2(-xy, -xx))), float(np.degrees(np.arctan2(-yx, yy)))

    def cards(self, suffix: str = "") -> list[Card]:
        """The solution as cards of a header, of the alternate system `suffix` (one capital letter)."""
        cards: list[Card] = [("WCSAXES", 2, "Number of coordinate axes")]
        for axis, value in enumerate(self.centre, 1):
            cards.append((f"CRPIX{axis}", float(value), "Pixel coordinate of reference point"))
        for i, j in np.ndindex(2, 2):
            text = "Coordinate transformation matrix element"
            cards.append((f"CD{i + 1}_{j + 1}", float(self.matrix[i, j]), text))
        for axis in (1, 2):
            cards.append((f"CUNIT{axis}", "deg", "Units of coordinate increment and value"))
        for axis, (name, text) in enumerate(zip(_CTYPES, ("Right ascension", "Declination"), strict=True), 1):
            cards.append((f"CTYPE{axis}", name, f"{text}, gnomonic projection"))
        for axis, value in enumerate(self.place, 1):
            cards.append((f"CRVAL{axis}", float(value), "[deg] Coordinate value at reference point"))
        for axis, value in enumerate(self.errors, 1):
            cards.append((f"CSYER{axis}", float(value), "[deg] Systematic error in coordinate"))
        if not suffix:
            cards += [
                ("LONPOLE", 180.0, "[deg] Native longitude of celestial pole"),
                ("LATPOLE", float(self.place[1]), "[deg] Native latitude of celestial pole"),
            ]
        return [(f"{keyword}{suffix}", value, text) for keyword, value, text in cards]


def write_astrometry_wcs(path: Path, header: fits.Header, wcs: AstrometryWcs, overwrite: bool = False) -> None:
    """Write a solution after the cards of a primary header; raises as `storage.fits.hdus.whole_file`."""
    primary = fits.PrimaryHDU(header=header)
    add(primary.header, *wcs.cards())
    table = table_hdu(SOURCES, wcs.sources, SOURCES_NAME)
    write_hdus(path, fits.HDUList([primary, table]), overwrite)


def read_astrometry_wcs(path: str | Path) -> AstrometryWcs:
    """Read a solution, of this or the ESO pipeline, with or without ASTROMETRY_SOURCES.

    Raises
    ------
    MusedeepError
        No FITS file; no matrix CDi_j, or one that is no scale of MUSE or mirrors nothing; no CRPIX; not gnomonic.
    """
    path = Path(path)
    with open_hdus(path, "ASTROMETRY_WCS") as hdus:
        header = hdus[0].header
        if not any(value_of(header, f"CD{i}_{j}") is not None for i in (1, 2) for j in (1, 2)):
            raise MusedeepError(f"{path}: no CDi_j in the primary header; give an ASTROMETRY_WCS of muse_astrometry")
        for axis, wanted in enumerate(_CTYPES, 1):
            found = text_of(header, f"CTYPE{axis}", path)
            if found != wanted:
                raise MusedeepError(f"{path}: CTYPE{axis} is {found}, expected {wanted}; give an ASTROMETRY_WCS")
        matrix = np.array([[number_of(header, f"CD{i}_{j}", path, 0.0) for j in (1, 2)] for i in (1, 2)])
        centre = np.array([number_of(header, f"CRPIX{axis}", path) for axis in (1, 2)])
        place = np.array([_optional(header, f"CRVAL{axis}", path, np.nan) for axis in (1, 2)])
        errors = np.array([_optional(header, f"CSYER{axis}", path, 0.0) for axis in (1, 2)])
        mode = text_of(header, "ESO INS MODE", path, "")
        sources = _sources(hdus)
    scales = np.hypot(*matrix)
    if not ((scales > 0) & (scales < _LARGEST)).all() or abs(np.linalg.det(matrix)) < 0.5 * scales.prod():
        text = ", ".join(f"{value:g}" for value in matrix.ravel())
        raise MusedeepError(
            f"{path}: CD1_1 ... CD2_2 = {text} is no matrix of pixels of MUSE; make the ASTROMETRY_WCS again"
        )
    return AstrometryWcs(matrix, centre, place, errors, mode, sources)


def _optional(header: fits.Header, key: str, path: Path, default: float) -> float:
    return default if value_of(header, key) is None else number_of(header, key, path)


def _sources(hdus: Any) -> dict[str, Floats]:
    tables = tables_with(hdus, ("XPOS", "YPOS", "RA", "DEC"))
    if not tables:
        return {}
    return {name: numbers(tables[0], name) for name in tables[0].columns.names if name in {c.name for c in SOURCES}}
