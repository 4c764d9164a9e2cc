"""All that a cube holds, of a file or a store, in one form from which files and stores are written.

1. The arrays of three axes that have the size of DATA are read by boxes, never whole: DATA, STAT, DQ, EXPOSURES,
   EXPTIME, and whatever else a file has.
2. Images are in memory, as they stand in the file, scaled or not.
3. Other extensions, tables for example, are known by their place in the file, from which they are copied.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, reason
from musedeep.storage.cubes.cube_fits import extension_header
from musedeep.storage.cubes.open_cube import OpenCube, open_cube
from musedeep.storage.cubes.voxels import RegionVoxels
from musedeep.storage.fits.header_cards import header_of
from musedeep.storage.fits.headers import HeaderUnit, text_of, value_of
from musedeep.storage.fits.parts import TYPES, ArrayInFile

_LARGEST_IMAGE: Final = 1 << 30
"""Bytes of an image; larger ones are copied without being read."""


@dataclass(frozen=True)
class Other:
    """An extension that is no array of the cube.

    Attributes
    ----------
    name : EXTNAME
    header : with the cards of its structure
    values : of an image, as they are stored, big-endian or native; None of everything else
    unit : its place in the file, None of a store
    """

    name: str
    header: fits.Header
    values: NDArray[Any] | None
    unit: HeaderUnit | None = None


@dataclass(frozen=True)
class CubeContent:
    """All that a cube holds.

    Attributes
    ----------
    path : of the file or store, for messages
    primary : primary header
    headers : of the arrays, by name
    arrays : of three axes, by name, DATA first; all have its shape
    others : the other extensions, in order
    history : lines for the header on what was done with it
    """

    path: Path
    primary: fits.Header
    headers: dict[str, fits.Header]
    arrays: dict[str, RegionVoxels]
    others: tuple[Other, ...] = ()
    history: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.arrays["DATA"].shape

    @property
    def header(self) -> fits.Header:
        """That of DATA."""
        return self.headers["DATA"]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays and images."""
        images = sum(0 if one.values is None else one.values.nbytes for one in self.others)
        return (
            sum(int(np.prod(one.shape, dtype=np.int64)) * one.dtype.itemsize for one in self.arrays.values()) + images
        )


def read_content(path: Path, any_instrument: bool = True) -> CubeContent:
    """Open a cube, a FITS file or a store; its arrays are read later.

    Raises
    ------
    MusedeepError
        See `open_cube`; an image cannot be read.
    """
    cube = open_cube(path, any_instrument)
    return _of_store(cube) if cube.is_store else _of_file(cube)


def _of_file(cube: OpenCube) -> CubeContent:
    arrays: dict[str, RegionVoxels] = {name: cube.arrays[name] for name in cube.arrays}
    headers, others = dict(cube.headers), []
    for unit in cube.units[1:]:
        if unit.name in cube.arrays:
            continue
        header = unit.header
        shape = tuple(int(header[f"NAXIS{i}"]) for i in range(int(header["NAXIS"]), 0, -1))
        image = header.get("XTENSION") == "IMAGE" and "ZIMAGE" not in header and unit.data_bytes > 0
        if image and shape == cube.shape and header["BITPIX"] in TYPES and unit.name not in arrays:
            headers[unit.name] = header
            arrays[unit.name] = ArrayInFile(cube.path, unit.data_offset, cube.shape, header["BITPIX"])
        elif image and header["BITPIX"] in TYPES and unit.data_bytes < _LARGEST_IMAGE:
            values = np.fromfile(cube.path, TYPES[header["BITPIX"]], int(np.prod(shape)), offset=unit.data_offset)
            others.append(Other(unit.name, header, values.reshape(shape), unit))
        else:
            others.append(Other(unit.name, header, None, unit))
    return CubeContent(cube.path, cube.primary, headers, arrays, tuple(others))


def _of_store(cube: OpenCube) -> CubeContent:
    import zarr

    path = cube.path
    target, unit = (
        text_of(header, key, path, "") for header, key in ((cube.primary, "OBJECT"), (cube.header, "BUNIT"))
    )
    headers = dict(cube.headers)
    if "STAT" in cube.arrays and "STAT" not in headers:
        from musedeep.storage.cubes.cube_axes import read_axes

        headers["STAT"] = extension_header("STAT", target, read_axes(cube.header, path).wcs(path), True, unit=unit)
    spatial = [card for card in cube.header.cards if card.keyword in _COORDINATES]
    for name in cube.arrays:
        headers.setdefault(name, _map_header(name, spatial))
    arrays = {name: cube.arrays[name] for name in cube.arrays}
    others = []
    try:
        group = zarr.open_group(path, mode="r")
        if cube.extensions:
            from musedeep.storage.cubes.open_cube import StoreArray

            for one in cube.extensions:
                if one.name in arrays:
                    continue
                array: Any = group[one.array]
                if array.shape == cube.shape:
                    arrays[one.name], headers[one.name] = StoreArray(path, array), one.header
                else:
                    others.append(Other(one.name, one.header, np.asarray(array[...])))
        else:
            flat = [card for card in spatial if not card.keyword.endswith("3")]
            for name in ("EXPOSURES_IMAGE", "EXPTIME_IMAGE"):
                if name.lower() in group:
                    image: Any = group[name.lower()]
                    others.append(Other(name, _map_header(name, flat), np.asarray(image[...])))
    except Exception as error:
        # zarr and its codecs raise whatever they meet in damaged bytes
        raise MusedeepError(
            f"{path}: an image cannot be read ({reason(error)}); copy or make the store again"
        ) from error
    order = [one.name for one in cube.extensions if one.name in arrays] or list(arrays)
    return CubeContent(path, cube.primary, headers, {name: arrays[name] for name in order}, tuple(others))


_COORDINATES: Final = {
    *(f"{key}{i}" for key in ("CRPIX", "CRVAL", "CTYPE", "CUNIT", "CSYER") for i in (1, 2, 3)),
    *(f"CD{i}_{j}" for i in (1, 2, 3) for j in (1, 2, 3)),
}


def _map_header(name: str, coordinates: list[fits.Card]) -> fits.Header:
    """Header of an array or image of an exposure map, as in EXPOSURE_MAP.fits."""
    header = fits.Header([*coordinates, fits.Card("EXTNAME", name)])
    if name.startswith("EXPTIME"):
        header["BUNIT"] = "s"
    header.extend(header_of([]))
    return header


def with_headers(content: CubeContent, change: Callable[[fits.Header], fits.Header]) -> CubeContent:
    """The same cube with other headers of its arrays and images."""
    headers = {name: change(header) for name, header in content.headers.items()}
    others = tuple(
        one if one.values is None else Other(one.name, change(one.header), one.values, one.unit)
        for one in content.others
    )
    return CubeContent(content.path, content.primary, headers, content.arrays, others, content.history)


def target_of(content: CubeContent) -> str:
    """OBJECT of the primary header."""
    return str(value_of(content.primary, "OBJECT") or "")
