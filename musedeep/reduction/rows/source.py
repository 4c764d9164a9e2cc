"""Sources of rows made of other sources: corrected, within wavelengths, joined.

A source (`storage.pixel_tables.table.RowSource`) is read by row numbers, in blocks, so that memory does not grow with
its rows. Three things can be done to a source, and the result is a source again:

1. `corrected` applies corrections, in their order, to each block when it is read. A correction works row by row: the
   new values of a row follow from its own values, whatever block it is in. It keeps the number of rows.
2. `RowsWithin` leaves rows out: those whose wavelengths lie beyond two limits.
3. `JoinedRows` puts sources one after the other: IFUs of an exposure, exposures.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.processors import available_processors
from musedeep.reduction.headers.cards import Card
from musedeep.storage.pixel_tables.export import runs_of
from musedeep.storage.pixel_tables.row_steps import RowStep, Scale, needed
from musedeep.storage.pixel_tables.table import (
    Rows,
    RowsByOrigin,
    RowSource,
    clean_ranges,
    cut_ranges,
    empty_rows,
    read_together,
    row_blocks,
)
from musedeep.storage.stores.location import Location
from musedeep.threads import in_threads

READERS: Final = 4
"""Threads that read one source at a time, at most: each has a block of rows in memory."""

_KEYS: Final = {"lambda", "origin"}


class Correction:
    """A correction of rows; to be subclassed.

    Attributes
    ----------
    reads : tuple of str, columns whose values it needs, also those that it changes
    changes : tuple of str, columns that it changes or adds
    units : mapping of str to str, units of the columns whose unit it changes
    margin : float, largest change of a wavelength [Angstrom]
    step : what it does as data, by which a store of corrections keeps it; None where it cannot be kept, or does nothing
    """

    reads: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    units: Mapping[str, str] = MappingProxyType({})
    margin: float = 0.0
    step: RowStep | None = None

    def apply(self, rows: Rows) -> None:
        """Change the columns of some rows, in place or by other arrays. Several threads may call it at a time."""
        raise NotImplementedError

    def cards(self) -> list[Card]:
        """Cards of the primary header that record the correction."""
        return []


class Stepped(Correction):
    """A correction that is a step of those that a store of corrections can keep."""

    def __init__(self, step: RowStep) -> None:
        self.step: RowStep = step
        self.reads, self.changes = step.reads, step.changes

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        self.step.apply(rows)


class Scaled(Stepped):
    """One column times a factor, multiplied in float64."""

    def __init__(self, name: str, factor: float) -> None:
        super().__init__(Scale(name, factor))


def scaled_flux(factor: float) -> list[Correction]:
    """Data times a factor, variances times its square; no correction for the factor 1."""
    return [Scaled("data", factor), Scaled("stat", factor * factor)] if factor != 1.0 else []


class Corrected:
    """Rows of a source, corrected when they are read; see `corrected`."""

    def __init__(self, source: RowSource, corrections: Sequence[Correction]) -> None:
        self.source, self.corrections, self.n_rows = source, tuple(corrections), source.n_rows
        added = [name for one in corrections for name in one.changes if name not in source.names]
        self.names: tuple[str, ...] = (*source.names, *dict.fromkeys(added))
        self.units = dict(source.units)
        for one in corrections:
            self.units |= one.units

    @property
    def path(self) -> Location:
        """See `RowSource.path`."""
        return self.source.path

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """See `read_together`: columns that one correction changes."""
        groups = [set(group) for group in read_together(self.source)]
        for one in self.corrections:
            changed = set(one.changes)
            joined = changed.union(*(group for group in groups if group & changed))
            groups = [group for group in groups if not group & joined] + [joined]
        return tuple(tuple(name for name in self.names if name in group) for group in groups)

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `RowSource.read`; only the corrections of these columns are applied."""
        applied, wanted = needed(self.corrections, names)
        rows = self.source.read(ranges, wanted)
        for one in applied:
            one.apply(rows)
        return {name: rows[name] for name in names}


