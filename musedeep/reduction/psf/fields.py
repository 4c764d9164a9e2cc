"""The fields of a mosaic: which of several PSFs holds where.

1. The footprint of each image (IMAGE_FOV of an exposure, or of a pointing) is the spaxels of the cube whose middle is
   in a pixel with data.
2. Images are of one field if their footprints share 70 % of the smaller one with that of a field: dithers, rotations.
3. Fields are numbered from 1 in the order of the images. FIELDMAP, as MPDAF's FieldsMap reads it, is the sum of 2^n
   over the fields n of each spaxel.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.field_view import FieldPlane, read_field_view

SAME: Final = 0.7
"""Share of the smaller footprint that images of one field have in common."""
MOST: Final = 30
"""Fields: bits of FIELDMAP."""


def fields_of(images: Sequence[Path], plane: FieldPlane, shape: tuple[int, int]) -> list[NDArray[np.bool_]]:
    """The spaxels of each field, bool (ny, nx).

    Parameters
    ----------
    plane : coordinates of the cube
    shape : its lines and columns

    Raises
    ------
    MusedeepError
        An image cannot be read, or has no spaxel of the cube; there are too many fields.
    """
    fields: list[NDArray[np.bool_]] = []
    for path in images:
        mask = _footprint(path, plane, shape)
        if not mask.any():
            raise MusedeepError(f"{path}: no spaxel of the cube is in this image; leave it out")
        for k, known in enumerate(fields):
            if (known & mask).sum() >= SAME * min(known.sum(), mask.sum()):
                fields[k] = known | mask
                break
        else:
            fields.append(mask)
    if len(fields) > MOST:
        raise MusedeepError(f"{images[0]} and others: {len(fields)} fields, a FIELDMAP holds {MOST}; give fewer images")
    return fields


def _footprint(path: Path, plane: FieldPlane, shape: tuple[int, int]) -> NDArray[np.bool_]:
    view = read_field_view(path)
    y, x = np.mgrid[: shape[0], : shape[1]]
    u, v = (np.rint(value) for value in view.plane.to_pixels(*plane.to_sky(x, y)))
    inside = (u >= 0) & (u < view.data.shape[1]) & (v >= 0) & (v < view.data.shape[0])
    out = np.zeros(shape, np.bool_)
    out[inside] = np.isfinite(view.data[v[inside].astype(int), u[inside].astype(int)])
    return out


def field_map(fields: Sequence[NDArray[np.bool_]]) -> NDArray[np.int32]:
    """FIELDMAP, int32 (ny, nx)."""
    out = np.zeros(fields[0].shape, np.int32)
    for k, mask in enumerate(fields, 1):
        out |= np.where(mask, np.int32(2**k), np.int32(0))
    return out
