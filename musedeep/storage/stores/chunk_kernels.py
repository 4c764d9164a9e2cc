"""Reading rows of a column from the chunks of a file, in one compiled loop.

A chunk is decoded in ten microseconds; calling a decoder from Python takes half as long again. The loop calls the C
functions that the packages numcodecs (Blosc) and google-crc32c bring along. Where these packages do not show them,
`read_rows` does the same with the functions for Python, at half the speed.
"""

import ctypes
import os
from typing import Any

import google_crc32c
import llvmlite.binding
import numba as nb
import numpy as np
from numba import types
from numcodecs import blosc
from numpy.typing import NDArray

READ, MISSING, UNREADABLE, WRONG, DAMAGED = 0, 1, 2, 3, 4
"""What became of chunks: read; beyond the end of the file; not readable; of another checksum; not to be decoded."""

_HEADER = 16
"""Bytes of Blosc before its content: flags at 2, at 4 the number of bytes decoded, at 12 of those encoded."""

_PLAIN = 2
"""Flag of Blosc: the content is not encoded."""


def _found() -> bool:
    """Make the C functions known to compiled loops, by their names."""
    try:
        libraries = {blosc.__file__: "blosc_decompress_ctx", google_crc32c._crc32c.__file__: "crc32c_value"}
        for path, name in libraries.items():
            address = ctypes.cast(getattr(ctypes.CDLL(path), name), ctypes.c_void_p).value
            llvmlite.binding.add_symbol(name, address)
    except (AttributeError, OSError, TypeError):
        return False
    return True


COMPILED = _found()
"""Whether the compiled loop can be used."""

_pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.uintp, types.uintp, types.int64))
_crc32c: Any = types.ExternalFunction("crc32c_value", types.uint32(types.uintp, types.uintp))
_memcpy: Any = types.ExternalFunction("memcpy", types.uintp(types.uintp, types.uintp, types.uintp))
_decompress: Any = types.ExternalFunction(
    "blosc_decompress_ctx", types.int32(types.uintp, types.uintp, types.uintp, types.int32)
)


@nb.njit(inline="always")
def _word(raw, place):  # type: ignore[no-untyped-def]
    """The little-endian 32-bit number at a place."""
    return (
        np.uint32(raw[place])
        | (np.uint32(raw[place + 1]) << np.uint32(8))
        | (np.uint32(raw[place + 2]) << np.uint32(16))
        | (np.uint32(raw[place + 3]) << np.uint32(24))
    )


@nb.njit(inline="always")
def _check(raw, place, size, expected, rows):  # type: ignore[no-untyped-def]
    """Check the chunk at raw[place : place + size], its checksum last."""
    content = size - 4
    address = np.uint64(raw.ctypes.data) + np.uint64(place)
    if content < _HEADER or _word(raw, place + content) != expected or _crc32c(address, np.uint64(content)) != expected:
        return WRONG
    plain = raw[place + 2] & _PLAIN != 0
    if (
        _word(raw, place + 4) != 4 * rows
        or _word(raw, place + 12) != content
        or (plain and content < _HEADER + 4 * rows)
    ):
        return DAMAGED
    return READ