class _CorrectedByOrigin(Corrected):
    """The same of a source whose rows are completed from wavelength and origin."""

    def complete(self, known: Rows) -> Rows:
        """See `RowsByOrigin.complete`."""
        assert isinstance(self.source, RowsByOrigin)
        rows = self.source.complete(known)
        for one in self.corrections:
            one.apply(rows)
        return rows


def corrected(source: RowSource, corrections: Sequence[Correction]) -> RowSource:
    """A source of rows to which corrections are applied in their order."""
    if not corrections:
        return source
    by_origin = isinstance(source, RowsByOrigin) and not any(_KEYS & set(one.changes) for one in corrections)
    return (_CorrectedByOrigin if by_origin else Corrected)(source, corrections)


class RowsWithin:
    """The rows of a source with low <= wavelength <= high, in their order; they are its ranges `kept`, int64 (n, 2).

    Parameters
    ----------
    source : RowSource, all its wavelengths are read at once, in blocks
    low, high : float [Angstrom]
    """

    def __init__(self, source: RowSource, low: float, high: float) -> None:
        self.source, self.names, self.units = source, source.names, source.units
        blocks = row_blocks(source.n_rows)
        pieces: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)] * len(blocks)

        def look(k: int) -> None:
            wavelength = source.read(blocks[k], ("lambda",))["lambda"]
            pieces[k] = runs_of(np.flatnonzero((wavelength >= low) & (wavelength <= high)) + blocks[k][0, 0])

        in_threads(look, len(blocks), READERS)
        self.kept = clean_ranges(np.concatenate([np.empty((0, 2), np.int64), *pieces]), source.n_rows)
        self._seams = np.cumsum([0, *(self.kept[:, 1] - self.kept[:, 0])], dtype=np.int64)
        self.n_rows, self.together = int(self._seams[-1]), read_together(source)

    @property
    def path(self) -> Location:
        """See `RowSource.path`."""
        return self.source.path

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `RowSource.read`."""
        return self.source.read(self.of_source(clean_ranges(ranges, self.n_rows)), names)

    def of_source(self, ranges: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ranges of the source that hold the rows of ranges, none of them empty."""
        which, parts = cut_ranges(ranges, self._seams)
        return parts + (self.kept[which, 0] - self._seams[which])[:, None]


class JoinedRows:
    """The rows of several sources with the same columns and units, one source after the other.

    Parameters
    ----------
    path : Path or StoreUrl, for messages
    sources : sequence of RowSource, at least one
    """

    def __init__(self, path: Location, sources: Sequence[RowSource]) -> None:
        self.path, self.sources = path, list(sources)
        self.names, self.units = sources[0].names, sources[0].units
        self._seams = np.cumsum([0, *(source.n_rows for source in sources)], dtype=np.int64)
        self.n_rows, self.together = int(self._seams[-1]), read_together(sources[0])

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `RowSource.read`."""
        which, parts = cut_ranges(clean_ranges(ranges, self.n_rows), self._seams)
        bounds = np.flatnonzero(np.r_[True, which[1:] != which[:-1], True]) if which.size else np.zeros(1, np.int64)
        pieces = [self.sources[which[a]].read(parts[a:b] - self._seams[which[a]], names) for a, b in pairwise(bounds)]
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([p[name] for p in [empty_rows([name], 0), *pieces]]) for name in names}


def all_rows(source: RowSource) -> Rows:
    """All rows of a source, in memory, read in parallel threads."""
    rows = empty_rows(source.names, source.n_rows)
    blocks = row_blocks(source.n_rows, -(-source.n_rows // (4 * available_processors())))

    def fill(k: int) -> None:
        here = slice(*blocks[k][0])
        for name, values in source.read(blocks[k], source.names).items():
            rows[name][here] = values

    in_threads(fill, len(blocks))
    return rows
