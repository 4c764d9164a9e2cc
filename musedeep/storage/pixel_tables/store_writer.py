"""Writing a pixel-table store, streaming: memory does not grow with the rows, but for one byte every forty of them.

The source is gone through twice. The first pass reads wavelength and origin, and counts the rows of every
(band, IFU, slice), from which follows where each row will lie. The second takes as many bands at a time as
memory allows, or some IFUs and slices of one band, reads exactly their rows, brings them into order, and
appends them to the columns. What the store holds depends on neither memory nor threads.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.rows.segments import not_finite, row_keys, segment_boxes, stable_order
from musedeep.progress import Progress, Silent
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables import zarr as store_format
from musedeep.storage.pixel_tables.export import BYTES_PER_ROW, MEMORY, runs_of
from musedeep.storage.pixel_tables.fits import check_finite
from musedeep.storage.pixel_tables.store_layout import save_other_hdus, save_whole
from musedeep.storage.pixel_tables.table import (
    COLUMN_TYPES,
    ROWS_PER_SEGMENT,
    Rows,
    RowsByOrigin,
    RowSource,
    clean_ranges,
    empty_rows,
    read_together,
    split_ranges,
)
from musedeep.storage.stores.checked_store import RecordedStore
from musedeep.storage.stores.column_writer import ColumnWriter
from musedeep.storage.stores.location import Location
from musedeep.storage.stores.new_store import new_store
from musedeep.threads import results_in_order

ROWS_PER_BLOCK = 1 << 20
"""Rows of the source looked at at a time, at most."""

ROWS_PER_MARK = 512
"""Rows of the source that share one note of their lowest and highest band, IFU and slice."""

STORE_BYTES_PER_ROW = 24
"""A row in a store, about; for the check of free space before the work (benchmarks/store_compression.py)."""

_KEY_BITS = 11
_KEYS_PER_BAND = 1 << _KEY_BITS


def write_store(
    table: RowSource,
    store: Location,
    layout: dict[str, Any],
    *,
    workers: int = 2,
    memory: int = MEMORY,
    overwrite: bool = False,
    progress: Progress | None = None,
    band_width: float = store_format.BAND_WIDTH,
    chunk_rows: int = store_format.CHUNK_ROWS,
) -> None:
    """Write rows as a pixel-table store.

    Parameters
    ----------
    store : Path or StoreUrl, the zarr group to make; it appears when it is whole
    layout : dict
        What `export` needs to write the FITS table of these rows: `format` ("image" or "table"), `path` (where HDUs
        that are no columns are read), `hdus` (a dict each: `cards`, raw; `role`, the name of a column, "rows",
        "primary" or "other"; `offset` and `bytes` of what is copied, or `raw`, the bytes themselves), and `unsigned`
        if the cards of checksums are to be filled in when the table is written.
    workers, memory, overwrite, progress, band_width, chunk_rows : see `ingest.ingest`

    Raises
    ------
    MusedeepError
        Positions or wavelengths that are not finite; the store exists; not enough disk space; a memory limit too
        small for one slice in one band.
    """
    need = table.n_rows * STORE_BYTES_PER_ROW
    workers = max(workers, 1)
    with new_store(store, overwrite, need) as target, ThreadPoolExecutor(workers) as pool:
        _StoreWriter(table, target, pool, workers, memory, band_width, chunk_rows, progress).run(layout)


@dataclass
class _Group:
    """Rows of successive keys: their ranges in the source, the order that brings them into place, their numbers in that
    order, and what is known of them, in that order too."""

    ranges: NDArray[np.int64]
    order: NDArray[np.int64]
    source: NDArray[np.int64]
    keys: range
    known: Rows


class _StoreWriter:
    """One run of `write_store`."""

    def __init__(
        self,
        table: RowSource,
        target: RecordedStore,
        pool: ThreadPoolExecutor,
        workers: int,
        memory: int,
        band_width: float,
        chunk_rows: int,
        progress: Progress | None,
    ) -> None:
        self.table, self.target, self.pool, self.workers, self.memory = table, target, pool, workers, memory
        self.band_width, self.chunk_rows = band_width, chunk_rows
        self.n_bands = int(np.ceil((store_format.BAND_END - store_format.BAND_ORIGIN) / band_width))
        self.progress = progress or Silent()
        block = min(max(memory // (32 * (workers + 1)), 1 << 14), ROWS_PER_BLOCK)
        self.block = block // ROWS_PER_MARK * ROWS_PER_MARK
        marks = -(-table.n_rows // ROWS_PER_MARK)
        groups = read_together(table)
        alone = [(name,) for name in table.names if not any(name in group for group in groups)]
        self.pieces = [*groups, *alone]
        self.bands: NDArray[Any] = np.empty((2, marks), np.int32)
        self.parts: NDArray[Any] = np.empty((2, marks), np.int16)

    def run(self, layout: dict[str, Any]) -> None:
        """Both passes."""
        self.progress.begin(2 * self.table.n_rows, "rows (two passes)")
        counts = self._count()
        group = self.target.group
        n = self.table.n_rows
        columns = {
            name: self._column(store_format.create_column(group, name, n, COLUMN_TYPES[name], self.chunk_rows))
            for name in self.table.names
        }
        delta = np.int32 if n < 2**31 else np.int64
        columns["order"] = self._column(store_format.create_column(group, "order", n, delta, self.chunk_rows))
        index = group.create_group("index")
        segments = int((-(-counts // ROWS_PER_SEGMENT)).sum())
        edges = self._column(store_format.create_rows(index, "edges", (segments + 1,), np.int64))
        boxes = self._column(store_format.create_rows(index, "boxes", (segments, 6), np.float32))
        firsts = self._move(counts, columns, edges, boxes)
        for column in (*columns.values(), edges, boxes):
            column.finish()
        self._save_runs(index, counts, firsts)
        save_other_hdus(self.target, layout)
        group.attrs.update(
            {
                "kind": store_format.KIND, "version": store_format.VERSION, "rows": n,
                "columns": list(self.table.names), "units": self.table.units,
                "band_origin": store_format.BAND_ORIGIN, "band_width": self.band_width,
                "bands": self.n_bands, "format": layout["format"], "hdus": layout["hdus"],
            }
            | ({"unsigned": True} if layout.get("unsigned") else {})
        )  # fmt: skip

    def _column(self, array: Any) -> ColumnWriter:
        return ColumnWriter(array, self.target)

    def _keys(self, rows: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        keys = np.empty(rows["lambda"].size, np.int64)
        row_keys(rows["lambda"], rows["origin"], store_format.BAND_ORIGIN, self.band_width, self.n_bands, keys)
        return keys

    def _count(self) -> NDArray[np.int64]:
        """Rows of every key; notes lowest and highest band, and IFU and slice, of each piece of the source."""
        counts = np.zeros(self.n_bands * _KEYS_PER_BAND, np.int64)
        n = self.table.n_rows

        def count(first: int) -> tuple[int, NDArray[np.int64]]:
            last = min(first + self.block, n)
            rows = self.table.read(np.array([[first, last]], np.int64), ("lambda", "origin"))
            check_finite(self.table.path, {"lambda": rows["lambda"]}, first)
            keys = self._keys(rows)
            marks = slice(first // ROWS_PER_MARK, -(-last // ROWS_PER_MARK))
            starts = np.arange(0, last - first, ROWS_PER_MARK)
            # a power of two: shifting is ten times as fast as dividing
            for values, notes in ((keys >> _KEY_BITS, self.bands), (keys & (_KEYS_PER_BAND - 1), self.parts)):
                notes[:, marks] = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
            least = int(keys.min())
            return least, np.bincount(keys - least)

        for k, (least, part) in enumerate(results_in_order(self.pool, self.workers, count, range(0, n, self.block))):
            counts[least : least + part.size] += part
            rows = min(self.block, n - k * self.block)
            self.progress.advance(rows, rows=rows)
        return counts

    def _groups(self, counts: NDArray[np.int64]) -> list[range]:
        """Successive keys whose rows fit into memory together: whole bands, or parts of one band."""
        most = self.memory // BYTES_PER_ROW
        if counts.max(initial=0) > most:
            would_do = -(-int(counts.max()) * BYTES_PER_ROW // 2**20)
            raise MusedeepError(
                f"{self.table.path}: {self.memory / 2**20:.0f} MiB of memory are too little for the "
                f"{int(counts.max())} rows of a slice in a band; {would_do} MiB would do"
            )
        pieces: list[tuple[range, int]] = []
        for band, n in enumerate(counts.reshape(self.n_bands, _KEYS_PER_BAND).sum(1).tolist()):
            keys = range(band * _KEYS_PER_BAND, (band + 1) * _KEYS_PER_BAND)
            if n <= most:
                pieces.append((keys, n))
                continue
            start, held = keys.start, 0
            for key, rows in zip(keys, counts[keys.start : keys.stop].tolist(), strict=True):
                if held + rows > most:
                    pieces.append((range(start, key), held))
                    start, held = key, 0
                held += rows
            pieces.append((range(start, keys.stop), held))
        groups: list[range] = []
        held = most + 1
        for keys, n in pieces:
            # parts of a band stay by themselves: only whole bands are found by their notes alone
            whole = keys.start % _KEYS_PER_BAND == 0 == keys.stop % _KEYS_PER_BAND
            if whole and held + n <= most:
                groups[-1] = range(groups[-1].start, keys.stop)
                held += n
            else:
                groups.append(keys)
                held = n if whole else most + 1
        return [g for g in groups if counts[g.start : g.stop].any()]

    def _plan(self, group: range, counts: NDArray[np.int64]) -> _Group:
        """Which rows of the source belong to these keys, and their order."""
        k0, k1 = group.start, group.stop
        band, part = divmod(k0, _KEYS_PER_BAND)
        near = (self.bands[0] <= (k1 - 1) // _KEYS_PER_BAND) & (self.bands[1] >= band)
        if k1 - k0 < _KEYS_PER_BAND:
            near &= (self.parts[0] < part + (k1 - k0)) & (self.parts[1] >= part)
        marks = np.flatnonzero(near).astype(np.int64)
        n = self.table.n_rows
        wide = np.stack([marks * ROWS_PER_MARK, np.minimum((marks + 1) * ROWS_PER_MARK, n)], axis=1)
        total = int(counts[k0:k1].sum())
        numbers, keys = np.empty(total, np.int64), np.empty(total, np.int64)
        known = empty_rows(("lambda", "origin"), total)
        filled = 0
        for piece in split_ranges(clean_ranges(wide, n), self.block):
            rows = self.table.read(piece, ("lambda", "origin"))
            found = self._keys(rows)
            inside = np.flatnonzero((found >= k0) & (found < k1))
            length = piece[:, 1] - piece[:, 0]
            shift = np.repeat(piece[:, 0] - (np.cumsum(length) - length), length)
            here = slice(filled, filled + inside.size)
            keys[here] = found[inside]
            numbers[here] = inside + shift[inside]
            for name, column in known.items():
                column[here] = rows[name][inside]
            filled += inside.size
        if filled != total:
            raise MusedeepError(f"{self.table.path}: changed while it was read; start again when it is complete")
        order = np.empty(total, np.int64)
        places = np.cumsum(counts[k0:k1]) - counts[k0:k1]
        stable_order(keys, k0, places, order)
        ranges = runs_of(numbers)
        return _Group(ranges, order, numbers[order], group, {name: column[order] for name, column in known.items()})

    def _move(
        self, counts: NDArray[np.int64], columns: dict[str, ColumnWriter], edges: ColumnWriter, boxes: ColumnWriter
    ) -> list[NDArray[np.int64]]:
        """Append all rows to the columns, and edges and boxes of the segments; returns the first rows of the runs."""
        groups = self._groups(counts)
        firsts = []
        done = 0
        n = self.table.n_rows
        following = self.pool.submit(self._plan, groups[0], counts) if groups else None
        for k in range(len(groups)):
            assert following is not None
            group = following.result()
            following = self.pool.submit(self._plan, groups[k + 1], counts) if k + 1 < len(groups) else None

            source = group.source
            if isinstance(self.table, RowsByOrigin):
                group.known = self.table.complete(group.known)

            def move(names: tuple[str, ...], group: _Group = group) -> Rows:
                wanted = [name for name in names if name not in group.known]
                rows = self.table.read(group.ranges, wanted) if wanted else {}
                kept = {}
                for name in names:
                    values = group.known[name] if name in group.known else rows.pop(name)[group.order]
                    if name in ("xpos", "ypos"):
                        self._check(name, values, group.source)
                    columns[name].append(values)
                    if name in ("xpos", "ypos", "lambda"):
                        kept[name] = values
                return kept

            futures = [self.pool.submit(move, names) for names in self.pieces]
            lengths = counts[group.keys.start : group.keys.stop]
            lengths = lengths[lengths > 0]
            starts = np.cumsum(lengths) - lengths
            firsts.append(source[starts])
            delta = np.diff(source, prepend=source[:1])
            delta[starts] = 0
            columns["order"].append(delta)
            del delta
            kept = {name: values for future in futures for name, values in future.result().items()}
            inner = segment_edges(lengths)
            box = np.empty((inner.size - 1, 6), np.float32)
            native = same_unit(self.table.units.get("xpos", ""), "rad")
            segment_boxes(kept["xpos"], kept["ypos"], kept["lambda"], inner, native, box)
            edges.append(inner[:-1] + done)
            boxes.append(box)
            done += group.source.size
            self.progress.advance(group.source.size, rows=group.source.size)
        edges.append(np.array([n], np.int64))
        return firsts

    def _check(self, name: str, column: NDArray[Any], source: NDArray[np.int64]) -> None:
        number, _ = not_finite(column)
        if number:
            bad = np.sort(source[~np.isfinite(column)])
            raise MusedeepError(
                f"{self.table.path}: column {name} is NaN or infinite in {bad.size} rows or more, among them row "
                f"{bad[0]}; reduce the exposure again"
            )

    def _save_runs(self, index: Any, counts: NDArray[np.int64], firsts: list[NDArray[np.int64]]) -> None:
        keys = np.flatnonzero(counts)
        stop = np.cumsum(counts[keys])
        runs = np.stack(
            [
                keys // _KEYS_PER_BAND, keys % _KEYS_PER_BAND >> 6, keys & 63, stop - counts[keys], stop,
                np.concatenate([np.empty(0, np.int64), *firsts]),
            ],
            axis=1,
        )  # fmt: skip
        save_whole(self.target, index, "runs", runs)


def segment_edges(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges of segments of at most ROWS_PER_SEGMENT rows within runs of these lengths, from 0 to their sum."""
    pieces = -(-lengths // ROWS_PER_SEGMENT)
    starts = np.cumsum(lengths) - lengths
    step = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    edges = np.repeat(starts, pieces) + step * ROWS_PER_SEGMENT
    return np.append(edges, lengths.sum()).astype(np.int64)
