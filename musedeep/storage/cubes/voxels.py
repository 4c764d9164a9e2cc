"""Arrays of planes, lines and columns that are larger than the memory: read by boxes, in bands of planes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from musedeep.progress import Progress
from musedeep.storage.fits.streamed import StreamedFits

BAND_BYTES: Final = 16 << 20
"""Of the planes of one array that are in memory at a time, unless a single plane is larger."""

CHUNK_BYTES: Final = 288 << 20
"""The same for arrays in chunks: 32 planes of up to 1536 x 1536 spaxels are read once. Of larger ones, chunks are read
several times."""

MOST_PLANES: Final = 32
"""Of a band, where planes are small: as many as share the chunks of a store."""


class Voxels(Protocol):
    """An array of planes, lines and columns that is read by boxes."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values as they are stored."""

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """Planes [z0, z1), lines [y0, y1), in native byte order; MusedeepError if they cannot be read."""

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """The same in the byte order in which they are stored."""


class RegionVoxels(Voxels, Protocol):
    """One of which any part is read without the rest."""

    def read_region(self, z0: int, z1: int, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """Planes [z0, z1), lines [y0, y1), columns [x0, x1), in the byte order in which they are stored."""


class CubeVoxels(Protocol):
    """The two arrays of a cube."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""

    @property
    def data(self) -> Voxels:
        """The values."""

    @property
    def stat(self) -> Voxels:
        """The variances."""


class Unflagged:
    """An array without the voxels that another one flags."""

    def __init__(self, data: Voxels, dq: Voxels) -> None:
        self.shape, self.dtype, self._data, self._dq = data.shape, data.dtype, data, dq

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_box`."""
        values = self._data.read_box(z0, z1, y0, y1)
        values[self._dq.read_box(z0, z1, y0, y1) != 0] = np.nan
        return values

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_stored`."""
        return self.read_box(z0, z1, y0, y1).astype(self.dtype)


def bands(array: Voxels, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int]]:
    """Bands [z0, z1) of the planes [first, last), in order, that fit into memory and end where chunks do."""
    nz, ny, nx = array.shape
    last = nz if last is None else last
    ends = getattr(array, "ends", ())
    most = (CHUNK_BYTES if ends else BAND_BYTES) // max(1, ny * nx * array.dtype.itemsize)
    most = max(1, min(MOST_PLANES, most))
    z = first
    while z < last:
        stop = min([last, z + most, *(end for end in ends if z < end < z + most)])
        yield z, stop
        z = stop


def write_planes(array: Voxels, made: StreamedFits, progress: Progress) -> None:
    """Write all planes of an array, in order, big-endian; `progress` is told of them.

    An array that has a method `run` (see `parts.ArrayInFile`) may say where planes stand in a file: they are copied.
    """
    stored = array.dtype.newbyteorder(">")
    run: Callable[[int, int], tuple[Path, int, int] | None] | None = getattr(array, "run", None)
    for z0, z1 in bands(array):
        if run and (place := run(z0, z1)):
            made.copy(*place)
        else:
            band = array.read_stored(z0, z1)
            if band.dtype == stored:
                made.write(band)
            else:
                # turned plane by plane: a band of a store is large
                for k in range(band.shape[0]):
                    made.write(band[k].astype(stored))
            del band  # before the next one is read
        progress.advance(z1 - z0)
