"""Cubes from files to stores and back, or to files for viewers: a band of planes is in memory at a time.

The values keep their bits. Planes of a file are copied by the kernel where the new file has the same. In a store made
of a file, chunks without values are written too, because NaN have bits of their own; and the headers of all
extensions are kept, so that the file made of it has them again.
"""

import re
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from astropy.io import fits

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.progress import LOG, Progress, Silent
from musedeep.storage.cubes.content import CubeContent, Other, target_of, with_headers
from musedeep.storage.cubes.cube_axes import read_axes
from musedeep.storage.cubes.cube_zarr import (
    EXTENSIONS,
    attributes_of,
    cube_array,
    fill,
    new_group,
    small_array,
    write_coordinates,
)
from musedeep.storage.cubes.viewers import readable_header, viewer_header
from musedeep.storage.cubes.voxels import Voxels, write_planes
from musedeep.storage.fits.header_cards import date_card, keep_checksum_places, utc_now
from musedeep.storage.fits.headers import raw_bytes, value_of
from musedeep.storage.fits.parts import header_bytes
from musedeep.storage.fits.streamed import StreamedFits
from musedeep.storage.outputs import (
    appearing_whole,
    check_space,
    partial_name,
    refuse_existing,
    replace_directory,
    write_error,
)

_LEAST_SIZE: Final = 0.5
"""Of a store, at least, over that of the values: noise is not compressed further."""

_RESERVED: Final = ("wavelength", "ra", "dec", "x", "y")

_PACKED: Final = (".gz", ".fz", ".Z", ".bz2")


