"""The cube as a zarr store (format 3) that xarray opens with named dimensions and coordinates.

Variables on (wavelength, y, x): data, stat, exposures (number), exptime (s); on (y, x): the coordinates ra
and dec and the means over wavelength exposures_image, exptime_image. Attributes follow the CF conventions.
"""

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
import zarr.codecs
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import DTypeLike, NDArray

from musedeep import __version__, instrument
from musedeep.errors import MusedeepError
from musedeep.progress import Progress, Silent
from musedeep.storage.cubes.cube_fits import CubeWCS, extension_header
from musedeep.storage.cubes.voxels import CubeVoxels, Voxels
from musedeep.storage.fits.units import pint_unit

CHUNK = (32, 64, 64)
"""Planes, lines, columns of a chunk: 512 KiB of float32. A spectrum reads nz / 32 chunks, a plane one in 32 of all."""

CHUNKS_PER_SHARD = (1, 8, 8)
"""Chunks along each axis that share a file: of most fields, all of 32 planes, in 115 files an array."""

EMPTY_SHARDS = "empty_shards"
"""Attribute: by array, the shards without any value, which have no file. So a lost one is told from an empty one."""

PRIMARY = "fits_primary"
"""Attribute: the primary header of the cube in FITS, with the recipe, its parameters, and the exposures."""

EXTENSIONS = "fits_extensions"
"""Attribute of a store that was made of a FITS file: its extensions in order, each with name, array and header."""

CONVENTIONS = "CF-1.11"

CONTENTS: dict[str, tuple[str, dict[str, str]]] = {
    "DATA": ("flux density", {}),
    "STAT": ("variance of data", {}),
    "DQ": ("quality of data, in the bits of Euro3D; 0 is good", {"standard_name": "quality_flag", "units": "1"}),
    "EXPOSURES": (
        "exposures that contributed", {"standard_name": "number_of_observations", "units": "1"},
    ),
    "EXPTIME": ("exposure time that contributed", {}),
}  # fmt: skip
"""By extension: long_name, and what else is known of it."""

_DIMENSIONS = ("wavelength", "y", "x")


