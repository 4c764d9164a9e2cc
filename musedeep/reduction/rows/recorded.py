"""The corrections of an exposure, recorded instead of its corrected rows: what a store of corrections is made of.

1. `recorded` takes a source of rows apart: into its pixel table, the rows that are kept, and the steps on them.
2. `index_rows` reads the corrected positions and wavelengths of all rows once, and finds the box of each segment
   (`SEGMENT`) and the limits of all. Segments are those of the pixel table: successive rows of one slice.
3. `RecordedRows.write` writes the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.rows.segments import segment_boxes
from musedeep.reduction.rows.product import PixelTableProduct
from musedeep.reduction.rows.source import READERS, Corrected, RowsWithin
from musedeep.reduction.rows.sums import RowLimits
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables.corrected import CorrectedRows, write_corrections
from musedeep.storage.pixel_tables.row_steps import RowStep
from musedeep.storage.pixel_tables.table import ROWS_AT_ONCE, RowSource, cut_ranges
from musedeep.threads import in_threads


def recorded(source: RowSource) -> CorrectedRows:
    """A source of rows as its pixel table, which rows are kept, and steps.

    Raises
    ------
    TypeError
        A correction has no step, or the source is made otherwise than of one pixel table.
    """
    steps: list[RowStep] = []
    kept: NDArray[np.int64] | None = None
    under: Any = source
    while isinstance(under, Corrected | RowsWithin):
        if isinstance(under, Corrected):
            for one in reversed(under.corrections):
                if one.step is not None:
                    steps.insert(0, one.step)
                elif one.changes:
                    raise TypeError(f"{type(one).__name__} cannot be recorded")
        else:
            kept = under.kept if kept is None else under.of_source(kept)
        under = under.source
    if not hasattr(under, "identity"):
        raise TypeError(f"{type(under).__name__} is no pixel table")
    return CorrectedRows(under, kept, steps)


@dataclass
class RecordedRows:
    """The rows of an exposure as corrections of pixel tables.

    Attributes
    ----------
    tables : one per pixel table, in the order of IFUs
    edges : int64 (segments + 1,), of the segments of all rows
    boxes : float32 (segments, 6), see `set_boxes`
    limits : of all rows
    """

    tables: Sequence[CorrectedRows]
    edges: NDArray[np.int64]
    boxes: NDArray[np.float32]
    limits: RowLimits

    def write(self, path: Path, product: PixelTableProduct, overwrite: bool) -> None:
        """Write the store of the corrections that lead to a product, whose header it gets; see `write_corrections`."""
        columns = product.rows.names, product.rows.units
        write_corrections(
            path, self.tables, (self.edges, self.boxes), columns, product.layout(), overwrite=overwrite
        )  # fmt: skip


def index_rows(sources: Sequence[RowSource], workers: int | None = None) -> RecordedRows:
    """Record the corrections of sources, and index their rows.

    Parameters
    ----------
    sources : one per pixel table, all with positions of one unit
    workers : threads, at most READERS by default

    Raises
    ------
    TypeError
        See `recorded`.
    """
    tables = [recorded(source) for source in sources]
    edges = [_edges(one) for one in tables]
    native = same_unit(sources[0].units.get("xpos", ""), "rad")
    calls = [(k, first, last) for k, one in enumerate(edges) for first, last in _blocks(one)]
    boxes = [np.empty((one.size - 1, 6), np.float32) for one in edges]
    found = [RowLimits() for _ in calls]

    def look(number: int) -> None:
        k, first, last = calls[number]
        here = edges[k][first : last + 1]
        rows = sources[k].read(np.array([[here[0], here[-1]]], np.int64), RowLimits.columns)
        segment_boxes(rows["xpos"], rows["ypos"], rows["lambda"], here - here[0], native, boxes[k][first:last])
        found[number].add(rows)

    in_threads(look, len(calls), workers or READERS)
    limits = RowLimits()
    for one in found:
        limits.merge(one)
    begins = np.cumsum([0, *(source.n_rows for source in sources)])
    joined = [one[:-1] + begin for one, begin in zip(edges, begins[:-1], strict=True)]
    whole = np.concatenate([*joined, begins[-1:]]).astype(np.int64)
    return RecordedRows(tables, whole, np.concatenate(boxes), limits)


def _edges(rows: CorrectedRows) -> NDArray[np.int64]:
    """Edges of the segments of a pixel table, of the rows that are kept."""
    index = rows.table.index()
    edges = np.append(index["start"], index["stop"][-1:]).astype(np.int64)
    if rows.kept is None:
        return edges
    _, parts = cut_ranges(rows.kept, edges)
    lengths = parts[:, 1] - parts[:, 0]
    return np.append(0, np.cumsum(lengths[lengths > 0])).astype(np.int64)


def _blocks(edges: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Successive segments [first, last) of about ROWS_AT_ONCE rows together."""
    n = edges.size - 1
    cuts = np.searchsorted(edges, np.arange(0, edges[-1], ROWS_AT_ONCE)).tolist()
    return [(a, b) for a, b in zip(cuts, [*cuts[1:], n], strict=True) if b > a]
