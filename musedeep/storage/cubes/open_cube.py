"""Cubes to read, FITS files and stores alike: headers, and arrays that are read by boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, reason
from musedeep.progress import LOG
from musedeep.storage.cubes.voxels import RegionVoxels, Unflagged, Voxels
from musedeep.storage.fits.headers import HeaderUnit, number_of, scan_file, text_of
from musedeep.storage.fits.parts import ArrayInFile

INSTRUMENT: Final = "MUSE"

ARRAYS: Final = ("DATA", "STAT", "DQ")
"""Extensions of a cube that have three axes, in the order of a file."""

STORE_ARRAYS: Final = {"DATA": "data", "STAT": "stat", "DQ": "dq", "EXPOSURES": "exposures", "EXPTIME": "exptime"}
"""The arrays of a store by the names that extensions with the same content have."""

_SIMILAR = "a cube of muse_exp_combine or muse_scipost"


class StoredExtension(NamedTuple):
    """An extension that a store keeps: its name, the name of its array in the store, its header."""

    name: str
    array: str
    header: fits.Header


@dataclass(frozen=True)
class OpenCube:
    """A cube to read.

    Attributes
    ----------
    path : of the file or store
    primary : primary header; of a store that keeps none, only its object
    headers : headers of the arrays, by name; a store of a recipe has that of DATA alone
    arrays : by name: DATA, and where there are any STAT, DQ, EXPOSURES, EXPTIME
    images : names of the other extensions, field images for example
    units : header units of a file, in order; none of a store
    extensions : of a store that was made of a file: its extensions, in order
    """

    path: Path
    primary: fits.Header
    headers: dict[str, fits.Header]
    arrays: Mapping[str, RegionVoxels]
    images: tuple[str, ...] = ()
    units: tuple[HeaderUnit, ...] = ()
    extensions: tuple[StoredExtension, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.arrays["DATA"].shape

    @property
    def data(self) -> RegionVoxels:
        """The values."""
        return self.arrays["DATA"]

    @property
    def unflagged(self) -> Voxels:
        """The values, NaN where an extension DQ flags them."""
        return Unflagged(self.data, self.arrays["DQ"]) if "DQ" in self.arrays else self.data

    @property
    def stat(self) -> RegionVoxels:
        """The variances; MusedeepError if there are none."""
        if "STAT" not in self.arrays:
            raise MusedeepError(
                f"{self.path}: no extension STAT (variances); give a cube with DATA and STAT, as a pipeline wrote it"
            )
        return self.arrays["STAT"]

    @property
    def header(self) -> fits.Header:
        """That of DATA."""
        return self.headers["DATA"]

    @property
    def is_store(self) -> bool:
        """Whether it is no file but a store."""
        return not self.units


def open_cube(path: Path, any_instrument: bool = False) -> OpenCube:
    """Open a cube, a FITS file or a store (a directory); the values are read later.

    Parameters
    ----------
    any_instrument : open cubes of other instruments too, with a warning

    Raises
    ------
    MusedeepError
        It is none, is cut off, is not of MUSE; it has no DATA with three axes; its arrays have different sizes; a chunk
        of a store is lost.
    """
    if not path.exists():
        raise MusedeepError(f"{path}: no such file; give {_SIMILAR}")
    found = _open_store(path) if path.is_dir() else _open_file(path)
    if not (found.is_store and "INSTRUME" not in found.primary):
        instrument = text_of(found.primary, "INSTRUME", path, "" if any_instrument else None)
        if instrument != INSTRUMENT and any_instrument:
            LOG.warning(
                f"{path}: INSTRUME is '{instrument}', expected {INSTRUMENT}; its DATA are taken for such a cube"
            )
        elif instrument != INSTRUMENT:
            raise MusedeepError(f"{path}: INSTRUME is '{instrument}', expected {INSTRUMENT}; give {_SIMILAR}")
    for name, array in found.arrays.items():
        if array.shape != found.shape:
            raise MusedeepError(
                f"{path}: {name} has {_axes(array.shape)} voxels, DATA has {_axes(found.shape)}; make the cube again"
            )
    return found


def _axes(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in reversed(shape))


def _open_file(path: Path) -> OpenCube:
    units = scan_file(path)
    headers: dict[str, fits.Header] = {}
    arrays: dict[str, RegionVoxels] = {}
    images = []
    for unit in units[1:]:
        name = unit.name
        if name in ARRAYS:
            if name in headers:
                raise MusedeepError(f"{path}: extension {name} is there twice; make the cube again")
            headers[name], arrays[name] = unit.header, _array(path, unit)
        else:
            images.append(name)
    if "DATA" not in arrays:
        raise MusedeepError(f"{path}: no extension DATA; give {_SIMILAR}")
    return OpenCube(path, units[0].header, headers, arrays, tuple(images), tuple(units))


def _array(path: Path, unit: HeaderUnit) -> ArrayInFile:
    header, name = unit.header, unit.name
    if "ZIMAGE" in header:
        raise MusedeepError(f"{path}: {name} is compressed by fpack; uncompress it with funpack and give the result")
    if header.get("XTENSION") != "IMAGE" or header["NAXIS"] != 3 or not unit.data_bytes:
        raise MusedeepError(f"{path}: {name} is no array of three axes (NAXIS {header['NAXIS']}); give {_SIMILAR}")
    allowed = (8, 16, 32) if name == "DQ" else (-32, -64)
    if header["BITPIX"] not in allowed:
        raise MusedeepError(
            f"{path}: BITPIX of {name} is {header['BITPIX']}, expected {' or '.join(map(str, allowed))}; convert it"
        )
    for key, neutral in (("BSCALE", 1.0), ("BZERO", 0.0)):
        if number_of(header, key, path, neutral) != neutral:
            raise MusedeepError(f"{path}: {key} of {name} is {header[key]}; write the values unscaled, as floats")
    shape = header["NAXIS3"], header["NAXIS2"], header["NAXIS1"]
    return ArrayInFile(path, unit.data_offset, shape, header["BITPIX"])


class StoreArray:
    """An array of a store (zarr) as `Voxels`; `ends` are the planes at which chunks end."""

    def __init__(self, path: Path, array: Any) -> None:
        self._path, self._array = path, array
        self.shape: tuple[int, int, int] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.ends = tuple(range(array.chunks[0], self.shape[0], array.chunks[0]))

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_box`."""
        return self.read_region(z0, z1, y0, self.shape[1] if y1 is None else y1, 0, self.shape[2])

    def read_region(self, z0: int, z1: int, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """See `RegionVoxels.read_region`: the chunks that the region touches are read."""
        out = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        # shard by shard along y: zarr decodes whole shards beside what it returns
        lines = int((self._array.shards or self._array.chunks)[1])
        ends = [y0, *range((y0 // lines + 1) * lines, y1, lines), y1]
        try:
            for first, last in pairwise(ends):
                out[:, first - y0 : last - y0] = self._array[z0:z1, first:last, x0:x1]
            return out
        except Exception as error:
            # zarr and its codecs raise whatever they meet in damaged bytes
            raise MusedeepError(
                f"{self._path}: planes {z0 + 1} to {z1} of {self._array.basename} cannot be read ({reason(error)}); "
                "copy or make the store again"
            ) from error

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_stored`."""
        return self.read_box(z0, z1, y0, y1)


def _check_shards(path: Path, array: Any, empty: list[str] | None) -> None:
    """Refuse an array that has lost chunks; of a store that does not list its empty ones, only warn."""
    from musedeep.storage.cubes.cube_zarr import missing_shards

    name = str(array.path)
    missing = missing_shards(path, array)
    if empty is None and missing:
        LOG.warning(
            f"{path}: {len(missing)} chunks of {name} are not there; the store is of an earlier version, which does "
            "not tell empty chunks from lost ones: they count as empty"
        )
    lost = sorted(set(missing) - set(missing if empty is None else empty))
    if lost:
        raise MusedeepError(
            f"{path}: chunk {name}/c/{lost[0]} is lost ({len(lost)} in all); copy or make the store again"
        )


def _open_store(path: Path) -> OpenCube:
    import zarr

    from musedeep.storage.cubes.cube_zarr import EMPTY_SHARDS, EXTENSIONS, PRIMARY

    try:
        group = zarr.open_group(path, mode="r")
        attributes: dict[str, Any] = dict(group.attrs)
        found = {name: group.get(member) for name, member in STORE_ARRAYS.items()}
        header = fits.Header.fromstring(str(attributes["fits_wcs"]), sep="\n")
        primary = fits.Header.fromstring(str(attributes.get(PRIMARY, "")), sep="\n")
        extensions = tuple(
            StoredExtension(one["name"], one["array"], fits.Header.fromstring(one["header"], sep="\n"))
            for one in attributes.get(EXTENSIONS, [])
        )
    except Exception as error:
        raise MusedeepError(f"{path}: no cube store ({reason(error)}); give {_SIMILAR}, FITS or zarr") from error
    arrays: dict[str, RegionVoxels] = {}
    for name, array in found.items():
        if array is None:
            continue
        if not isinstance(array, zarr.Array) or array.ndim != 3:
            raise MusedeepError(f"{path}: {STORE_ARRAYS[name]} is no array of three axes; make the store again")
        arrays[name] = StoreArray(path, array)
        _check_shards(path, array, attributes[EMPTY_SHARDS].get(array.path, []) if EMPTY_SHARDS in attributes else None)
    if "DATA" not in arrays:
        raise MusedeepError(f"{path}: no array data; give {_SIMILAR}, FITS or zarr")
    if "OBJECT" not in primary:
        primary["OBJECT"] = str(attributes.get("object", ""))
    headers = {"DATA": header} | {one.name: one.header for one in extensions if one.name in arrays}
    images = tuple(one.name for one in extensions if one.name not in arrays)
    return OpenCube(path, primary, headers, arrays, images, extensions=extensions)
