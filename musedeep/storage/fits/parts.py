"""Writing large FITS files piece by piece: headers first, then boxes of voxels from any process, in any order."""

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.copies import copy_bytes, read_at
from musedeep.storage.fits.header_cards import keep_checksum_places
from musedeep.storage.fits.headers import BLOCK
from musedeep.storage.outputs import write_at

TYPES: Final[dict[int, np.dtype[Any]]] = {
    -32: np.dtype(">f4"), -64: np.dtype(">f8"), 16: np.dtype(">i2"), 32: np.dtype(">i4"), 8: np.dtype("u1"),
}  # fmt: skip
"""Of the values of an array, by BITPIX."""


_MOST_VIEWS: Final = 1024
"""That the system reads into at once (IOV_MAX)."""


def padded(n: int) -> int:
    """n rounded up to whole FITS blocks."""
    return -(-n // BLOCK) * BLOCK


def header_bytes(header: fits.Header, extension: bool, bitpix: int, shape: Sequence[int], spare: int = 0) -> bytes:
    """A header with its structural cards and places for its checksums, padded to whole blocks.

    Parameters
    ----------
    header : other cards, without SIMPLE, XTENSION, BITPIX, NAXISn
    extension : whether an extension (XTENSION) or the primary header
    shape : shape of the array, slowest axis first
    spare : blank cards to keep room for later ones
    """
    cards: list[tuple[str, object, str]] = [
        ("XTENSION", "IMAGE", "IMAGE extension")
        if extension
        else ("SIMPLE", True, "file does conform to FITS standard"),
        ("BITPIX", bitpix, "number of bits per data pixel"),
        ("NAXIS", len(shape), "number of data axes"),
    ]
    cards += [(f"NAXIS{i + 1}", int(n), f"length of data axis {i + 1}") for i, n in enumerate(reversed(shape))]
    if extension:
        cards += [("PCOUNT", 0, "required keyword; must = 0"), ("GCOUNT", 1, "required keyword; must = 1")]
    else:
        cards += [("EXTEND", True, "FITS dataset may contain extensions")]
    full = fits.Header(cards)
    taken = {c[0] for c in cards}
    for card in header.cards:
        if card.keyword not in taken:
            full.append(card, end=True)
    keep_checksum_places(full)
    for _ in range(spare):
        full.append("", end=True, bottom=True)
    return full.tostring(sep="", endcard=True, padding=True).encode("ascii")


def reserve(path: Path, size: int) -> None:
    """Give a file its full size on disk, so that a full disk is found before the work is done.

    Raises
    ------
    MusedeepError
        Not enough space; says how much is needed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            os.close(descriptor)
            descriptor = -1
            path.unlink(missing_ok=True)
            raise MusedeepError(
                f"{path.parent}: no space for {path.name} of {size} bytes ({size / 2**30:.2f} GiB); "
                "free it and start again"
            ) from error
        os.ftruncate(descriptor, size)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


class ArrayInFile:
    """An array of big-endian values at an offset of a file, written and read by boxes."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, int, int], bitpix: int) -> None:
        self.path, self.offset, self.shape = path, offset, shape
        self.dtype: np.dtype[Any] = TYPES[bitpix]

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def write_box(self, z0: int, y0: int, values: NDArray[Any], x0: int = 0) -> None:
        """Write values (planes, lines, columns) at plane z0, line y0 and column x0."""
        _, ny, nx = self.shape
        raw = np.ascontiguousarray(values, self.dtype)
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            # of runs that are contiguous in the file
            pieces = [(z0, y0, raw)]
            if raw.shape[1:] != (ny, nx):
                pieces = [(z0 + k, y0, raw[k]) for k in range(raw.shape[0])]
            if raw.shape[2] != nx:
                pieces = [(z0 + k, y0 + m, raw[k, m]) for k in range(raw.shape[0]) for m in range(raw.shape[1])]
            for z, y, piece in pieces:
                position = self.offset + ((z * ny + y) * nx + x0) * self.dtype.itemsize
                write_at(descriptor, position, memoryview(piece.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]
        finally:
            os.close(descriptor)

    def copy_planes(self, sources: "Sequence[ArrayInFile]", first: int, last: int, z: int, y: int) -> None:
        """Copy planes [first, last) of arrays of other files to plane z and line y.

        Parameters
        ----------
        sources : arrays of the same lines, whose columns, side by side, are those of this array

        Raises
        ------
        MusedeepError
            Another file has become shorter.
        """
        one, (_, ny, nx) = sources[0], self.shape
        line = nx * self.dtype.itemsize
        run, lines = (1, one.shape[1]) if one.shape[1] != ny else (last - first, ny)
        with ExitStack() as stack:
            own = stack.enter_context(open(self.path, "r+b")).fileno()
            files = [stack.enter_context(open(source.path, "rb")).fileno() for source in sources]
            beside = _Beside(sources, nx) if len(sources) > 1 else None
            for k in range(0, last - first, 1 if beside else run):
                place = self.offset + ((z + k) * ny + y) * line
                if beside:
                    write_at(own, place, beside.read(files, first + k))
                else:
                    begin = one.offset + (first + k) * lines * line
                    copy_bytes(files[0], begin, own, place, run * lines * line, one.path)

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """Planes [z0, z1), lines [y0, y1), in native byte order."""
        return self.read_stored(z0, z1, y0, y1).astype(self.dtype.newbyteorder("="))

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """The same as it stands in the file, big-endian."""
        _, ny, nx = self.shape
        y1 = ny if y1 is None else y1
        out = np.empty((z1 - z0, y1 - y0, nx), self.dtype)
        with open(self.path, "rb", buffering=0) as stream:
            if y1 - y0 == ny:
                stream.seek(self.offset + z0 * ny * nx * self.dtype.itemsize)
                _fill(stream, out)
            else:
                for k in range(z1 - z0):
                    stream.seek(self.offset + ((z0 + k) * ny + y0) * nx * self.dtype.itemsize)
                    _fill(stream, out[k])
        return out

    def read_region(self, z0: int, z1: int, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """Planes [z0, z1), lines [y0, y1), columns [x0, x1) as they stand in the file; only these bytes are read."""
        _, ny, nx = self.shape
        if (x0, x1) == (0, nx):
            return self.read_stored(z0, z1, y0, y1)
        out = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        with open(self.path, "rb", buffering=0) as stream:
            for k, y in np.ndindex(out.shape[:2]):
                stream.seek(self.offset + (((z0 + k) * ny + y0 + y) * nx + x0) * self.dtype.itemsize)
                _fill(stream, out[k, y])
        return out

    def run(self, z0: int, z1: int) -> tuple[Path, int, int]:
        """The file, and where the bytes of planes [z0, z1) begin in it, and how many there are."""
        plane = self.shape[1] * self.shape[2] * self.dtype.itemsize
        return self.path, self.offset + z0 * plane, (z1 - z0) * plane


class _Beside:
    """Reads planes of arrays whose columns lie side by side."""

    def __init__(self, sources: Sequence[ArrayInFile], nx: int) -> None:
        self._sources, size = sources, sources[0].dtype.itemsize
        lines = sources[0].shape[1]
        self._plane = memoryview(bytearray(lines * nx * size))
        # where the lines of each go: made once, for all planes
        ends = np.cumsum([0, *(source.shape[2] for source in sources)]).tolist()
        self._lines = [
            [self._plane[(y * nx + x0) * size : (y * nx + x1) * size] for y in range(lines)]
            for x0, x1 in pairwise(ends)
        ]

    def read(self, files: Sequence[int], k: int) -> memoryview:
        """Plane k of all; valid until the next one is read."""
        for descriptor, source, lines in zip(files, self._sources, self._lines, strict=True):
            position = source.offset + k * sum(map(len, lines))
            for first in range(0, len(lines), _MOST_VIEWS):
                views = lines[first : first + _MOST_VIEWS]
                size = sum(map(len, views))
                if os.preadv(descriptor, views, position) < size:
                    read_at(descriptor, views, position, source.path)
                position += size
        return self._plane


def _fill(stream: Any, out: NDArray[Any]) -> None:
    view = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    while view:
        n = stream.readinto(view)
        if not n:
            raise MusedeepError(f"{stream.name}: truncated while being read; remove it and start again")
        view = view[n:]


def replace_primary_header(path: Path, header: bytes, room: int) -> None:
    """Overwrite the primary header in place; it has to fit into the `room` bytes reserved for it."""
    if len(header) > room:
        raise MusedeepError(f"{path}: header of {len(header)} bytes does not fit into {room}; report this as a defect")
    with open(path, "r+b") as stream:
        stream.write(header)


def sync_and_rename(source: Path, target: Path) -> None:
    """Flush a finished file to disk and give it its name."""
    with open(source, "rb") as stream:
        os.fsync(stream.fileno())
    os.replace(source, target)
