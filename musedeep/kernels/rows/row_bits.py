"""Sets of row numbers as bits: an eighth of a byte a row, and how many members lie before a given one."""

import numba as nb
import numpy as np
from numpy.typing import NDArray


def empty_set(n: int) -> NDArray[np.uint64]:
    """A set of row numbers below n, without members, uint64 (words,)."""
    return np.zeros(n // 64 + 1, np.uint64)


@nb.njit("void(int64[::1],uint64[::1])", nogil=True, cache=True)
def include(rows, words):  # type: ignore[no-untyped-def]
    """Add row numbers to a set."""
    for i in range(rows.size):
        words[rows[i] >> 6] |= np.uint64(1) << np.uint64(rows[i] & 63)


@nb.njit("void(int64[::1],uint64[::1],boolean[::1])", nogil=True, cache=True)
def members(rows, words, out):  # type: ignore[no-untyped-def]
    """Whether each row number belongs to a set."""
    for i in range(rows.size):
        out[i] = (words[rows[i] >> 6] >> np.uint64(rows[i] & 63)) & np.uint64(1)


@nb.njit(nogil=True, cache=True)
def _ones(word):  # type: ignore[no-untyped-def]
    """Bits that are set, counted in pairs, fours and bytes at once."""
    u = np.uint64
    word = word - ((word >> u(1)) & u(0x5555555555555555))
    word = (word & u(0x3333333333333333)) + ((word >> u(2)) & u(0x3333333333333333))
    word = (word + (word >> u(4))) & u(0x0F0F0F0F0F0F0F0F)
    return (word * u(0x0101010101010101)) >> u(56)


@nb.njit("int64[::1](uint64[::1])", nogil=True, cache=True)
def counts_before(words):  # type: ignore[no-untyped-def]
    """Members before each word of a set, and after them the number of all, int64 (words + 1,)."""
    before = np.zeros(words.size + 1, np.int64)
    for k in range(words.size):
        before[k + 1] = before[k] + np.int64(_ones(words[k]))
    return before


@nb.njit("void(int64[::1],uint64[::1],int64[::1],int64[::1])", nogil=True, cache=True)
def ranks(rows, words, before, out):  # type: ignore[no-untyped-def]
    """How many members of a set lie before each row number.

    Parameters
    ----------
    rows : int64 (n,)
    words : uint64 (words,)
    before : int64 (words + 1,), of `counts_before`
    out : int64 (n,)
    """
    for i in range(rows.size):
        k = rows[i] >> 6
        mask = (np.uint64(1) << np.uint64(rows[i] & 63)) - np.uint64(1)
        out[i] = before[k] + np.int64(_ones(words[k] & mask))
