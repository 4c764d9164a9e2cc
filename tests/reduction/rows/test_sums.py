"""Sums over sources: the same bits with any number of threads, and for any other order of their ends."""

import time

import numpy as np
import pytest

from musedeep.reduction.rows.sums import RowLimits, add_up
from musedeep.storage.pixel_tables import table
from tests.makers.row_sources import random_source


class Spectrum:
    """A float32 sum per bin, whose bits depend on the order of its terms; and the sources in their order."""

    columns = ("lambda", "data", "stat")

    def __init__(self):
        self.sums, self.firsts = np.zeros(10, np.float32), []

    def fresh(self):
        return Spectrum()

    def add(self, rows):
        self.firsts = self.firsts or [float(rows["stat"][0])]
        np.add.at(self.sums, ((rows["lambda"] - 5000) // 101).astype(int), rows["data"] / np.float32(7))

    def merge(self, other):
        self.sums += other.sums
        self.firsts += other.firsts


@pytest.fixture
def sources(monkeypatch):
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 100)
    made = [random_source(k, 1000 - 90 * k) for k in range(8)]
    for k, source in enumerate(made):
        source.rows["stat"][:] = k

        def late(ranges, names, read=source.read, seconds=0.001 * (8 - k)):
            time.sleep(seconds)
            return read(ranges, names)

        source.read = late
    return made


def test_same_bits_with_any_number_of_threads(sources):
    found = []
    for workers in (1, 3, 8):
        spectrum, limits = Spectrum(), RowLimits()
        add_up(sources, [spectrum, limits], workers)
        assert spectrum.firsts == list(range(8))
        found.append((spectrum.sums.tobytes(), limits.values.tobytes()))
    assert found[0] == found[1] == found[2]
    other = Spectrum()
    add_up(sources[::-1], [other], 3)
    assert other.sums == pytest.approx(spectrum.sums, rel=1e-5) and other.sums.tobytes() != found[0][0]


def test_limits(sources):
    limits = RowLimits()
    add_up(sources, [limits], 2)
    for name, values in zip(limits.columns, limits.values, strict=True):
        columns = [source.rows[name] for source in sources]
        assert values.tolist() == [min(c.min() for c in columns), max(c.max() for c in columns)]
    cards = {key.split("LIMITS ")[1]: value for key, value, _ in limits.cards((10.0, -1.0))}
    assert cards["X LOW"] == np.float32(limits.values[0, 0] + 10) and cards["Y HIGH"] == limits.values[1, 1] - 1
    assert cards["LAMBDA HIGH"] == limits.values[2, 1] and len(cards) == 6
