"""Rows in memory as a source, and corrections of known effect."""

from pathlib import Path

import numpy as np

from musedeep.reduction.rows.source import Correction
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, REQUIRED, clean_ranges


class RowsInMemory:
    """A source of rows that are in memory, and the names of the columns that were read, read by read."""

    def __init__(self, rows, units=None):
        self.path, self.rows, self.units = Path("memory"), rows, units or {"lambda": "Angstrom", "data": "count"}
        self.names, self.n_rows, self.reads = tuple(rows), rows["lambda"].size, []

    def read(self, ranges, names):
        self.reads.append(sorted(names))
        ranges = clean_ranges(ranges, self.n_rows)
        numbers = np.concatenate([np.empty(0, np.int64), *(np.arange(a, b) for a, b in ranges)])
        return {name: self.rows[name][numbers] for name in names}


def random_source(seed, n):
    """A source of random rows with wavelengths of 5000 to 6000 Angstrom."""
    rng = np.random.default_rng(seed)
    rows = {name: rng.integers(0, 1000, n).astype(COLUMN_TYPES[name]) for name in REQUIRED}
    rows["lambda"] = rng.uniform(5000, 6000, n).astype(np.float32)
    return RowsInMemory(rows)


class Redshifted(Correction):
    """Wavelengths longer by a factor, and data fainter by it."""

    reads = ("lambda", "data")
    changes = ("lambda", "data")
    margin = 6.0

    def __init__(self, z):
        self.factor, self.units = np.float32(1 + z), {"data": "faint count"}

    def apply(self, rows):
        rows["lambda"] *= self.factor
        rows["data"] = rows["data"] / self.factor

    def cards(self):
        return [("ESO DRS MUSE PIXTABLE RVCORR", float(self.factor - 1), "")]


class Offset(Correction):
    """Numbers added to one column."""

    def __init__(self, name, value):
        self.reads = self.changes = (name,)
        self.name, self.value = name, value

    def apply(self, rows):
        rows[self.name] += np.asarray(self.value, rows[self.name].dtype)


class WeightOfSlice(Correction):
    """A new column that follows from another."""

    reads = ("origin",)
    changes = ("weight",)

    def apply(self, rows):
        rows["weight"] = (rows["origin"] & 63).astype(np.float32)
