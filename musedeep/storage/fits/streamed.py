"""A FITS file written from front to back, at the speed of the disk.

`header_cards.sign` reads a finished file once more for its checksums. Here they are taken while the bytes pass:

1. Values in memory are handed to a thread that adds them to DATASUM of their HDU (it releases the interpreter's lock),
   and are written meanwhile.
2. Bytes of another file are copied by the kernel; the thread reads them, too, from the memory of the system.
3. The places of the checksums in the headers are filled in at the end, when all sums are known.

There is no DATAMD5: the MD5 sum of a file takes several times as long as copying it. A card that another file had would
be wrong; `without_md5` leaves it out.

Long runs of zeros become holes of the file.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.storage.copies import PIECE_BYTES, copy_bytes, is_hole
from musedeep.storage.fits.header_cards import fold, signed_header, sum_at, sum_of_file, utc_now
from musedeep.storage.fits.headers import CARD, raw_cards
from musedeep.storage.fits.parts import header_bytes, padded

_HOLE_BYTES: Final = 1 << 20
"""A block of that many zeros is left out: a hole of the file takes no space."""

_MOST_PENDING: Final = 8
"""Pieces of a copied file whose sums are not known yet, at most: what they are taken from is still in memory."""


def without_md5(cards: Sequence[str]) -> list[str]:
    """The cards of a header (as they stand in a file, with what fills its last block) without DATAMD5."""
    kept = [card for card in cards if not card.startswith("DATAMD5 ")]
    return kept + [" " * CARD] * (len(cards) - len(kept))


class StreamedFits:
    """A FITS file in the making; to be used in a `with` statement, without `finish` its checksums stay empty.

    Parameters
    ----------
    path : Path, of the unfinished file; replaced if it exists
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("wb", buffering=0)
        self._pool = ThreadPoolExecutor(1)
        self._pending: list[Future[int]] = []
        self._headers: list[tuple[int, bytes]] = []
        self._sums: list[int] = []
        self._position = 0
        self._data_bytes = 0
        self._source: tuple[Path, int] | None = None

    def __enter__(self) -> "StreamedFits":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._close_source()
        self._stream.close()

    def begin(self, raw_header: bytes) -> None:
        """Begin an HDU with its header, padded to whole blocks; the one before is padded too."""
        self._pad()
        self._headers.append((self._position, raw_header))
        self._sums.append(0)
        self._data_bytes = 0
        self._put(memoryview(raw_header))

    def begin_image(self, header: fits.Header, bitpix: int, shape: Sequence[int]) -> None:
        """Begin an image extension; see `parts.header_bytes`."""
        self.begin(header_bytes(header, True, bitpix, shape))

    def write(self, values: NDArray[Any]) -> None:
        """Write the next values of the HDU, as they are in memory; they may not be changed until the next call."""
        raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self._wait()
        self._pending = [self._pool.submit(sum_at, raw, self._data_bytes)]
        self._data_bytes += raw.size
        for k in range(0, raw.size, _HOLE_BYTES):
            block = raw[k : k + _HOLE_BYTES]
            if block[:64].any() or block.any():
                self._put(memoryview(block))  # type: ignore[arg-type]
            else:
                self._position = self._stream.seek(block.size, os.SEEK_CUR)

    def copy(self, path: Path, begin: int, size: int) -> None:
        """Write the next bytes of the HDU from another file: `size` of them, from `begin` on.

        Raises
        ------
        MusedeepError
            The other file ends before.
        """
        if self._source is None or self._source[0] != path:
            self._wait()
            self._close_source()
            self._source = path, os.open(path, os.O_RDONLY)
        descriptor = self._source[1]
        for first in range(begin, begin + size, PIECE_BYTES):
            n = min(PIECE_BYTES, begin + size - first)
            if not is_hole(descriptor, first, n):
                self._wait(_MOST_PENDING)
                self._pending.append(self._pool.submit(sum_of_file, descriptor, first, n, path, self._data_bytes))
                copy_bytes(descriptor, first, self._stream.fileno(), self._position, n, path)
            self._position += n
            self._data_bytes += n
        self._stream.seek(self._position)

    def _close_source(self) -> None:
        if self._source:
            os.close(self._source[1])
        self._source = None

    def _put(self, view: memoryview) -> None:
        while view:
            n = self._stream.write(view)
            view, self._position = view[n:], self._position + n

    def _wait(self, most: int = 0) -> None:
        """Take the sums of what was handed to the thread, but for so many of the last."""
        while len(self._pending) > most:
            self._sums[-1] += self._pending.pop(0).result()

    def _pad(self) -> None:
        fill = padded(self._data_bytes) - self._data_bytes
        if fill:
            self.write(np.zeros(fill, np.uint8))
        self._wait()

    def finish(self) -> None:
        """Pad the last HDU, fill in CHECKSUM and DATASUM where headers have them, and flush to the disk."""
        self._pad()
        self._stream.truncate(self._position)
        now = utc_now()
        for (offset, raw), total in zip(self._headers, self._sums, strict=True):
            self._stream.seek(offset)
            self._put(memoryview(signed_header(raw_cards(raw), fold(total), now)))
        os.fsync(self._stream.fileno())
