"""Cubes as FITS: DATA and STAT, 3-D float32 (manual A.3.3), written box by box."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.storage.cubes.field_grid import PixelWCS
from musedeep.storage.fits.header_cards import extension_cards, header_of, sign
from musedeep.storage.fits.parts import (
    ArrayInFile,
    header_bytes,
    padded,
    replace_primary_header,
    reserve,
    sync_and_rename,
)

SPARE_CARDS = 720
"""Blank cards (allowed before END, FITS standard 4.4.2.4) that keep room in the primary header of a cube in the making
for quality control: 180 sources. `CubeFile.set_primary` makes more room by a copy of the file."""

_COPY_BYTES = 2**26


@dataclass(frozen=True)
class CubeWCS:
    """World coordinates of a cube: as in the header, x, y, wavelength.

    systematic_error is that of the astrometric solution [deg] (CSYER1/2 of the first exposure), None if unknown.
    """

    crpix: tuple[float, float, float]
    crval: tuple[float, float, float]
    cd: tuple[float, float, float, float]
    step: float
    ctype3: str
    systematic_error: tuple[float, float] | None = None

    def spatial(self) -> list[tuple[str, object, str]]:
        """Cards of the two spatial axes."""
        errors = enumerate(self.systematic_error or (), 1)
        element = "Coordinate transformation matrix element"
        return [
            *((f"CRPIX{i}", self.crpix[i - 1], "Pixel coordinate of reference point") for i in (1, 2)),
            *((f"CD{k // 2 + 1}_{k % 2 + 1}", self.cd[k], element) for k in range(4)),
            *((f"CUNIT{i}", "deg", "Units of coordinate increment and value") for i in (1, 2)),
            ("CTYPE1", "RA---TAN", "Right ascension, gnomonic projection"),
            ("CTYPE2", "DEC--TAN", "Declination, gnomonic projection"),
            *((f"CSYER{i}", value, "[deg] Systematic error in coordinate") for i, value in errors),
            ("CRVAL1", self.crval[0], "[deg] Right ascension of reference point"),
            ("CRVAL2", self.crval[1], "[deg] Declination of reference point"),
        ]

    def spectral(self) -> list[tuple[str, object, str]]:
        """Cards of the wavelength axis."""
        return [
            ("CTYPE3", self.ctype3, ""),
            ("CUNIT3", "Angstrom", ""),
            ("CD3_3", self.step, ""),
            ("CRPIX3", self.crpix[2], ""),
            ("CRVAL3", self.crval[2], ""),
            *((name, 0.0, "") for name in ("CD1_3", "CD2_3", "CD3_1", "CD3_2")),
        ]


WAVELENGTH_ERROR = 0.026
"""CRDER3 of science data products [Angstrom], as the reference writes it."""

_SCIENCE_UNITS = {
    False: "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)",
    True: "10**(-40)erg**2.s**(-2).cm**(-4).angstrom**(-2)",
}


def extension_header(
    name: str,
    target: str,
    wcs: CubeWCS | PixelWCS,
    variance: bool,
    extra: Sequence[tuple[str, object, str]] = (),
    science: bool = False,
    unit: str = instrument.FLUX_UNIT,
) -> fits.Header:
    """Header of a DATA or STAT extension, with the cards and comments of manual A.3.3; `extra` follows the coordinates.

    For a science data product (format sdpCube), units are spelt as the archive wants them, and there is CRDER3.
    """
    cards: list[tuple[str, object, str]] = [("OBJECT", f"{target} ({name})", "")]
    cards += [*wcs.spatial(), *wcs.spectral(), *extra]
    kind, companions = ("STAT", {"DATA": "DATA"}) if variance else ("DATA", {"STAT": "STAT"})
    cards += extension_cards(name, kind, companions)
    cards.append(("BUNIT", f"({unit})**2" if variance else unit, ""))
    if science:
        renamed = {"CUNIT3": "angstrom", "BUNIT": _SCIENCE_UNITS[variance]}
        cards = [(key, renamed.get(key, value), comment) for key, value, comment in cards]
        place = next(i for i, c in enumerate(cards) if c[0] == "CRVAL3")
        cards.insert(place + 1, ("CRDER3", WAVELENGTH_ERROR, "[Angstrom] Random error in spectral coordinate"))
    return header_of(cards)


def field_image_header(wcs: CubeWCS | PixelWCS, science: bool = False, unit: str = instrument.FLUX_UNIT) -> fits.Header:
    """Header of the DATA extension of an IMAGE_FOV (which inherits the primary header).

    With `science`, its unit is spelt as in the science data product that it belongs to.
    """
    unit = _SCIENCE_UNITS[False] if science else unit
    return header_of([*wcs.spatial(), ("INHERIT", True, ""), *extension_cards("DATA", "DATA", {}), ("BUNIT", unit, "")])


def filter_image_header(
    name: str,
    target: str,
    wcs: CubeWCS | PixelWCS,
    cards: Sequence[tuple[str, object, str]],
    quality: bool = False,
    unit: str = instrument.FLUX_UNIT,
) -> fits.Header:
    """Header of a filter image inside a cube (formats xCube and xEuro3D); `cards` are those of the filter.

    With `quality`, the image points to a NAME_DQ extension (xEuro3D).
    """
    parts: list[tuple[str, object, str]] = [("OBJECT", f"{target} ({name})", ""), *wcs.spatial()]
    companions = {"DQ": f"{name}_DQ"} if quality else {}
    parts += extension_cards(name, "DATA", companions, "reconstructed image (data values)")
    return header_of([*parts, ("BUNIT", unit, ""), *cards])


class CubeFile:
    """A cube in the making: two arrays in a FITS file."""

    def __init__(self, path: Path, shape: tuple[int, int, int], offsets: tuple[int, int], header_room: int) -> None:
        self.path, self.shape, self.header_room = path, shape, header_room
        self.data = ArrayInFile(path, offsets[0], shape, -32)
        self.stat = ArrayInFile(path, offsets[1], shape, -32)

    @staticmethod
    def create(
        path: Path, shape: tuple[int, int, int], primary: fits.Header, data: fits.Header, stat: fits.Header
    ) -> "CubeFile":
        """Lay out a new file of its final size (MusedeepError: no space); all boxes have to be written afterwards."""
        head = header_bytes(primary, False, 8, (), SPARE_CARDS)
        data_head = header_bytes(data, True, -32, shape)
        stat_head = header_bytes(stat, True, -32, shape)
        n = padded(int(np.prod(shape, dtype=np.int64)) * 4)
        data_offset = len(head) + len(data_head)
        stat_offset = data_offset + n + len(stat_head)
        reserve(path, stat_offset + n)
        with open(path, "r+b") as stream:
            stream.write(head + data_head)
            stream.seek(stat_offset - len(stat_head))
            stream.write(stat_head)
        cube = CubeFile(path, shape, (data_offset, stat_offset), len(head))
        cube._note_layout()
        return cube

    @staticmethod
    def _layout_path(path: Path) -> Path:
        return path.with_name(path.name + ".layout.json")

    @staticmethod
    def reopen(path: Path) -> "CubeFile":
        """The cube in the making at `path`, in any process."""
        shape, offsets, room = json.loads(CubeFile._layout_path(path).read_text())
        return CubeFile(path, tuple(shape), tuple(offsets), room)

    def write_box(self, z0: int, y0: int, data: NDArray[np.float32], stat: NDArray[np.float32]) -> None:
        """Write values and variances (planes, lines, nx) at plane z0, line y0."""
        self.data.write_box(z0, y0, data)
        self.stat.write_box(z0, y0, stat)

    def set_primary(self, primary: fits.Header) -> None:
        """Replace the primary header of a cube in the making; too many cards cost a copy of the file."""
        bare = header_bytes(primary, False, 8, ())
        if len(bare) > self.header_room:
            self._make_room(len(bare))
        spare = (self.header_room - len(bare)) // 80
        replace_primary_header(self.path, header_bytes(primary, False, 8, (), max(spare, 0)), self.header_room)

    def _make_room(self, room: int) -> None:
        """Copy the file so that its primary header has `room` bytes."""
        more = room - self.header_room
        wider = self.path.with_name(self.path.name + ".wider")
        reserve(wider, self.path.stat().st_size + more)
        with open(self.path, "rb") as source, open(wider, "r+b") as target:
            source.seek(self.header_room)
            target.seek(room)
            while chunk := source.read(_COPY_BYTES):
                target.write(chunk)
        os.replace(wider, self.path)
        self.header_room = room
        self.data.offset += more
        self.stat.offset += more
        if self._layout_path(self.path).exists():
            self._note_layout()

    def _note_layout(self) -> None:
        note = [list(self.shape), [self.data.offset, self.stat.offset], self.header_room]
        path = self._layout_path(self.path)
        partial = path.with_name(path.name + ".part")
        partial.write_text(json.dumps(note))
        os.replace(partial, path)

    def finish(self, target: Path, primary: fits.Header | None = None) -> None:
        """Give the finished cube its primary header, its checksums, and its name."""
        if primary is not None:
            self.set_primary(primary)
        sign(self.path)
        sync_and_rename(self.path, target)
        self.discard_layout()

    def drop_images(self) -> None:
        """Remove what follows STAT."""
        os.truncate(self.path, self.stat.offset + padded(self.stat.nbytes))

    def append_image(self, header: fits.Header, image: NDArray[np.float32]) -> None:
        """Add an image extension at the end (format xCube)."""
        head = header_bytes(header, True, -32, image.shape)
        raw = np.ascontiguousarray(image, ">f4").tobytes()
        with open(self.path, "ab") as stream:
            stream.write(head + raw + bytes(padded(len(raw)) - len(raw)))

    def discard_layout(self) -> None:
        """Remove the note about the layout once the cube is complete."""
        self._layout_path(self.path).unlink(missing_ok=True)