class MapVoxels(Protocol):
    """An exposure map: numbers of exposures and seconds of each voxel."""

    @property
    def number(self) -> Voxels:
        """Exposures that contributed."""

    @property
    def seconds(self) -> Voxels:
        """Exposure time that contributed [s]."""

    def images(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Their means over wavelength, (lines, columns)."""


def wavelengths(wcs: CubeWCS, n: int) -> NDArray[np.float64]:
    """Wavelengths of n planes, float64 (n,) [Angstrom]; linear or logarithmic (CTYPE3 ending in -LOG)."""
    pixel = np.arange(1, n + 1) - wcs.crpix[2]
    if wcs.ctype3.endswith("-LOG"):
        return np.asarray(wcs.crval[2] * np.exp(wcs.step * pixel / wcs.crval[2]), np.float64)
    return np.asarray(wcs.crval[2] + wcs.step * pixel, np.float64)


def write_cube_store(
    path: Path,
    cube: CubeVoxels,
    exposure_map: MapVoxels | None,
    wcs: CubeWCS,
    target: str,
    *,
    primary: fits.Header | None = None,
    unit: str = instrument.FLUX_UNIT,
    progress: Progress | None = None,
) -> None:
    """Write the store of a cube, and of its exposure map if there is one, in place of a former one.

    It gets its name when it is whole. Memory is bounded: 32 planes of 512 lines at a time.

    Parameters
    ----------
    exposure_map : MapVoxels or None, an `ExposureMapFile` has to be collapsed before
    target : name of the object
    primary : header of the cube as FITS, to be kept
    unit : of the data
    progress : of planes

    Raises
    ------
    MusedeepError
        The store cannot be written.
    """
    partial = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        if partial.exists():
            shutil.rmtree(partial)
        _write(partial, cube, exposure_map, wcs, target, primary, unit, progress or Silent())
        if path.exists():
            old = path.with_name(path.name + f".{os.getpid()}.old")
            path.rename(old)
            partial.rename(path)
            shutil.rmtree(old)
        else:
            partial.rename(path)
    except OSError as error:
        reason = error.strerror or error
        raise MusedeepError(f"{path}: cannot be written ({reason}); free space and start again") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(
    path: Path,
    cube: CubeVoxels,
    exposure_map: MapVoxels | None,
    wcs: CubeWCS,
    target: str,
    primary: fits.Header | None,
    unit: str,
    progress: Progress,
) -> None:
    header = extension_header("DATA", target, wcs, False, unit=unit)
    for key in ("CHECKSUM", "DATASUM"):
        header.remove(key)
    group = new_group(path, header, target, primary)
    companions = ["STAT", *([] if exposure_map is None else ["EXPOSURES", "EXPTIME"])]
    sources = [
        (cube.data, cube_array(group, "data", cube.shape, "f4", attributes_of("DATA", unit, companions))),
        (cube.stat, cube_array(group, "stat", cube.shape, "f4", attributes_of("STAT", f"({unit})**2"))),
    ]
    if exposure_map is not None:
        number, seconds = attributes_of("EXPOSURES"), attributes_of("EXPTIME", "s")
        sources += [
            (exposure_map.number, cube_array(group, "exposures", cube.shape, "u2", number)),
            (exposure_map.seconds, cube_array(group, "exptime", cube.shape, "f4", seconds)),
        ]
        for name, image, attributes in zip(
            ("exposures_image", "exptime_image"), exposure_map.images(), (number, seconds), strict=True
        ):
            small_array(group, name, image, ("y", "x"), {**attributes, "cell_methods": "wavelength: mean"})
    write_coordinates(group, wcs, cube.shape)
    fill(path, group, sources, progress)


def new_group(path: Path, header: fits.Header, target: str, primary: fits.Header | None) -> zarr.Group:
    """The root of a store, with its attributes; `header` is that of DATA as FITS, without checksums."""
    group = zarr.create_group(path, zarr_format=3)
    text = header.tostring(sep="\n", endcard=False, padding=False)
    software = f"musedeep/{__version__}"
    group.attrs.update(
        {"Conventions": CONVENTIONS, "title": target, "source": "MUSE, ESO VLT", "object": target, "software": software}
        | {"fits_wcs": text}
    )
    if primary is not None:
        group.attrs[PRIMARY] = primary.tostring(sep="\n", endcard=False, padding=False)
    return group


def attributes_of(name: str, unit: str = "", companions: Sequence[str] = ()) -> dict[str, Any]:
    """Attributes of an array of three axes, as CF has them.

    Parameters
    ----------
    name : of the extension with the same content
    unit : as FITS writes it: kept as `fits_unit`, while `units` has the same as pint and UDUNITS know it
    companions : names of the extensions with variances and the like
    """
    long_name, fixed = CONTENTS.get(name.removesuffix("_IMAGE"), (name, {}))
    found: dict[str, Any] = {"long_name": long_name, **fixed, "coordinates": "ra dec"}
    if unit:
        found |= {"units": pint_unit(unit)} | ({"fits_unit": unit} if pint_unit(unit) != unit else {})
    if companions:
        found["ancillary_variables"] = " ".join(one.lower() for one in companions)
    return found


def write_coordinates(group: zarr.Group, wcs: CubeWCS, shape: tuple[int, int, int]) -> None:
    """Write the coordinates wavelength, ra and dec of a cube of so many planes, lines, columns."""
    nz, ny, nx = shape
    medium = "vacuum" if wcs.ctype3.startswith("WAVE") else "air"
    attributes = {"long_name": f"wavelength in {medium}", "standard_name": "radiation_wavelength", "units": "angstrom"}
    small_array(group, "wavelength", wavelengths(wcs, nz), ("wavelength",), attributes)
    celestial = WCS(fits.Header(wcs.spatial()))
    y, x = np.mgrid[:ny, :nx]
    for name, values, long_name in zip(
        ("ra", "dec"), celestial.all_pix2world(x, y, 0), ("right ascension", "declination"), strict=True
    ):
        small_array(group, name, values, ("y", "x"), {"long_name": long_name, "units": "degree"})


def fill(path: Path, group: zarr.Group, sources: Sequence[tuple[Voxels, zarr.Array]], progress: Progress) -> None:
    """Fill the arrays of the store at `path`, which have one shape, and complete the store."""
    nz, ny, _ = sources[0][0].shape
    progress.begin(nz, "planes")
    lines = CHUNK[1] * CHUNKS_PER_SHARD[1]
    for z in range(0, nz, CHUNK[0]):
        z1 = min(z + CHUNK[0], nz)
        for y0 in range(0, ny, lines):
            y1 = min(y0 + lines, ny)
            for source, array in sources:
                array[z:z1, y0:y1] = source.read_box(z, z1, y0, y1).astype(array.dtype, copy=False)
        progress.advance(z1 - z)
    group.attrs[EMPTY_SHARDS] = {str(array.path): missing_shards(path, array) for _, array in sources}

    with warnings.catch_warnings():
        # consolidated metadata are an extension of zarr 3 as yet; without them xarray warns at every opening
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(group.store)


def missing_shards(path: Path, array: zarr.Array) -> list[str]:
    """The shards of an array of the store at `path` that have no file, as in 0/1/0."""
    numbers = (-(-n // size) for n, size in zip(array.shape, array.shards or array.chunks, strict=True))
    keys = ("/".join(map(str, place)) for place in np.ndindex(*numbers))
    return [key for key in keys if not (path / array.path / "c" / key).is_file()]


def _compressor() -> zarr.codecs.BloscCodec:
    return zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")


def cube_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, int, int],
    dtype: DTypeLike,
    attributes: dict[str, Any],
    keep_empty: bool = False,
) -> zarr.Array:
    """An array of three axes to fill; with `keep_empty`, chunks of NaN are written too, with the bits of these NaN."""
    chunks = tuple(min(c, n) for c, n in zip(CHUNK, shape, strict=True))
    number = (min(m, -(-n // c)) for m, n, c in zip(CHUNKS_PER_SHARD, shape, chunks, strict=True))
    shards = tuple(m * c for m, c in zip(number, chunks, strict=True))
    return group.create_array(
        name, shape=shape, dtype=dtype, chunks=chunks, shards=shards, compressors=_compressor(),
        fill_value=np.nan if np.dtype(dtype).kind == "f" else 0, dimension_names=_DIMENSIONS, attributes=attributes,
        config={"write_empty_chunks": keep_empty},
    )  # fmt: skip


def small_array(
    group: zarr.Group, name: str, values: NDArray[Any], dimensions: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    """Write an array that is in memory."""
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=values.shape, compressors=_compressor(),
        dimension_names=dimensions, attributes=attributes,
    )  # fmt: skip
    array[...] = values
