"""The cube as a zarr store (format 3) that xarray opens with named dimensions and coordinates.

Variables on (wavelength, y, x): data, stat, exposures (number), exptime (s); on (y, x): the coordinates ra
and dec and the means over wavelength exposures_image, exptime_image.
"""

import os
import shutil
import warnings
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

CHUNK = (32, 64, 64)
"""Planes, lines, columns of a chunk: 512 KiB of float32. A spectrum reads nz / 32 chunks, a plane one in 32 of all."""

CHUNKS_PER_SHARD = (1, 8, 8)
"""Chunks along each axis that share a file: of most fields, all of 32 planes, in 115 files an array."""

EMPTY_SHARDS = "empty_shards"
"""Attribute: by array, the shards without any value, which have no file. So a lost one is told from an empty one."""

PRIMARY = "fits_primary"
"""Attribute: the primary header of the cube in FITS, with the recipe, its parameters, and the exposures."""

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
    nz, ny, nx = cube.shape
    header = extension_header("DATA", target, wcs, False, unit=unit)
    for key in ("CHECKSUM", "DATASUM"):
        header.remove(key)
    group = zarr.create_group(path, zarr_format=3)
    text = header.tostring(sep="\n", endcard=False, padding=False)
    group.attrs.update({"object": target, "software": f"musedeep/{__version__}", "fits_wcs": text})
    if primary is not None:
        group.attrs[PRIMARY] = primary.tostring(sep="\n", endcard=False, padding=False)
    flux = {"long_name": "flux density", "units": unit, "coordinates": "ra dec"}
    variance = {"long_name": "variance of data", "units": f"({unit})**2", "coordinates": "ra dec"}
    sources: list[tuple[Voxels, zarr.Array]] = [
        (cube.data, _cube_array(group, "data", cube.shape, "f4", flux)),
        (cube.stat, _cube_array(group, "stat", cube.shape, "f4", variance)),
    ]
    if exposure_map is not None:
        number = {"long_name": "exposures that contributed", "units": "1", "coordinates": "ra dec"}
        seconds = {"long_name": "exposure time that contributed", "units": "s", "coordinates": "ra dec"}
        sources += [
            (exposure_map.number, _cube_array(group, "exposures", cube.shape, "u2", number)),
            (exposure_map.seconds, _cube_array(group, "exptime", cube.shape, "f4", seconds)),
        ]
        for name, image, attributes in zip(
            ("exposures_image", "exptime_image"), exposure_map.images(), (number, seconds), strict=True
        ):
            attributes = {**attributes, "cell_methods": "wavelength: mean"}
            _small_array(group, name, image, ("y", "x"), attributes)

    waves = wavelengths(wcs, nz)
    medium = "vacuum" if wcs.ctype3.startswith("WAVE") else "air"
    _small_array(
        group, "wavelength", waves, ("wavelength",), {"long_name": f"wavelength in {medium}", "units": "Angstrom"}
    )
    celestial = WCS(fits.Header(wcs.spatial()))
    y, x = np.mgrid[:ny, :nx]
    for name, values, long_name in zip(
        ("ra", "dec"), celestial.all_pix2world(x, y, 0), ("right ascension", "declination"), strict=True
    ):
        _small_array(group, name, values, ("y", "x"), {"long_name": long_name, "units": "deg"})

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


def _cube_array(
    group: zarr.Group, name: str, shape: tuple[int, int, int], dtype: DTypeLike, attributes: dict[str, Any]
) -> zarr.Array:
    chunks = tuple(min(c, n) for c, n in zip(CHUNK, shape, strict=True))
    number = (min(m, -(-n // c)) for m, n, c in zip(CHUNKS_PER_SHARD, shape, chunks, strict=True))
    shards = tuple(m * c for m, c in zip(number, chunks, strict=True))
    return group.create_array(
        name, shape=shape, dtype=dtype, chunks=chunks, shards=shards, compressors=_compressor(),
        fill_value=np.nan if np.dtype(dtype).kind == "f" else 0, dimension_names=_DIMENSIONS, attributes=attributes,
    )  # fmt: skip


def _small_array(
    group: zarr.Group, name: str, values: NDArray[Any], dimensions: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=values.shape, compressors=_compressor(),
        dimension_names=dimensions, attributes=attributes,
    )  # fmt: skip
    array[...] = values
