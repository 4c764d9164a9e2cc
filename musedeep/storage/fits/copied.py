"""A copy of a FITS file with other headers and the same data, in one pass and with constant memory.

1. DATASUM of each HDU is taken from its header, so that the new headers, with their checksums, are whole before any
   data are copied. Where there is none, the data are read once more for it.
2. While a piece of the data is written and the next one read, one thread adds it up and another takes the SHA-256 sum
   of the new file (both release the interpreter's lock).
3. A sum that is not the DATASUM of the header means that the file has been damaged since it was written.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.fits.checksums import data_sum, pieces, written_data_sum
from musedeep.storage.fits.header_cards import fold, signed_header, sum32, utc_now
from musedeep.storage.fits.headers import BLOCK, HeaderUnit, raw_cards, scan_file, value_of
from musedeep.storage.fits.parts import header_bytes, reserve

_PIECE: Final = BLOCK * 4096
"""Bytes read at once; two such pieces are in memory."""


def copy_with_headers(source: Path, target: Path, headers: Sequence[fits.Header]) -> str:
    """Copy a file; the SHA-256 sum of the new one, as sha256sum prints it.

    Parameters
    ----------
    target : replaced if it is there; its disk space is taken before anything is copied
    headers : of all HDUs, without cards of their structure. A DATAMD5 in the first gets the value of the source, which
        is of the data.

    Raises
    ------
    MusedeepError
        The source is no FITS file, has another number of HDUs, or is damaged; no space is left.
    """
    units = scan_file(source)
    if len(units) != len(headers):
        raise MusedeepError(f"{source}: has {len(units)} HDUs, expected {len(headers)}; make the file again")
    sums = [data_sum(source, one) if (found := written_data_sum(one)) is None else found for one in units]
    raw = _headers(units, headers, sums)
    reserve(target, sum(len(head) + one.end - one.data_offset for head, one in zip(raw, units, strict=True)))
    digest = hashlib.sha256()
    with (
        open(source, "rb", buffering=0) as reader,
        open(target, "r+b", buffering=0) as writer,
        ThreadPoolExecutor(1) as hashing,
        ThreadPoolExecutor(1) as adding,
    ):
        for number, (unit, head) in enumerate(zip(units, raw, strict=True)):
            hashing.submit(digest.update, head).result()
            _write(writer, memoryview(head))
            total, waiting = 0, list[Future[Any]]()
            for piece in pieces(source, reader, unit, _PIECE, buffers=2):
                # the piece before is overwritten next: both threads have to be done with it
                total += _result(waiting)
                waiting = [hashing.submit(digest.update, piece), adding.submit(sum32, piece)]
                _write(writer, piece)
            total = fold(total + _result(waiting))
            if total != sums[number]:
                raise MusedeepError(
                    f"{source}: HDU {number} ({unit.name or 'primary'}) is damaged: its data add up to {total}, "
                    f"DATASUM is {sums[number]}; make the file again"
                )
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _headers(units: Sequence[HeaderUnit], headers: Sequence[fits.Header], sums: Sequence[int]) -> list[bytes]:
    """Headers with the structure of the old ones, and their checksums."""
    now = utc_now()
    md5 = str(value_of(units[0].header, "DATAMD5") or "")
    found = []
    for number, (unit, header) in enumerate(zip(units, headers, strict=True)):
        old = unit.header
        shape = [int(old[f"NAXIS{axis}"]) for axis in range(int(old["NAXIS"]), 0, -1)]
        raw = header_bytes(header, number > 0, int(old["BITPIX"]), shape)
        found.append(signed_header(raw_cards(raw), sums[number], now, "" if number else md5))
    return found


def _result(waiting: Sequence[Future[Any]]) -> int:
    """Wait for both threads; the sum of their piece."""
    found = [one.result() for one in waiting]
    return int(found[1]) if found else 0


def _write(writer: Any, view: memoryview) -> None:
    while view:
        view = view[writer.write(view) :]