@nb.njit(nogil=True, cache=True)
def _read_rows(  # type: ignore[no-untyped-def]
    descriptor, raw, sizes, sums, chunk_rows, starts, lengths, places, values, out
):
    """See `read_rows`."""
    at, offset = np.int64(0), np.int64(0)  # a chunk, and where it begins in the file or bytes
    # chunks [begin, end) are in raw, which holds so many bytes from a position on
    begin, end, held, position = at, np.int64(sizes.size), np.int64(raw.size), np.int64(0)
    if descriptor >= 0:
        end, held = begin, np.int64(0)
    decoded, source = np.int64(-1), np.uint64(0)  # the chunk whose rows are at an address
    for k in range(starts.size):
        row, left, place = starts[k], lengths[k], places[k]
        while left > 0:
            chunk = row // chunk_rows
            skip = row - chunk * chunk_rows
            n = min(left, chunk_rows - skip)
            if chunk != decoded:
                if chunk < at:
                    at, offset = np.int64(0), np.int64(0)
                while at < chunk:
                    offset += sizes[at]
                    at += 1
                if chunk < begin or chunk >= end:
                    # the wanted chunks that follow without a gap are read at once
                    total, following, reach = np.int64(sizes[chunk]), k + 1, row + left
                    begin, end, held, position = chunk, chunk + 1, np.int64(0), offset
                    while end < sizes.size and total + sizes[end] <= raw.size:
                        while following < starts.size and row <= starts[following] < (end + 1) * chunk_rows:
                            reach = max(reach, starts[following] + lengths[following])
                            following += 1
                        if reach <= end * chunk_rows:
                            break
                        total += sizes[end]
                        end += 1
                    while held < total:
                        address = np.uint64(raw.ctypes.data) + np.uint64(held)
                        got = _pread(descriptor, address, np.uint64(total - held), position + held)
                        if got < 0:
                            return UNREADABLE, chunk
                        if got == 0:
                            break
                        held += got
                where = offset - position
                if where + sizes[chunk] > held:
                    return MISSING, chunk
                found = _check(raw, where, np.int64(sizes[chunk]), sums[chunk], chunk_rows)
                if found != READ:
                    return found, chunk
                whole = n == chunk_rows
                encoded = np.uint64(raw.ctypes.data) + np.uint64(where)
                if raw[where + 2] & _PLAIN:
                    source, decoded = encoded + np.uint64(_HEADER), chunk
                else:
                    source = np.uint64(values.ctypes.data)
                    # all of it goes straight to where it belongs
                    target = np.uint64(out.ctypes.data) + np.uint64(4 * place) if whole else source
                    if _decompress(encoded, target, np.uint64(4 * chunk_rows), 1) != 4 * chunk_rows:
                        return DAMAGED, chunk
                    decoded = np.int64(-1) if whole else chunk
            if chunk == decoded:
                target = np.uint64(out.ctypes.data) + np.uint64(4 * place)
                _memcpy(target, source + np.uint64(4 * skip), np.uint64(4 * n))
            row, left, place = row + n, left - n, place + n
    return READ, np.int64(-1)


def _read_rows_in_python(
    descriptor: int,
    raw: NDArray[np.uint8],
    sizes: NDArray[np.uint32],
    sums: NDArray[np.uint32],
    chunk_rows: int,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    places: NDArray[np.int64],
    values: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> tuple[int, int]:
    """See `read_rows`."""
    decoded = -1
    for start, length, place in zip(starts.tolist(), lengths.tolist(), places.tolist(), strict=True):
        row = start
        while row < start + length:
            chunk = row // chunk_rows
            if chunk != decoded:
                where, size = int(sizes[:chunk].sum()), int(sizes[chunk])
                try:
                    content = (
                        os.pread(descriptor, size, where) if descriptor >= 0 else raw[where : where + size].tobytes()
                    )
                except OSError:
                    return UNREADABLE, chunk
                if len(content) < size:
                    return MISSING, chunk
                expected = int(sums[chunk])
                if google_crc32c.value(content[:-4]) != expected or content[-4:] != expected.to_bytes(4, "little"):
                    return WRONG, chunk
                if int.from_bytes(content[4:8], "little") != 4 * chunk_rows:
                    return DAMAGED, chunk
                try:
                    blosc.decompress(content[:-4], values[:chunk_rows])
                except (ValueError, RuntimeError):
                    return DAMAGED, chunk
                decoded = chunk
            skip = row - chunk * chunk_rows
            n = min(start + length - row, chunk_rows - skip)
            out[place + row - start :][:n] = values[skip : skip + n]
            row += n
    return READ, -1


read_rows = _read_rows if COMPILED else _read_rows_in_python
"""Read rows of 32-bit words from the chunks of one file.

Parameters
----------
descriptor : int
    The open file; -1 if the bytes of all chunks that are needed are in `raw` already.
raw : uint8 (n,)
    Holds what is read at a time: at least one chunk, best what stays in the processor's cache. Or the bytes.
sizes, sums : uint32 (chunks,)
    Bytes and CRC-32C of the chunks, in their order, from the beginning of the file or of the bytes.
chunk_rows : int
starts, lengths, places : int64 (n,)
    First row, counted from there, number of rows, and place in `out` of each range. Where ranges ascend, each chunk is
    decoded once.
values : uint32 (chunk_rows,)
    Holds a chunk.
out : uint32 (rows,)

Returns
-------
int, int
    READ or what is wrong, and the number of the chunk with which it is.
"""
