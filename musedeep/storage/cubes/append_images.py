"""Image extensions added to the file of a cube, which stays as it is until the new file is whole."""

from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.fits.headers import raw_bytes
from musedeep.storage.fits.streamed import StreamedFits, without_md5
from musedeep.storage.outputs import appearing_whole, check_space


def append_images(
    cube: OpenCube, images: Sequence[tuple[str, fits.Header, NDArray[np.float32]]], overwrite: bool = False
) -> None:
    """Add images to the file of a cube; its other extensions keep their bytes.

    The file is copied beside itself, the images are added, the checksums of all extensions renewed, and the copy takes
    the place of the file. DATAMD5, which is of the whole file, is left out.

    Parameters
    ----------
    images : sequence of (EXTNAME, header, float32 (lines, columns))
    overwrite : replace extensions of the same names

    Raises
    ------
    MusedeepError
        The cube has such an extension already and it may not be replaced; the new file cannot be written.
    """
    names = [name for name, _, _ in images]
    present = [name for name in names if name in cube.images]
    if present and not overwrite:
        raise MusedeepError(f"{cube.path}: has an extension {present[0]} already; --overwrite replaces it")
    size = cube.path.stat()
    need = min(size.st_size, size.st_blocks * 512) + sum(image.nbytes for _, _, image in images)
    target = cube.path.resolve()
    check_space(target, need)
    with appearing_whole(target, need) as partial, StreamedFits(partial) as made:
        for unit in cube.units:
            if unit.name not in names:
                made.begin(raw_bytes(unit.cards if unit.offset else without_md5(unit.cards)))
                made.copy(cube.path, unit.data_offset, unit.data_bytes)
        for _, header, image in images:
            made.begin_image(header, -32, image.shape)
            made.write(image.astype(">f4"))
        made.finish()
        partial.chmod(size.st_mode & 0o7777)
