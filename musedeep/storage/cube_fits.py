"""Cubes as FITS: DATA and STAT, 3-D float32 (manual A.3.3), written box by box."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.errors import MusedeepError
from musedeep.storage.fits_parts import ArrayInFile, header_bytes, padded, replace_primary_header, reserve

SPARE_CARDS = 720
"""Blank cards in the primary header of a cube in the making, for quality control; dropped at the end where unused."""


@dataclass(frozen=True)
class CubeWCS:
    """World coordinates of a cube: as in the header, x, y, wavelength."""

    crpix: tuple[float, float, float]
    crval: tuple[float, float, float]
    cd: tuple[float, float, float, float]
    step: float
    ctype3: str

    def spatial(self) -> list[tuple[str, object, str]]:
        """Cards of the two spatial axes."""
        return [
            ("CRPIX1", self.crpix[0], "Pixel coordinate of reference point"),
            ("CRPIX2", self.crpix[1], "Pixel coordinate of reference point"),
            ("CD1_1", self.cd[0], "Coordinate transformation matrix element"),
            ("CD1_2", self.cd[1], "Coordinate transformation matrix element"),
            ("CD2_1", self.cd[2], "Coordinate transformation matrix element"),
            ("CD2_2", self.cd[3], "Coordinate transformation matrix element"),
            ("CUNIT1", "deg", "Units of coordinate increment and value"),
            ("CUNIT2", "deg", "Units of coordinate increment and value"),
            ("CTYPE1", "RA---TAN", "Right ascension, gnomonic projection"),
            ("CTYPE2", "DEC--TAN", "Declination, gnomonic projection"),
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
            ("CD1_3", 0.0, ""),
            ("CD2_3", 0.0, ""),
            ("CD3_1", 0.0, ""),
            ("CD3_2", 0.0, ""),
        ]


def extension_header(
    name: str, target: str, wcs: CubeWCS, variance: bool, extra: list[tuple[str, object, str]] | None = None
) -> fits.Header:
    """Header of a DATA or STAT extension, with the cards and comments of manual A.3.3."""
    cards: list[tuple[str, object, str]] = [("EXTNAME", name, "This extension contains data " + ("variance" if variance else "values"))]
    cards += [("OBJECT", f"{target} ({name})", "")]
    cards += wcs.spatial() + wcs.spectral() + (extra or [])
    cards += [
        ("HDUCLASS", "ESO", "class name (ESO format)"),
        ("HDUDOC", "DICD", "document with class description"),
        ("HDUVERS", "DICD version 6", "version number (according to spec v2.5.1)"),
        ("HDUCLAS1", "IMAGE", "Image data format"),
    ]
    if variance:
        cards += [
            ("HDUCLAS2", "ERROR", "this extension contains variance"),
            ("HDUCLAS3", "MSE", "the extension contains variances (sigma**2)"),
            ("SCIDATA", "DATA", "pointer to the data extension"),
            ("BUNIT", instrument.VARIANCE_UNIT, ""),
        ]
    else:
        cards += [
            ("HDUCLAS2", "DATA", "this extension contains the data itself"),
            ("ERRDATA", "STAT", "pointer to the variance extension"),
            ("BUNIT", instrument.FLUX_UNIT, ""),
        ]
    return fits.Header(cards)


class CubeFile:
    """A cube in the making, or a finished one: two arrays in a FITS file."""

    def __init__(self, path: Path, shape: tuple[int, int, int], offsets: tuple[int, int], header_room: int) -> None:
        self.path, self.shape, self.header_room = path, shape, header_room
        self.data = ArrayInFile(path, offsets[0], shape, -32)
        self.stat = ArrayInFile(path, offsets[1], shape, -32)

    @staticmethod
    def create(path: Path, shape: tuple[int, int, int], primary: fits.Header, data: fits.Header, stat: fits.Header) -> "CubeFile":
        """Lay out a new file of its final size; all boxes have to be written afterwards.

        Raises
        ------
        MusedeepError
            Not enough space on the disk.
        """
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
        cube._layout_path(path).write_text(json.dumps([list(shape), [data_offset, stat_offset], len(head)]))
        return cube

    @staticmethod
    def _layout_path(path: Path) -> Path:
        return path.with_name(path.name + ".layout.json")

    @staticmethod
    def reopen(path: Path) -> "CubeFile":
        """The cube in the making at `path`, in any process."""
        shape, offsets, room = json.loads(CubeFile._layout_path(path).read_text())
        return CubeFile(path, tuple(shape), tuple(offsets), room)

    @staticmethod
    def open(path: Path) -> "CubeFile":
        """A finished cube.

        Raises
        ------
        MusedeepError
            Not a cube with DATA and STAT.
        """
        with fits.open(path, memmap=True, lazy_load_hdus=True) as hdus:
            try:
                shape = hdus["DATA"].shape
                offsets = (hdus["DATA"].fileinfo()["datLoc"], hdus["STAT"].fileinfo()["datLoc"])
            except (KeyError, TypeError) as error:
                raise MusedeepError(f"{path}: not a cube with DATA and STAT extensions") from error
        return CubeFile(path, tuple(shape), offsets, 0)

    def write_box(self, z0: int, y0: int, data: NDArray[np.float32], stat: NDArray[np.float32]) -> None:
        """Write values and variances (planes, lines, nx) at plane z0, line y0."""
        self.data.write_box(z0, y0, data)
        self.stat.write_box(z0, y0, stat)

    def blocks(self, planes: int = 16) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """First plane, data and stat of successive blocks of planes."""
        for z in range(0, self.shape[0], planes):
            last = min(z + planes, self.shape[0])
            yield z, self.data.read_box(z, last), self.stat.read_box(z, last)

    def set_primary(self, primary: fits.Header) -> None:
        """Replace the primary header of a cube in the making."""
        bare = header_bytes(primary, False, 8, ())
        spare = (self.header_room - len(bare)) // 80
        replace_primary_header(self.path, header_bytes(primary, False, 8, (), max(spare, 0)), self.header_room)

    def append_image(self, header: fits.Header, image: NDArray[np.float32]) -> None:
        """Add an image extension at the end (format xCube)."""
        head = header_bytes(header, True, -32, image.shape)
        raw = np.ascontiguousarray(image, ">f4").tobytes()
        with open(self.path, "ab") as stream:
            stream.write(head + raw + bytes(padded(len(raw)) - len(raw)))

    def discard_layout(self) -> None:
        """Remove the note about the layout once the cube is complete."""
        self._layout_path(self.path).unlink(missing_ok=True)
