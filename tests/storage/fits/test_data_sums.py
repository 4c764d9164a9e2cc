"""Checksums of arrays beside those of the file that holds them."""

import hashlib

import numpy as np
import pytest

from musedeep.storage.fits.data_sums import PIECE, RunningMd5, data_sum_of, fill_bytes, stored_pieces
from musedeep.storage.fits.header_cards import sum32


@pytest.mark.parametrize("kind", ["f4", "i4"])
@pytest.mark.parametrize("size", [1, 720, 721, PIECE, PIECE + 3])
def test_sums_are_those_of_the_bytes_in_a_file(kind, size):
    values = np.random.default_rng(size).integers(-(2**31), 2**31, size).astype("i4").view(kind)
    stored = values.astype(values.dtype.newbyteorder(">")).tobytes()
    assert b"".join(piece.tobytes() for piece in stored_pieces(values)) == stored
    stored += fill_bytes(values)
    assert len(stored) % 2880 == 0
    assert data_sum_of(values) == sum32(stored)
    md5 = RunningMd5()
    md5.add(values, values[::-1].copy())
    md5.add(values)
    backwards = values[::-1].astype(values.dtype.newbyteorder(">")).tobytes() + fill_bytes(values)
    assert md5.hexdigest() == hashlib.md5(stored + backwards + stored).hexdigest()
