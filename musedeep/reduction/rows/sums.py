"""Sums over the rows of several sources (IFUs, exposures), with the same bits whatever the number of threads.

1. Each source has its own sums, which begin empty (`RowSums.fresh`).
2. Its rows are added block by block, in their order.
3. The sums of the sources are merged in the order of the sources.

Memory is that of one block and one set of sums per thread.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from musedeep.processors import available_processors
from musedeep.progress import Progress, Silent
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.rows.source import READERS
from musedeep.storage.pixel_tables.table import Rows, RowSource, row_blocks
from musedeep.threads import results_in_order


class RowSums(Protocol):
    """Sums over `columns` of rows: a field image, a spectrum, limits."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def fresh(self) -> Self:
        """The same sums of no rows."""
        ...

    def add(self, rows: Rows) -> None:
        """Add some rows."""
        ...

    def merge(self, other: Self) -> None:
        """Add the sums over other rows, which come after those added so far."""
        ...


def add_up(
    sources: Sequence[RowSource], sums: Sequence[RowSums], workers: int | None = None, progress: Progress | None = None
) -> None:
    """Add the rows of all sources to all of the sums.

    Parameters
    ----------
    workers : int, optional, threads, each of which reads one source; at most READERS by default
    progress : Progress, optional, of rows
    """
    names = sorted({name for one in sums for name in one.columns})
    workers = workers or min(available_processors(), READERS)
    progress = progress or Silent()
    progress.begin(sum(source.n_rows for source in sources), "rows")

    def sums_of(source: RowSource) -> list[RowSums]:
        own = [one.fresh() for one in sums]
        for block in row_blocks(source.n_rows):
            rows = source.read(block, names)
            for one in own:
                one.add(rows)
        return own

    with ThreadPoolExecutor(workers) as pool:
        for source, own in zip(sources, results_in_order(pool, workers, sums_of, sources), strict=True):
            for one, other in zip(sums, own, strict=True):
                one.merge(other)
            progress.advance(source.n_rows, rows=source.n_rows)


class RowLimits:
    """Lowest and highest xpos, ypos and lambda of rows, float64 (3, 2); infinite without rows."""

    columns = ("xpos", "ypos", "lambda")

    def __init__(self) -> None:
        self.values: NDArray[np.float64] = np.array([[np.inf, -np.inf]] * 3)

    def fresh(self) -> "RowLimits":
        """See `RowSums.fresh`."""
        return RowLimits()

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        if rows["lambda"].size:
            self._widen(np.array([(rows[name].min(), rows[name].max()) for name in self.columns], np.float64))

    def merge(self, other: "RowLimits") -> None:
        """See `RowSums.merge`."""
        self._widen(other.values)

    def _widen(self, values: NDArray[np.float64]) -> None:
        self.values[:, 0] = np.minimum(self.values[:, 0], values[:, 0])
        self.values[:, 1] = np.maximum(self.values[:, 1], values[:, 1])

    def cards(self, zero: tuple[float, float] = (0.0, 0.0)) -> list[Card]:
        """The cards PIXTABLE LIMITS; `zero` is added to x and y."""
        cards: list[Card] = []
        for axis, ends, offset in zip(("X", "Y", "LAMBDA"), self.values, (*zero, 0.0), strict=True):
            for end, value in zip(("LOW", "HIGH"), ends, strict=True):
                cards.append((f"ESO DRS MUSE PIXTABLE LIMITS {axis} {end}", np.float32(value + offset), ""))
        return cards
