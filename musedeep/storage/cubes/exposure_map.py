"""The exposure map: for every voxel the number of exposures and the seconds that contributed to it.

Extensions EXPOSURES (16-bit, 3-D) and EXPTIME (float32, 3-D, s), and their means over wavelength as images
EXPOSURES_IMAGE and EXPTIME_IMAGE.
"""

import json
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.storage.cubes.cube_fits import CubeWCS
from musedeep.storage.cubes.voxels import Voxels, bands
from musedeep.storage.fits.header_cards import card, checksum_cards, sign
from musedeep.storage.fits.parts import ArrayInFile, header_bytes, padded, reserve, sync_and_rename


class ExposureMapFile:
    """An exposure map in the making."""

    def __init__(self, path: Path, shape: tuple[int, int, int], offsets: tuple[int, int, int, int]) -> None:
        self.path, self.shape = path, shape
        image = (1, shape[1], shape[2])
        self.number = ArrayInFile(path, offsets[0], shape, 16)
        self.seconds = ArrayInFile(path, offsets[1], shape, -32)
        self.number_image = ArrayInFile(path, offsets[2], image, -32)
        self.seconds_image = ArrayInFile(path, offsets[3], image, -32)

    @staticmethod
    def create(path: Path, shape: tuple[int, int, int], primary: fits.Header, wcs: CubeWCS) -> "ExposureMapFile":
        """Lay out a new file of its final size."""
        parts: list[tuple[bytes, int]] = []
        for name, bitpix, unit, flat, meaning in (
            ("EXPOSURES", 16, "", False, "exposures that contributed"),
            ("EXPTIME", -32, "s", False, "exposure time that contributed"),
            ("EXPOSURES_IMAGE", -32, "", True, "mean over wavelength of EXPOSURES"),
            ("EXPTIME_IMAGE", -32, "s", True, "mean over wavelength of EXPTIME"),
        ):
            cards = [*wcs.spatial(), *([] if flat else wcs.spectral()), ("EXTNAME", name, meaning)]
            cards += [("BUNIT", unit, "")] if unit else []
            header = fits.Header([card(*c) for c in cards] + checksum_cards())
            size = shape[1:] if flat else shape
            head = header_bytes(header, True, bitpix, size)
            parts.append((head, padded(int(np.prod(size, dtype=np.int64)) * abs(bitpix) // 8)))
        head = header_bytes(primary, False, 8, ())
        position, offsets = len(head), []
        for part, n in parts:
            offsets.append(position + len(part))
            position += len(part) + n
        reserve(path, position)
        with open(path, "r+b") as stream:
            stream.write(head)
            for (part, _), offset in zip(parts, offsets, strict=True):
                stream.seek(offset - len(part))
                stream.write(part)
        ExposureMapFile._layout_path(path).write_text(json.dumps([list(shape), offsets]))
        return ExposureMapFile(path, shape, (offsets[0], offsets[1], offsets[2], offsets[3]))

    @staticmethod
    def _layout_path(path: Path) -> Path:
        return path.with_name(path.name + ".layout.json")

    @staticmethod
    def reopen(path: Path) -> "ExposureMapFile":
        """The map in the making at `path`, in any process."""
        shape, offsets = json.loads(ExposureMapFile._layout_path(path).read_text())
        return ExposureMapFile(path, tuple(shape), tuple(offsets))

    def write_box(self, z0: int, y0: int, number: NDArray[np.uint16], seconds: NDArray[np.float32]) -> None:
        """Write numbers and seconds (planes, lines, nx) at plane z0, line y0."""
        self.number.write_box(z0, y0, number)
        self.seconds.write_box(z0, y0, seconds)

    def collapse(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Means over wavelength of both, (ny, nx); written into the file too."""
        images = mean_planes(self.number), mean_planes(self.seconds)
        self.number_image.write_box(0, 0, images[0][None])
        self.seconds_image.write_box(0, 0, images[1][None])
        return images

    def images(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, once they are written."""
        number, seconds = self.number_image.read_box(0, 1)[0], self.seconds_image.read_box(0, 1)[0]
        return number, seconds

    def finish(self, target: Path) -> None:
        """Give the finished map (collapsed before) its checksums and its name."""
        sign(self.path)
        sync_and_rename(self.path, target)
        self.discard_layout()

    def discard_layout(self) -> None:
        """Remove the note about the layout once the map is complete."""
        self._layout_path(self.path).unlink(missing_ok=True)


def mean_planes(array: Voxels) -> NDArray[np.float32]:
    """The mean over wavelength of an array without NaN, float32 (ny, nx)."""
    total = np.zeros(array.shape[1:])
    for first, last in bands(array):
        # one plane after the other, so that the result does not depend on the bands
        for plane in array.read_box(first, last):
            total += plane
    return (total / array.shape[0]).astype(np.float32)
