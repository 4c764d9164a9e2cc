import numpy as np
import pytest

from musedeep.storage.cubes import voxels
from musedeep.storage.cubes.voxels import bands


class Array:
    def __init__(self, shape, ends=()):
        self.shape, self.dtype, self.ends = shape, np.dtype(">f4"), ends


@pytest.mark.parametrize(
    ("ends", "first", "last", "expected"),
    [
        ((), 0, None, [(0, 32), (32, 64), (64, 70)]),
        ((), 5, 40, [(5, 37), (37, 40)]),
        ((20, 52), 0, None, [(0, 20), (20, 52), (52, 70)]),
        ((20, 52), 20, 21, [(20, 21)]),
    ],
)
def test_small_planes(ends, first, last, expected):
    assert list(bands(Array((70, 2, 3), ends), first, last)) == expected


def test_large_planes(monkeypatch):
    monkeypatch.setattr(voxels, "BAND_BYTES", 100)
    monkeypatch.setattr(voxels, "CHUNK_BYTES", 400)
    assert list(bands(Array((5, 2, 5)))) == [(0, 2), (2, 4), (4, 5)]
    assert list(bands(Array((5, 20, 5)))) == [(k, k + 1) for k in range(5)]
    assert list(bands(Array((9, 2, 5), (3,)))) == [(0, 3), (3, 9)]
