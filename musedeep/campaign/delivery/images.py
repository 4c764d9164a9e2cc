"""The two images that go with a cube: white light, and exposure time per spaxel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.filtered import filtered_images
from musedeep.reduction.cube.filtered import image_header as header_of_filtered
from musedeep.storage.cubes.cube_axes import read_axes
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.fits.hdus import open_hdus
from musedeep.storage.fits.header_cards import add, extension_cards
from musedeep.storage.fits.headers import text_of
from musedeep.storage.fits.parts import header_bytes
from musedeep.storage.fits.streamed import StreamedFits

WHITE: Final = "white"
_FILTER: Final = "ESO DRS MUSE FILTER NAME"


@dataclass(frozen=True)
class FieldImage:
    """An image: primary header, header of its extension, float32 (ny, nx)."""

    primary: fits.Header
    header: fits.Header
    data: NDArray[np.float32]


def white_image(paths: Sequence[Path], cube: OpenCube) -> FieldImage:
    """The white-light image among those of a product; made of the cube, plane by plane, if there is none.

    Raises MusedeepError for a file that is no image, or has other spaxels than the cube.
    """
    for path in paths:
        with open_hdus(path, "image of a product") as hdus:
            primary = hdus[0].header
            named = text_of(primary, _FILTER, path, "")
            if named != WHITE and not (len(paths) == 1 and not named):
                continue
            return _checked(_read(hdus, "DATA", path), cube.shape[1:], path)
    made = filtered_images(cube, read_axes(cube.header, cube.path), [WHITE], None)[0]
    return FieldImage(cube.primary.copy(), header_of_filtered(cube), made.image)


def exposure_seconds(path: Path, shape: tuple[int, int]) -> FieldImage:
    """The mean over wavelength of each spaxel's exposure time [s], from an exposure map; raises as `white_image`."""
    with open_hdus(path, "exposure map") as hdus:
        found = _checked(_read(hdus, "EXPTIME_IMAGE", path), shape, path)
    add(found.header, *extension_cards("DATA", "DATA", {}, "exposure time of spaxels"), ("BUNIT", "s", ""))
    return found


def _read(hdus: fits.HDUList, name: str, path: Path) -> FieldImage:
    images = [hdu for hdu in hdus if hdu.name == name and hdu.header.get("NAXIS") == 2]
    if not images:
        raise MusedeepError(f"{path}: no image {name}; run the product again")
    data = np.array(images[0].data, np.float32)
    return FieldImage(hdus[0].header.copy(), images[0].header.copy(), data)


def _checked(image: FieldImage, shape: tuple[int, ...], path: Path) -> FieldImage:
    if image.data.shape != shape:
        size, wanted = (" x ".join(str(n) for n in reversed(one)) for one in (image.data.shape, shape))
        raise MusedeepError(f"{path}: has {size} spaxels, the cube has {wanted}; run the product again")
    return image


def write_image(path: Path, primary: fits.Header, header: fits.Header, data: NDArray[np.float32]) -> None:
    """Write an image as an extension, with checksums.

    Parameters
    ----------
    primary, header : of the file, of the extension
    data : (ny, nx)
    """
    with StreamedFits(path) as file:
        file.begin(header_bytes(primary, False, 8, ()))
        file.begin_image(header, -32, data.shape)
        file.write(data.astype(">f4"))
        file.finish()