def write_cube(
    content: CubeContent,
    path: Path,
    *,
    viewers: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write a cube, a FITS file, or a store if its name ends in .zarr; it appears when it is whole.

    Parameters
    ----------
    viewers : with headers for programs that show cubes (`viewers.viewer_header`); of files alone
    overwrite : replace an existing file or store, when the new one is whole
    progress : of planes

    Raises
    ------
    MusedeepError
        It exists and may not be replaced, or cannot be written; the cube cannot be read; a store for viewers; a store
        of a cube that is not on the sky.
    """
    if path.suffix in _PACKED:
        raise MusedeepError(f"{path}: no packed file is written; give a name that ends in .fits or .zarr")
    store = path.suffix == ".zarr"
    if viewers and store:
        raise MusedeepError(f"{path}: viewers read files, not stores; give a name that ends in .fits")
    refuse_existing(path, overwrite)
    if overwrite and path.is_dir() != store and path.exists():
        raise MusedeepError(
            f"{path}: is {'no store' if store else 'a directory'} and is not replaced; give another name"
        )
    if "STAT" not in content.arrays:
        LOG.warning(f"{content.path}: no extension STAT (variances); neither has {path.name}")
    shown = progress or Silent()
    try:
        if store:
            _write_store(content, path, shown)
        else:
            changed = with_headers(
                content, lambda one: viewer_header(one, content.primary) if viewers else readable_header(one)
            )
            _write_file(changed, path, shown)
    finally:
        shown.stop()


def primary_header(content: CubeContent, name: str) -> fits.Header:
    """The primary header of the new cube: that of the cube, with the new name and date, and its history."""
    header = content.primary.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM", "DATAMD5", "EXTEND"):
        header.remove(key, ignore_missing=True, remove_all=True)
    header.set(*date_card(utc_now()))
    header["PIPEFILE"] = (name, "Filename of data product")
    for line in content.history or (f"musedeep export {__version__}: of {content.path.name}",):
        header["HISTORY"] = line
    keep_checksum_places(header)
    return header


def _write_file(content: CubeContent, path: Path, progress: Progress) -> None:
    need = content.nbytes
    check_space(path, need)
    progress.begin(content.shape[0] * len(content.arrays), "planes")
    with appearing_whole(path, need) as partial, StreamedFits(partial) as made:
        made.begin(header_bytes(primary_header(content, path.name), False, 8, ()))
        for name, array in content.arrays.items():
            made.begin_image(_bare(content.headers[name], name), _bitpix(array.dtype), content.shape)
            write_planes(array, made, progress)
        for one in content.others:
            _write_other(one, content.path, made)
        made.finish()


def _write_other(one: Other, source: Path, made: StreamedFits) -> None:
    if one.values is not None:
        made.begin_image(_bare(one.header, one.name), _bitpix(one.values.dtype), one.values.shape)
        made.write(one.values.astype(one.values.dtype.newbyteorder(">")))
    else:
        assert one.unit is not None
        made.begin(raw_bytes(one.unit.cards))
        made.copy(source, one.unit.data_offset, one.unit.data_bytes)


def _bare(header: fits.Header, name: str) -> fits.Header:
    """A header without the cards of its structure and checksums."""
    bare = _unsummed(header)
    if "EXTNAME" not in bare:
        bare["EXTNAME"] = name
    return bare


def _unsummed(header: fits.Header) -> fits.Header:
    bare = header.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM"):
        bare.remove(key, ignore_missing=True)
    return bare


def _bitpix(dtype: np.dtype[Any]) -> int:
    return (-8 if dtype.kind == "f" else 8) * dtype.itemsize


def _write_store(content: CubeContent, path: Path, progress: Progress) -> None:
    wcs = read_axes(content.header, content.path).wcs(content.path)
    need = int(content.nbytes * _LEAST_SIZE)
    check_space(path, need)
    partial = partial_name(path)
    try:
        header = _bare(content.header, "DATA")
        group = new_group(partial, header, target_of(content), primary_header(content, path.name))
        names = _store_names(content)
        companions = [name for name in content.arrays if name in ("STAT", "DQ", "EXPOSURES", "EXPTIME")]
        sources: list[tuple[Voxels, zarr.Array]] = []
        for name, array in content.arrays.items():
            unit = str(value_of(content.headers[name], "BUNIT") or "")
            attributes = attributes_of(name, unit, companions if name == "DATA" else ())
            dtype = "u2" if name == "EXPOSURES" and array.dtype.itemsize == 2 else array.dtype.newbyteorder("=")
            sources.append((array, cube_array(group, names[name], content.shape, dtype, attributes, keep_empty=True)))
        for one in content.others:
            if one.values is None:
                LOG.warning(f"{path}: a store has no place for {one.name or 'an extension without a name'}: left out")
                continue
            axes = ("z", "y", "x")[-one.values.ndim :]
            of_field = one.values.shape == content.shape[1:]
            unit = str(value_of(one.header, "BUNIT") or "")
            attributes = attributes_of(one.name, unit)
            if not of_field:
                axes = tuple(f"{names[one.name]}_{axis}" for axis in axes)
                attributes.pop("coordinates")
            small_array(group, names[one.name], one.values.astype(one.values.dtype.newbyteorder("=")), axes, attributes)
        stored = [(name, content.headers[name]) for name in content.arrays]
        stored += [(one.name, one.header) for one in content.others if one.values is not None]
        group.attrs[EXTENSIONS] = [
            {"name": name, "array": names[name], "header": _text(header)} for name, header in stored
        ]
        write_coordinates(group, wcs, content.shape)
        fill(partial, group, sources, progress)
        replace_directory(partial, path)
    except OSError as error:
        raise write_error(path, error, need) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _text(header: fits.Header) -> str:
    return str(_unsummed(header).tostring(sep="\n", endcard=False, padding=False))


def _store_names(content: CubeContent) -> dict[str, str]:
    """Names of the arrays of a store, by extension: those of the extensions in small letters."""
    names: dict[str, str] = {}
    for name in [*content.arrays, *(one.name for one in content.others if one.values is not None)]:
        given = re.sub(r"[^a-z0-9_]", "_", name.lower()) or "image"
        while given in names.values() or given in _RESERVED:
            given += "_"
        if name in names:
            raise MusedeepError(f"{content.path}: extension {name} is there twice; make the cube again")
        names[name] = given
    return names
