"""Numerics: arrays in, arrays out; nothing here knows a file, a header or a scheduler."""

from musedeep.compiled import load_numba

load_numba()
