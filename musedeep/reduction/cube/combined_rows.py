"""Rows on the sky: of all exposures, positioned, scaled, weighted, and flagged where rejected (PIXTABLE_COMBINED)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import DQ
from musedeep.kernels.rows.projection import relative_positions, vacuum_wavelengths
from musedeep.reduction.cube.box import ExposureGeometry
from musedeep.reduction.cube.job import Exposure, Job
from musedeep.reduction.rows.source import Correction, JoinedRows, RowsWithin, corrected, scaled_flux
from musedeep.storage.pixel_tables.open_tables import OpenTables
from musedeep.storage.pixel_tables.table import REDUCED_UNITS, REQUIRED, Rows, row_count
from musedeep.storage.stores.location import Location


class Placed(Correction):
    """Positions relative to those of the first exposure [deg], from native spherical coordinates."""

    reads = changes = ("xpos", "ypos")

    def __init__(self, geometry: ExposureGeometry) -> None:
        self.geometry, self.units = geometry, {"xpos": "deg", "ypos": "deg"}

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        ra, dec = np.empty((2, rows["xpos"].size), np.float32)
        relative_positions(rows["xpos"], rows["ypos"], self.geometry.declination, *self.geometry.shift, ra, dec)
        rows["xpos"], rows["ypos"] = ra, dec


class Shifted(Correction):
    """Positions [deg] relative to another reference than they were."""

    reads = changes = ("xpos", "ypos")

    def __init__(self, shift: tuple[float, float]) -> None:
        self.shift = shift

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        for name, by in zip(("xpos", "ypos"), self.shift, strict=True):
            rows[name] = (rows[name].astype(np.float64) + by).astype(np.float32)


def placing(geometry: ExposureGeometry) -> list[Correction]:
    """What brings the positions of an exposure to those relative to the first one [deg]; none for pixels."""
    if geometry.scale == 0.0:
        return [Placed(geometry)]
    return [Shifted(geometry.shift)] if geometry.scale == 1.0 and any(geometry.shift) else []


class InVacuum(Correction):
    """Wavelengths in vacuum."""

    reads = changes = ("lambda",)
    margin = 3.0

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        rows["lambda"] = vacuum_wavelengths(rows["lambda"])


class MarkedRows:
    """The rows of an exposure, flagged where they are rejected, and weighted.

    Parameters
    ----------
    tables : OpenTables, opens its pixel table, as often as is needed
    rejected : int64 (n,), its rejected rows, ascending
    weighted : bool, whether the rows get a weight
    weight : float, optional, of all rows; None: that in the pixel table
    """

    def __init__(
        self, tables: OpenTables, exposure: Exposure, rejected: NDArray[np.int64], weighted: bool, weight: float | None
    ) -> None:
        self.tables, self.exposure, self.rejected, self.weight = tables, exposure, rejected, weight
        self.names: tuple[str, ...] = (*REQUIRED, "weight") if weighted else REQUIRED
        self.n_rows = exposure.n_rows
        self.units = dict(REDUCED_UNITS if exposure.scale == 0.0 else tables.get(exposure.paths).units)

    @property
    def path(self) -> Location:
        """See `RowSource.path`."""
        return Path(self.exposure.paths[0])

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `RowSource.read`."""
        table = self.tables.get(self.exposure.paths, self.exposure.identity)
        stored = [name for name in names if name != "weight" or self.weight is None]
        rows = table.read(ranges, stored)
        if "dq" in rows:
            rows["dq"][places_of(self.rejected, ranges)] |= DQ.COSMIC
        if len(stored) < len(names):
            rows["weight"] = np.full(row_count(ranges), self.weight, np.float32)
        return rows


def combined_rows(
    path: Path, job: Job, rejected: Sequence[NDArray[np.int64]], weighted: bool, tables: OpenTables
) -> JoinedRows:
    """The combined pixel table before it is written: one source per exposure, without rows beyond the wavelengths.

    Parameters
    ----------
    path : Path, the table to be, for messages
    rejected : sequence of int64 (n,), for each exposure, its rows that are rejected, ascending
    weighted : bool, whether the table gets a weight column
    tables : OpenTables, opens the pixel tables of the exposures

    Raises
    ------
    MusedeepError
        A pixel table cannot be read any more.
    """
    how, sources = job.how, []
    for exposure, geometry, bad in zip(job.exposures, job.geometries(), rejected, strict=True):
        weight = None if how.use_weight_column else geometry.weight
        rows = RowsWithin(MarkedRows(tables, exposure, bad, weighted, weight), how.lambda_low, how.lambda_high)
        corrections: list[Correction] = [*placing(geometry), *scaled_flux(geometry.flux_scale)]
        if job.grid.ctype3.startswith("WAVE"):
            corrections.append(InVacuum())
        sources.append(corrected(rows, corrections))
    return JoinedRows(path, sources)


def places_of(rows: NDArray[np.int64], ranges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of those of `rows` (ascending) that are in `ranges` (n, 2), counted along the ranges."""
    first = np.searchsorted(rows, ranges[:, 0])
    number = np.searchsorted(rows, ranges[:, 1]) - first
    which = np.repeat(np.arange(ranges.shape[0]), number)
    inner = np.arange(which.size) - np.repeat(np.cumsum(number) - number, number)
    length = ranges[:, 1] - ranges[:, 0]
    begin = np.cumsum(length) - length
    return rows[first[which] + inner] - ranges[which, 0] + begin[which]
