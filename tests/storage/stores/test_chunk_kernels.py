"""Rows read from chunks: the compiled loop and that in Python give the rows, and name what is wrong with a chunk."""

import os

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import blosc

from musedeep.storage.stores import chunk_kernels
from musedeep.storage.stores.chunk_kernels import COMPILED, DAMAGED, MISSING, READ, UNREADABLE, WRONG

ROWS, CHUNKS = 500, 7
WORDS = np.random.default_rng(3).integers(0, 1 << 14, ROWS * CHUNKS).astype(np.uint32)
WAYS = [chunk_kernels._read_rows_in_python, *([chunk_kernels._read_rows] if COMPILED else [])]


def test_the_compiled_loop_is_used_here():
    assert COMPILED and chunk_kernels.read_rows is chunk_kernels._read_rows


def encoded(level, change=lambda number, content: content):
    """Chunks of WORDS, each with its checksum: their bytes, sizes, and checksums."""
    contents = [
        change(k, blosc.compress(WORDS[k * ROWS : (k + 1) * ROWS], b"lz4", level, blosc.SHUFFLE)) for k in range(CHUNKS)
    ]
    sums = [google_crc32c.value(content) for content in contents]
    raw = b"".join(content + one.to_bytes(4, "little") for content, one in zip(contents, sums, strict=True))
    return raw, np.array([len(content) + 4 for content in contents], np.uint32), np.array(sums, np.uint32)


def read(way, source, sizes, sums, ranges, room=None):
    """Rows of ranges from an open file, or from bytes; what is wrong, and with which chunk."""
    ranges = np.asarray(ranges, np.int64).reshape(-1, 2)
    lengths = ranges[:, 1] - ranges[:, 0]
    out = np.empty(lengths.sum(), np.uint32)
    in_memory = isinstance(source, bytes)
    raw = np.frombuffer(source, np.uint8).copy() if in_memory else np.empty(room or sizes.max(), np.uint8)
    problem = way(
        -1 if in_memory else source, raw, sizes, sums, ROWS, ranges[:, 0], lengths,
        np.cumsum(lengths) - lengths, np.empty(ROWS, np.uint32), out,
    )  # fmt: skip
    return out, problem


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Open files of chunks that are encoded, and that are not."""
    opened = {}
    for level in (0, 5):
        path = tmp_path_factory.mktemp("chunks") / "c"
        raw, *others = encoded(level)
        path.write_bytes(raw + b"what follows the chunks")
        opened[level] = (os.open(path, os.O_RDONLY), *others)
    yield opened
    for descriptor, *_ in opened.values():
        os.close(descriptor)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_rows_are_those_of_the_column(files, data):
    edges = st.integers(0, WORDS.size)
    ranges = data.draw(st.lists(st.tuples(edges, edges).map(sorted).filter(lambda r: r[0] < r[1]), max_size=12))
    if data.draw(st.booleans()):
        ranges = sorted(ranges)
    level = data.draw(st.sampled_from([0, 5]))
    descriptor, sizes, sums = files[level]
    room = data.draw(st.integers(int(sizes.max()), 4 * int(sizes.max())))
    expected = np.concatenate([WORDS[:0], *(WORDS[a:b] for a, b in ranges)])
    for way in WAYS:
        for source in (descriptor, encoded(level)[0]):
            found, problem = read(way, source, sizes, sums, ranges, room)
            assert problem == (READ, -1)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", [0, 5])
def test_what_is_wrong_is_named(way, level, tmp_path):
    raw, sizes, sums = encoded(level)
    ends = np.cumsum(sizes)
    everything = [[0, WORDS.size]]

    def flipped(place):
        return raw[:place] + bytes([raw[place] ^ 8]) + raw[place + 1 :]

    assert read(way, flipped(int(ends[1]) + 40), sizes, sums, everything)[1] == (WRONG, 2)
    assert read(way, flipped(int(ends[2]) - 1), sizes, sums, everything)[1] == (WRONG, 2)
    # a chunk that is whole, but another than was written
    other = sums.copy()
    other[4] ^= 1
    assert read(way, raw, sizes, other, everything)[1] == (WRONG, 4)
    # what is not wanted is not looked at
    assert read(way, raw, sizes, other, [[0, 4 * ROWS], [5 * ROWS, 6 * ROWS]])[1] == (READ, -1)
    assert read(way, raw[: int(ends[3]) - 2], sizes, sums, everything)[1] == (MISSING, 3)
    path = tmp_path / "cut"
    path.write_bytes(raw[: int(ends[3]) - 2])
    with open(path, "rb") as stream:
        assert read(way, stream.fileno(), sizes, sums, everything)[1] == (MISSING, 3)
    descriptor = os.open(tmp_path, os.O_RDONLY)  # a directory, of which no bytes can be read
    assert read(way, descriptor, sizes, sums, everything)[1] == (UNREADABLE, 0)
    os.close(descriptor)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", [0, 5])
def test_contents_that_are_no_chunk(way, level):
    """Their checksums are right: they were written so."""

    def shorter(number, content):
        half = blosc.compress(WORDS[: ROWS // 2], b"lz4", level, blosc.SHUFFLE)
        return half if number == 5 else content

    raw, sizes, sums = encoded(level, shorter)
    assert read(way, raw, sizes, sums, [[0, WORDS.size]])[1] == (DAMAGED, 5)
