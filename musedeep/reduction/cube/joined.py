"""The cube of several pieces, which is never in memory: read by boxes, written plane by plane to FITS or a store.

A band of planes is read from the pieces that have them, and written as it stands in them. So memory does not depend on
the size of the cube, and bytes of FITS pieces become bytes of the FITS cube without being computed with: the kernel
copies whole planes from file to file.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.progress import LOG, Progress, Silent
from musedeep.reduction.cube.layout import Layout, Place
from musedeep.reduction.cube.piece import WAVELENGTHS
from musedeep.reduction.cube.share import PIECE
from musedeep.reduction.headers.cards import ordered
from musedeep.storage.cubes.cube_fits import extension_header
from musedeep.storage.cubes.exposure_map import mean_planes
from musedeep.storage.cubes.voxels import Voxels, write_planes
from musedeep.storage.fits.header_cards import Card, card, date_card, keep_checksum_places, utc_now
from musedeep.storage.fits.headers import value_of
from musedeep.storage.fits.parts import ArrayInFile, header_bytes
from musedeep.storage.fits.streamed import StreamedFits
from musedeep.storage.outputs import appearing_whole, check_space, refuse_existing

_DROPPED: Final = re.compile(rf"(SIMPLE|BITPIX|NAXIS|EXTEND|CHECKSUM|DATASUM|DATAMD5|DATE|PIPEFILE|{PIECE}.*|)$")
_NAN: Final = np.array(np.nan, ">f4").view(np.uint32)
"""As it stands in a FITS file."""

_OF_WHOLE: Final = ("PIXNOISE", "ABMAGLIM")
"""Keywords of science data products that are measured on the whole cube."""

_QUALITY: Final = re.compile(r"ESO QC (\w+) NDET$")


class JoinedArray:
    """An array of the pieces' arrays as `Voxels`.

    Parameters
    ----------
    shape : planes, lines, columns
    parts : the array that each place is of, and the place
    """

    def __init__(self, shape: tuple[int, int, int], parts: Sequence[tuple[Voxels, Place]]) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = parts[0][0].dtype.newbyteorder(">")
        self._parts = tuple(parts)
        ends = {place.end[0] for _, place in parts}
        for array, place in parts:
            shift = place.target[0] - place.source[0]
            ends |= {end + shift for end in getattr(array, "ends", ()) if place.source[0] < end < place.end[0] - shift}
        # where all pieces are files of whole planes, bands need not end anywhere but at their ends
        self.ends = tuple(sorted(ends)) if any(getattr(array, "ends", ()) for array, _ in parts) else ()

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_box`."""
        return self.read_stored(z0, z1, y0, y1).astype(self.dtype.newbyteorder("="), copy=False)

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_stored`; what no piece has is NaN, or 0 of integers."""
        y1 = self.shape[1] if y1 is None else y1
        wanted = ((z0, z1), (y0, y1), (0, self.shape[2]))
        out: NDArray[Any] | None = None
        for array, place in self._parts:
            boxes = [
                (max(low, first), min(high, end))
                for (low, high), first, end in zip(wanted, place.target, place.end, strict=True)
            ]
            if any(low >= high for low, high in boxes):
                continue
            (zs, ys, xs), (dz, dy, dx) = boxes, (s - t for s, t in zip(place.source, place.target, strict=True))
            read = array.read_stored(zs[0] + dz, zs[1] + dz, ys[0] + dy, ys[1] + dy)[..., xs[0] + dx : xs[1] + dx]
            if tuple(boxes) == wanted:
                return read
            out = self._empty(wanted) if out is None else out
            out[zs[0] - z0 : zs[1] - z0, ys[0] - y0 : ys[1] - y0, xs[0] : xs[1]] = read
        return self._empty(wanted) if out is None else out

    def run(self, z0: int, z1: int) -> tuple[Path, int, int] | None:
        """The file in which planes [z0, z1) stand in one run, its first byte and number of bytes; None if in none."""
        for array, place in self._parts:
            if place.target[0] <= z0 and z1 <= place.end[0]:
                whole = place.size[1:] == self.shape[1:] == array.shape[1:]
                if not (whole and isinstance(array, ArrayInFile) and array.dtype == self.dtype):
                    return None
                shift = place.source[0] - place.target[0]
                return array.run(z0 + shift, z1 + shift)
        return None

    def _empty(self, box: Sequence[tuple[int, int]]) -> NDArray[Any]:
        shape = tuple(high - low for low, high in box)
        return np.full(shape, np.nan if self.dtype.kind == "f" else 0, self.dtype)


@dataclass(frozen=True)
class JoinedCube:
    """The cube of a layout; `arrays` are DATA, STAT and, if the pieces have it, DQ."""

    layout: Layout
    arrays: dict[str, JoinedArray]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.layout.shape

    @property
    def data(self) -> JoinedArray:
        """The values."""
        return self.arrays["DATA"]

    @property
    def stat(self) -> JoinedArray:
        """The variances."""
        return self.arrays["STAT"]

    def array(self, name: str) -> JoinedArray:
        """An array that all pieces have, also EXPOSURES or EXPTIME of stores."""
        return _joined(self.layout, name)


def _joined(layout: Layout, name: str) -> JoinedArray:
    return JoinedArray(layout.shape, [(layout.pieces[p.piece].cube.arrays[name], p) for p in layout.places])


@dataclass(frozen=True)
class JoinedMap:
    """The exposure map of a joined cube."""

    number: Voxels
    seconds: Voxels

    def images(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Means over wavelength of both, (lines, columns)."""
        return mean_planes(self.number), mean_planes(self.seconds)


def join(layout: Layout) -> JoinedCube:
    """The cube of a layout.

    Raises
    ------
    MusedeepError
        A piece has no STAT, or holds values of another type than the others.
    """
    for piece in layout.pieces:
        assert piece.cube.stat is not None  # raises without variances
        for name in ("DATA", "STAT"):
            array = piece.cube.arrays[name]
            if array.dtype.itemsize != 4:
                raise MusedeepError(f"{piece.path}: BITPIX of {name} is -64, expected -32; convert it to 32-bit floats")
    names = [name for name in ("DATA", "STAT", "DQ") if name in layout.pieces[0].cube.arrays]
    return JoinedCube(layout, {name: _joined(layout, name) for name in names})


def refuse_empty_edges(cube: JoinedCube) -> None:
    """Refuse overlapping pieces that are empty where they meet, although the other piece is not.

    Raises
    ------
    MusedeepError
        Names the piece and the plane: it holds other wavelengths than its header says.
    """
    places = cube.layout.places
    for before, after in pairwise(places):
        for mine, other, plane in ((before, after, before.end[0] - 1), (after, before, after.target[0])):
            one, another = (cube.layout.pieces[place.piece] for place in (mine, other))
            if is_empty(one.cube.data, plane) and not is_empty(another.cube.data, plane):
                wave = one.axes.wavelengths(plane + 1)[-1]
                low, high = one.limits()
                raise MusedeepError(
                    f"{one.path}: plane {plane + 1} ({wave:.3f} Angstrom) is empty, although its header says lambdamin "
                    f"{low:g}, lambdamax {high:g}; {another.path} has data there: give the pieces as they were made"
                )


def is_empty(array: Voxels, plane: int) -> bool:
    """Whether a plane has no finite value."""
    values = array.read_stored(plane, plane + 1)
    # most planes without values consist of the one NaN that cubes are made of, which is seen sooner
    if values.dtype == ">f4" and bool((values.view(np.uint32) == _NAN).all()):
        return True
    return not bool(np.isfinite(values).any())


def data_header(cube: JoinedCube, name: str) -> fits.Header:
    """Header of an extension of the joined cube, without structure: that of the first piece, with the joined grid."""
    first, axes = cube.layout.pieces[0], cube.layout.axes
    source = first.cube.headers.get(name)
    if source is None:  # a store keeps that of DATA alone
        target = str(value_of(first.cube.primary, "OBJECT") or "")
        unit = str(value_of(first.cube.header, "BUNIT") or "")
        return extension_header(name, target, axes.wcs(first.path), name == "STAT", unit=unit)
    header = source.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM"):
        header.remove(key, ignore_missing=True)
    for i, value in enumerate(axes.crpix, 1):
        header[f"CRPIX{i}"] = value
    header["CRVAL3"] = axes.crval[2]
    keep_checksum_places(header)
    return header


def primary_header(cube: JoinedCube, name: str, tool: str) -> fits.Header:
    """Primary header of the joined cube: that of the first piece.

    Its wavelength limits are those of all pieces, its quality control is that of the joined cube, and HISTORY says
    which planes come from which piece.

    Parameters
    ----------
    name : PIPEFILE
    tool : that joins the pieces
    """
    layout = cube.layout
    first = layout.pieces[0]
    words = [match[1] for match in map(_QUALITY.match, list(first.cube.primary)) if match]
    anew = tuple(f"ESO QC {word} " for word in words)
    kept = [
        copy.copy(c)
        for c in first.cube.primary.cards
        if not _DROPPED.match(c.keyword) and not c.keyword.startswith(anew or "\0")
    ]
    now = utc_now()
    cards: list[Card] = [
        date_card(now),
        ("PIPEFILE", name, "Filename of data product"),
    ]
    if layout.limits and first.record:
        for parameter, limit in zip(WAVELENGTHS, layout.limits, strict=True):
            key = first.record.keywords[parameter]
            texts = [p.record.parameters[parameter] for p in layout.pieces if p.record]
            text = next(text for text in texts if float(text) == limit)
            cards.append((key, text, first.cube.primary.comments[key]))
    if words:
        cards += _quality_cards(cube, words)
    if "WAVELMIN" in first.cube.primary:
        kept = [c for c in kept if c.keyword not in _OF_WHOLE]
        cards += _science_cards(layout)
    header = ordered([*kept, *(card(*c) for c in cards)])
    header["HISTORY"] = f"{tool} (musedeep {__version__}): joined of {len(layout.pieces)} pieces"
    for place in layout.places:
        path = layout.pieces[place.piece].path
        header["HISTORY"] = f"planes {place.target[0] + 1} to {place.end[0]}: {path.name}"
    return header


def _science_cards(layout: Layout) -> list[Card]:
    """The wavelengths of a science data product; its depth is not measured again."""
    from musedeep.reduction.cube.science_product import resolving_power

    LOG.info(f"{', '.join(_OF_WHOLE)} of the pieces are left out: those of the joined cube are not known")
    waves = layout.axes.wavelengths(layout.shape[0])
    return [
        ("WAVELMIN", float(waves[0]) / 10.0, "[nm] Minimum wavelength"),
        ("WAVELMAX", float(waves[-1]) / 10.0, "[nm] Maximum wavelength"),
        (
            "SPEC_RES",
            resolving_power(0.5 * float(waves[0] + waves[-1])),
            "Spectral resolving power at central wavelength",
        ),
    ]


def _quality_cards(cube: JoinedCube, words: Sequence[str]) -> list[Card]:
    """Sources in the joined cube, for each recipe that has listed those of a piece."""
    # loads numba, which joining without sources does not need
    from musedeep.reduction.cube.grid import Grid
    from musedeep.reduction.cube.quality import source_cards

    axes = cube.layout.axes
    grid = Grid(cube.shape, axes.crpix, axes.crval, axes.cd, axes.step, axes.types[2])
    return [one for word in words for one in source_cards(cube, grid, word)]


def write_joined(
    path: Path, cube: JoinedCube, tool: str, *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write the joined cube, a FITS file, or a store if its name ends in .zarr; it appears when it is whole.

    Parameters
    ----------
    tool : that joins the pieces, for the header
    progress : of planes

    Raises
    ------
    MusedeepError
        It exists and may not be replaced, is a piece itself, or cannot be written; a piece cannot be read.
    """
    refuse_existing(path, overwrite)
    for piece in cube.layout.pieces:
        if path.exists() and path.samefile(piece.path):
            raise MusedeepError(f"{path}: is one of the pieces; give the output another name")
    need = sum(_bytes_on_disk(piece.path) for piece in cube.layout.pieces)
    check_space(path, min(need, 8 * int(np.prod(cube.shape, dtype=np.int64))))
    shown = progress or Silent()
    write = _write_store if path.suffix == ".zarr" else _write_fits
    try:
        write(path, cube, primary_header(cube, path.name, tool), need, shown)
    finally:
        shown.stop()


def _bytes_on_disk(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(min(one.stat().st_blocks * 512, one.stat().st_size) for one in files if one.is_file())


def _write_fits(path: Path, cube: JoinedCube, primary: fits.Header, need: int, progress: Progress) -> None:
    progress.begin(cube.shape[0] * len(cube.arrays), "planes")
    with appearing_whole(path, need) as partial, StreamedFits(partial) as made:
        made.begin(header_bytes(primary, False, 8, ()))
        for name, array in cube.arrays.items():
            bitpix = -8 * array.dtype.itemsize if array.dtype.kind == "f" else 8 * array.dtype.itemsize
            made.begin_image(data_header(cube, name), bitpix, cube.shape)
            write_planes(array, made, progress)
        made.finish()


def _write_store(path: Path, cube: JoinedCube, primary: fits.Header, need: int, progress: Progress) -> None:
    from musedeep.storage.cubes.cube_zarr import write_cube_store

    first = cube.layout.pieces[0]
    target = str(value_of(first.cube.primary, "OBJECT") or "")
    unit = str(value_of(first.cube.header, "BUNIT") or "")
    if "DQ" in cube.arrays:
        raise MusedeepError(f"{first.path}: a store has no place for DQ; give the output a name that ends in .fits")
    exposure_map = None
    if all({"EXPOSURES", "EXPTIME"} <= set(piece.cube.arrays) for piece in cube.layout.pieces):
        exposure_map = JoinedMap(cube.array("EXPOSURES"), cube.array("EXPTIME"))
    wcs = cube.layout.axes.wcs(first.path)
    write_cube_store(path, cube, exposure_map, wcs, target, primary=primary, unit=unit, progress=progress)
