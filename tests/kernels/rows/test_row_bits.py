"""Sets of row numbers beside numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musedeep.kernels.rows.row_bits import counts_before, empty_set, include, members, ranks


@given(st.integers(1, 400), st.data())
def test_ranks_and_members(n, data):
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), np.int64)
    words = empty_set(n)
    include(rows, words)
    mask = np.zeros(n, bool)
    mask[rows] = True
    every = np.arange(n + 1)
    found = np.empty(n, bool)
    members(every[:n], words, found)
    np.testing.assert_array_equal(found, mask)
    before = counts_before(words)
    place = np.empty(n + 1, np.int64)
    ranks(every, words, before, place)
    np.testing.assert_array_equal(place, np.r_[0, np.cumsum(mask)])
    assert before[-1] == rows.size
