"""IMAGE_FOV: the image of the field of view of an exposure, on the tangent plane of the sky (manual A.3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.field.tangent import sky_position, tangent_offsets
from musedeep.storage.fits.hdus import open_hdus, write_hdus
from musedeep.storage.fits.header_cards import Card, add, extension_cards, header_of
from musedeep.storage.fits.headers import number_of, number_or_none, text_of

Array = NDArray[np.float64]

TYPES = ("RA---TAN", "DEC--TAN")
"""CTYPE1 and CTYPE2 of images of the field."""


@dataclass(frozen=True)
class FieldPlane:
    """Coordinates of an image of the field.

    Attributes
    ----------
    crpix : pixel of the point where the plane touches the sky, counted from 1
    crval : right ascension and declination of that point [deg]
    cd : float64 (2, 2), CDi_j [deg]
    errors : CSYER1 and CSYER2, of the astrometric solution [deg]; None if one of them is missing
    """

    crpix: tuple[float, float]
    crval: tuple[float, float]
    cd: Array
    errors: tuple[float, float] | None = None

    @property
    def scale(self) -> float:
        """Side of a pixel [arcsec]."""
        return float(np.sqrt(abs(np.linalg.det(self.cd)))) * 3600.0

    def to_sky(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Right ascension (0 to 360) and declination [deg] of pixels (any shape), counted from 0."""
        dx, dy = np.asarray(x) + 1.0 - self.crpix[0], np.asarray(y) + 1.0 - self.crpix[1]
        xi, eta = (self.cd[i, 0] * dx + self.cd[i, 1] * dy for i in (0, 1))
        return sky_position(xi * 3600.0, eta * 3600.0, *self.crval)

    def to_pixels(self, ra: Array, dec: Array) -> tuple[Array, Array]:
        """Pixels, counted from 0, of right ascensions and declinations [deg] (any shape) within 90 degrees."""
        xi, eta = (value / 3600.0 for value in tangent_offsets(ra, dec, *self.crval))
        inverse = np.linalg.inv(self.cd)
        dx, dy = (inverse[i, 0] * xi + inverse[i, 1] * eta for i in (0, 1))
        return dx + self.crpix[0] - 1.0, dy + self.crpix[1] - 1.0

    def cards(self) -> list[Card]:
        """The coordinates as they stand in a header."""
        element = "Coordinate transformation matrix element"
        return [
            *((f"CRPIX{i}", self.crpix[i - 1], "Pixel coordinate of reference point") for i in (1, 2)),
            *((f"CD{i}_{j}", float(self.cd[i - 1, j - 1]), element) for i in (1, 2) for j in (1, 2)),
            *((f"CUNIT{i}", "deg", "Units of coordinate increment and value") for i in (1, 2)),
            ("CTYPE1", TYPES[0], "Right ascension, gnomonic projection"),
            ("CTYPE2", TYPES[1], "Declination, gnomonic projection"),
            ("CRVAL1", self.crval[0], ""),
            ("CRVAL2", self.crval[1], ""),
            *(
                (f"CSYER{i}", value, "[deg] Systematic error in coordinate")
                for i, value in enumerate(self.errors or (), 1)
            ),
        ]


@dataclass(frozen=True)
class FieldView:
    """An image of the field of view.

    Attributes
    ----------
    path : of the file
    header : primary header
    data : float64 (ny, nx), NaN where there are no data
    plane : its coordinates
    unit : BUNIT
    """

    path: Path
    header: fits.Header
    data: Array
    plane: FieldPlane
    unit: str


def read_field_view(path: str | Path) -> FieldView:
    """Read an IMAGE_FOV: the extension DATA, or else the first image of two axes in the file.

    Raises
    ------
    MusedeepError
        No FITS file, no image, coordinates that are missing or no tangent plane in degrees.
    """
    path = Path(path)
    with open_hdus(path, "IMAGE_FOV") as hdus:
        images = [hdu for hdu in hdus if hdu.header.get("NAXIS") == 2 and not isinstance(hdu, fits.BinTableHDU)]
        chosen = next((hdu for hdu in images if hdu.name == "DATA"), images[0] if images else None)
        if chosen is None:
            raise MusedeepError(f"{path}: no image in it; give an IMAGE_FOV")
        data = np.array(chosen.data, np.float64)
        plane = read_plane(chosen.header, path)
        primary = hdus[0].header.copy()
        unit = text_of(chosen.header, "BUNIT", path, "")
    data[~np.isfinite(data)] = np.nan
    return FieldView(path, primary, data, plane, unit)


def read_plane(header: fits.Header, path: Path) -> FieldPlane:
    """The coordinates of an image; raises MusedeepError if they are missing, or no tangent plane in degrees."""
    found = tuple(text_of(header, f"CTYPE{i}", path, "") for i in (1, 2))
    if found != TYPES:
        given = "no coordinates" if found == ("", "") else f"coordinates {', '.join(found)}"
        raise MusedeepError(f"{path}: {given} in the header of the image; expected CTYPEi {', '.join(TYPES)}")
    for i in (1, 2):
        unit = text_of(header, f"CUNIT{i}", path, "deg")
        if unit != "deg":
            raise MusedeepError(f"{path}: CUNIT{i} is '{unit}', expected deg; make the image again")
    crpix, crval = (tuple(number_of(header, f"{key}{i}", path) for i in (1, 2)) for key in ("CRPIX", "CRVAL"))
    if number_or_none(header, "CDELT1") is not None and "CD1_1" not in header:
        steps = [number_of(header, f"CDELT{i}", path) for i in (1, 2)]
        turn = [[number_of(header, f"PC{i}_{j}", path, float(i == j)) for j in (1, 2)] for i in (1, 2)]
        cd = np.diag(steps) @ np.array(turn)
    else:
        both = [[number_of(header, f"CD{i}_{j}", path, 0.0 if i != j else None) for j in (1, 2)] for i in (1, 2)]
        cd = np.array(both)
    if np.linalg.det(cd) == 0:
        raise MusedeepError(f"{path}: the matrix CD1_1, CD1_2, CD2_1, CD2_2 is singular; make the image again")
    if abs(crval[1]) > 90:
        raise MusedeepError(f"{path}: CRVAL2 is {crval[1]:g}, which is no declination; make the image again")
    x, y = (number_or_none(header, f"CSYER{i}") for i in (1, 2))
    errors = None if x is None or y is None else (x, y)
    return FieldPlane((crpix[0], crpix[1]), (crval[0], crval[1]), cd, errors)


def write_field_view(
    path: Path,
    header: fits.Header,
    data: NDArray[np.floating],
    plane: FieldPlane,
    unit: str,
    overwrite: bool = False,
    extra: Sequence[Card] = (),
) -> None:
    """Write an image of the field, one extension DATA of float32; it gets its name when it is whole.

    Parameters
    ----------
    header : primary header
    data : (ny, nx)
    extra : further cards of the extension

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    made = fits.ImageHDU(data.astype(np.float32))
    cards = [*plane.cards(), ("INHERIT", True, ""), *extension_cards("DATA", "DATA", {}), ("BUNIT", unit, ""), *extra]
    add(made.header, *((c.keyword, c.value, c.comment) for c in header_of(cards).cards))
    write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=header), made]), overwrite)
