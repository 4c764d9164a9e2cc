"""A FITS file written from front to back, at the speed of the disk.

`header_cards.sign` reads a finished file once more for its checksums. Here they are taken while the bytes pass:

1. A block of bytes is handed to two threads, one of which adds it to DATASUM of its HDU, the other to DATAMD5 of the
   file (both release the interpreter's lock), and is written meanwhile.
2. The places of the checksums in the headers are filled in at the end, when all sums are known.

Long runs of zeros become holes of the file.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.storage.fits.header_cards import fold, signed_header, sum32
from musedeep.storage.fits.headers import raw_cards
from musedeep.storage.fits.parts import header_bytes, padded

_HOLE_BYTES = 1 << 20
"""A block of that many zeros is left out: a hole of the file takes no space."""


class StreamedFits:
    """A FITS file in the making; to be used in a `with` statement, without `finish` its checksums stay empty.

    Parameters
    ----------
    path : Path, of the unfinished file; replaced if it exists
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("wb", buffering=0)
        # one thread for each, so that blocks are taken in order
        self._pools = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._pending: list[Future[None]] = []
        self._digest = hashlib.md5(usedforsecurity=False)
        self._headers: list[tuple[int, bytes]] = []
        self._sums: list[int] = []
        self._position = 0
        self._data_bytes = 0

    def __enter__(self) -> "StreamedFits":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools:
            pool.shutdown()
        self._stream.close()

    def begin(self, raw_header: bytes) -> None:
        """Begin an HDU with its header, padded to whole blocks; the one before is padded too."""
        fill = padded(self._data_bytes) - self._data_bytes
        if fill:
            self.write(np.zeros(fill, np.uint8))
        self._wait()
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
        position = self._data_bytes
        self._wait()
        add, digest = self._pools
        self._pending = [add.submit(self._add, raw, position), digest.submit(self._digest.update, raw)]  # type: ignore[arg-type]
        self._data_bytes += raw.size
        for k in range(0, raw.size, _HOLE_BYTES):
            block = raw[k : k + _HOLE_BYTES]
            if block.any():
                self._put(memoryview(block))  # type: ignore[arg-type]
            else:
                self._position = self._stream.seek(block.size, os.SEEK_CUR)

    def _put(self, view: memoryview) -> None:
        while view:
            n = self._stream.write(view)
            view, self._position = view[n:], self._position + n

    def _add(self, raw: NDArray[np.uint8], position: int) -> None:
        # the sum takes words of four bytes, of which a block may begin and end with a part
        lead, tail = position % 4, -(position + raw.size) % 4
        if lead or tail:
            raw = np.concatenate([np.zeros(lead, np.uint8), raw, np.zeros(tail, np.uint8)])
        self._sums[-1] += sum32(raw)

    def _wait(self) -> None:
        for one in self._pending:
            one.result()
        self._pending = []

    def finish(self) -> None:
        """Pad the last HDU, fill in CHECKSUM, DATASUM and DATAMD5 where headers have them, and flush to the disk."""
        fill = padded(self._data_bytes) - self._data_bytes
        if fill:
            self.write(np.zeros(fill, np.uint8))
        self._wait()
        self._stream.truncate(self._position)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        md5 = self._digest.hexdigest()
        for (offset, raw), total in zip(self._headers, self._sums, strict=True):
            self._stream.seek(offset)
            self._put(memoryview(signed_header(raw_cards(raw), fold(total), now, "" if offset else md5)))
        os.fsync(self._stream.fileno())
