"""The rows of PIXTABLE_COMBINED: those of all exposures, positioned, scaled, weighted, and flagged where rejected."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.kernels.rows.projection import relative_positions, vacuum_wavelengths
from musedeep.kernels.rows.segments import runs_of_rows
from musedeep.recipes.exp_combine.job import Job
from musedeep.storage.pixel_tables.open_tables import OpenTables
from musedeep.storage.pixel_tables.table import REQUIRED, PixelTable, Rows, clean_ranges, cut_ranges, row_count

ROWS_AT_ONCE = 1 << 19

UNITS = {
    "xpos": "deg",
    "ypos": "deg",
    "lambda": "Angstrom",
    "data": instrument.FLUX_UNIT,
    "stat": instrument.VARIANCE_UNIT,
}


def row_blocks(n: int) -> Iterator[NDArray[np.int64]]:
    """Ranges, int64 (1, 2), that cover n rows."""
    for first in range(0, n, ROWS_AT_ONCE):
        yield np.array([[first, min(first + ROWS_AT_ONCE, n)]], np.int64)


class CombinedRows:
    """The combined pixel table before it is written: rows made from those of the exposures when they are read.

    May be read by several threads (`storage.store_writer.RowSource`).

    Parameters
    ----------
    path : Path
        The table to be, for messages.
    job : Job
    rejected : sequence of int64 (n,)
        For each exposure, its rows that are rejected, ascending.
    weighted : bool
        Whether the table gets a weight column.

    Attributes
    ----------
    names : tuple of str
        Columns, in the order of the manual.
    units : dict
    counts : list of int
        Rows of each exposure; those beyond the limits of wavelength are left out.
    n_rows : int
    limits : float64 (6,)
        Lowest and highest xpos, ypos [deg, relative to the reference point], lambda [Angstrom].

    Raises
    ------
    MusedeepError
        A pixel table cannot be read any more.
    """

    def __init__(self, path: Path, job: Job, rejected: Sequence[NDArray[np.int64]], weighted: bool) -> None:
        self.path = path
        self.names: tuple[str, ...] = (*REQUIRED, "weight") if weighted else REQUIRED
        self.units = UNITS
        self.job = job
        self.rejected = rejected
        self._geometries = job.geometries()
        self._tables = OpenTables()
        self.limits = np.array([np.inf, -np.inf] * 3)
        self._kept = [self._look_through(k) for k in range(len(job.exposures))]
        self.counts = [row_count(kept) for kept in self._kept]
        self._seams = np.cumsum([0, *self.counts], dtype=np.int64)
        self.n_rows = int(self._seams[-1])

    def table(self, number: int) -> PixelTable:
        """The pixel table of an exposure."""
        exposure = self.job.exposures[number]
        return self._tables.get(exposure.paths, exposure.identity)

    def _look_through(self, number: int) -> NDArray[np.int64]:
        """Which rows of an exposure are kept, as ranges; notes their limits."""
        pieces = []
        names = ("xpos", "ypos", "lambda")
        low, high = self.job.how.lambda_low, self.job.how.lambda_high
        table = self.table(number)
        for block in row_blocks(table.n_rows):
            wavelength = table.read(block, ("lambda",))["lambda"]
            kept = np.flatnonzero((wavelength >= low) & (wavelength <= high)) + block[0, 0]
            if not kept.size:
                continue
            ranges = np.empty((int(np.count_nonzero(np.diff(kept) != 1)) + 1, 2), np.int64)
            runs_of_rows(kept, ranges)
            pieces.append(ranges)
            rows = self._read(number, ranges, names)
            for k, name in enumerate(names):
                self.limits[2 * k] = min(self.limits[2 * k], rows[name].min())
                self.limits[2 * k + 1] = max(self.limits[2 * k + 1], rows[name].max())
        return clean_ranges(np.concatenate([np.empty((0, 2), np.int64), *pieces]), table.n_rows)

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """Rows by their numbers in the combined table; see `PixelTable.read`."""
        which, parts = cut_ranges(clean_ranges(ranges, self.n_rows), self._seams)
        bounds = np.flatnonzero(np.r_[True, which[1:] != which[:-1], True]) if which.size else np.zeros(1, np.int64)
        pieces = []
        for a, b in pairwise(bounds):
            number = int(which[a])
            pieces.append(self._read(number, self._source_ranges(number, parts[a:b]), names))
        if not pieces:
            pieces = [self._read(0, np.empty((0, 2), np.int64), names)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}

    def _source_ranges(self, number: int, ranges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of an exposure's table from rows of the combined table."""
        kept = self._kept[number]
        local = ranges - self._seams[number]
        local = local[local[:, 0] < local[:, 1]]
        seams = np.r_[0, np.cumsum(kept[:, 1] - kept[:, 0])]
        which, parts = cut_ranges(local, seams)
        return parts + (kept[which, 0] - seams[which])[:, None]

    def _read(self, number: int, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """Rows of an exposure's table, changed as the combined table has them."""
        geometry, how = self._geometries[number], self.job.how
        wanted = set(names)
        if wanted & {"xpos", "ypos"}:
            wanted |= {"xpos", "ypos"}
        if not how.use_weight_column:
            wanted.discard("weight")
        rows = self.table(number).read(ranges, sorted(wanted))
        n = row_count(ranges)
        if "xpos" in rows:
            ra, dec = np.empty((2, n), np.float32)
            relative_positions(rows["xpos"], rows["ypos"], geometry.declination, *geometry.shift, ra, dec)
            rows["xpos"], rows["ypos"] = ra, dec
        if "dq" in rows:
            rows["dq"][places_of(self.rejected[number], ranges)] |= instrument.DQ_COSMIC
        scale = geometry.flux_scale
        for name, factor in (("data", scale), ("stat", scale * scale)):
            if name in rows and scale != 1.0:
                rows[name] = (rows[name].astype(np.float64) * factor).astype(np.float32)
        if "weight" in names and not how.use_weight_column:
            rows["weight"] = np.full(n, geometry.weight, np.float32)
        if "lambda" in rows and self.job.grid.ctype3.startswith("WAVE"):
            rows["lambda"] = vacuum_wavelengths(rows["lambda"])
        return rows


def places_of(rows: NDArray[np.int64], ranges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of those of `rows` (ascending) that are in `ranges` (n, 2), counted along the ranges."""
    first = np.searchsorted(rows, ranges[:, 0])
    number = np.searchsorted(rows, ranges[:, 1]) - first
    which = np.repeat(np.arange(ranges.shape[0]), number)
    inner = np.arange(which.size) - np.repeat(np.cumsum(number) - number, number)
    length = ranges[:, 1] - ranges[:, 0]
    begin = np.cumsum(length) - length
    return rows[first[which] + inner] - ranges[which, 0] + begin[which]
