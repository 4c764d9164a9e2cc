"""DATACUBE_SKYFLAT and TWILIGHT_CUBE: the twilight sky as measured, and the smooth cube made of it (manual 6.3.7)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.field_grid import grid_cards, read_grid
from musedeep.storage.fits.hdus import open_hdus
from musedeep.storage.fits.header_cards import Card, extension_cards, header_of
from musedeep.storage.fits.headers import number_of

_SKY = re.compile(r"ESO DRS MUSE FLAT FLUX SKY(\d+)$")


@dataclass(frozen=True)
class TwilightCube:
    """The smooth cube of the twilight sky.

    Attributes
    ----------
    data : float32 (wavelengths, y, x), each plane of mean 1
    start, step : float64 (3,)
        Coordinates of the first voxel, and steps, in x, y [pixel of the field] and wavelength [Angstrom].
    sky_flux : flux of the twilight sky of each IFU
    """

    data: NDArray[np.float32]
    start: NDArray[np.float64]
    step: NDArray[np.float64]
    sky_flux: dict[int, float]

    @classmethod
    def nothing(cls) -> "TwilightCube":
        """A cube that changes nothing."""
        return cls(np.ones((0, 1, 1), np.float32), np.zeros(3), np.ones(3), {})


def read_twilight_cube(path: str | Path) -> TwilightCube:
    """Read a TWILIGHT_CUBE.

    Raises
    ------
    MusedeepError
        No FITS file, or no cube with a grid in DATA.
    """
    path = Path(path)
    with open_hdus(path, "TWILIGHT_CUBE") as hdus:
        primary = hdus[0].header
        if "DATA" not in hdus or hdus["DATA"].header.get("NAXIS") != 3:
            raise MusedeepError(f"{path}: no cube in an extension DATA; give a TWILIGHT_CUBE")
        start, step = read_grid(hdus["DATA"].header, path, "TWILIGHT_CUBE")
        data = np.ascontiguousarray(hdus["DATA"].data, np.float32)
        flux = {int(m[1]): number_of(primary, key, path) for key in primary if (m := _SKY.match(key))}
    return TwilightCube(data, start, step, flux)


@dataclass(frozen=True)
class Extension:
    """An extension of a product.

    Attributes
    ----------
    name : EXTNAME
    text : OBJECT, without the name
    data : image or cube
    unit : BUNIT
    bad : bool (lines, columns) or None, pixels without meaning: they become an extension of flags, NAME_DQ
    placed : has coordinates
    """

    name: str
    text: str
    data: NDArray
    unit: str
    bad: NDArray[np.bool_] | None = None
    placed: bool = True


def field_hdus(extensions: Sequence[Extension], start: Sequence[float], step: float) -> list[fits.ImageHDU]:
    """The extensions of a DATACUBE_SKYFLAT or a TWILIGHT_CUBE.

    Parameters
    ----------
    start : x, y [pixel] and wavelength [Angstrom] of the first voxel
    step : of the planes [Angstrom]
    """
    names = {one.name for one in extensions}
    made = []
    for one in extensions:
        cards: list[Card] = [("OBJECT", f"{one.text} ({one.name})"[:68], "")]
        if one.placed:
            cards += grid_cards(start, step, one.data.ndim)
        companions = {"DATA": "DATA"} if one.name == "STAT" else {}
        if one.name == "DATA" and "STAT" in names:
            companions["STAT"] = "STAT"
        if one.bad is not None:
            companions["DQ"] = f"{one.name}_DQ"
        text = "" if one.name in ("DATA", "STAT") else "reconstructed image (data values)"
        kind = "STAT" if one.name == "STAT" else "DATA"
        cards += [*extension_cards(one.name, kind, companions, text), ("BUNIT", one.unit, "")]
        made.append(fits.ImageHDU(one.data, header_of(cards)))
        if one.bad is not None:
            cards = [("OBJECT", f"{one.text} ({one.name}, DQ)"[:68], "")]
            text = "reconstructed image (bad pixel status values)"
            cards += extension_cards(f"{one.name}_DQ", "DQ", {"DATA": one.name}, text)
            made.append(fits.ImageHDU(one.bad.astype(np.int32), header_of(cards)))
    return made
