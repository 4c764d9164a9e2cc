"""FITS pixel tables into stores, streaming: memory does not depend on the size of the tables.

Ingestion goes through the source twice. The first pass reads wavelength and origin, and counts the rows of
every (band, IFU, slice), from which follows where each row will lie. The second takes as many bands at a
time as memory allows, reads exactly their rows, brings them into order, and appends them to the columns.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.segments import row_keys, segment_boxes, stable_order
from musedeep.storage import pixel_table_zarr as store_format
from musedeep.storage.export import BYTES_PER_ROW, MEMORY, export, runs_of
from musedeep.storage.headers import HeaderUnit, header_cards, parse_cards, scan_file
from musedeep.storage.outputs import (
    Progress,
    check_space,
    partial_name,
    refuse_existing,
    replace_directory,
    silent,
    write_error,
)
from musedeep.storage.pixel_table import (
    COLUMN_TYPES,
    ROWS_PER_SEGMENT,
    JoinedPixelTable,
    PixelTable,
    clean_ranges,
    open_exposure,
)
from musedeep.storage.pixel_table_fits import ImageFormatTable, TableFormatTable, check_finite, split_ranges

__all__ = ["export", "ingest"]

ROWS_PER_BLOCK = 1 << 20
"""Rows of the source looked at at a time, at most."""

ROWS_PER_MARK = 512
"""Rows of the source that share one note of their lowest and highest band."""

STORE_BYTES_PER_ROW = 24
"""A row in a store, about; for the check of free space before the work (benchmarks/store_compression.py)."""

_KEYS_PER_BAND = 2048


def ingest(
    paths: Sequence[str | Path],
    store: str | Path,
    *,
    workers: int = 2,
    memory: int = MEMORY,
    overwrite: bool = False,
    progress: Progress | None = None,
    band_width: float = store_format.BAND_WIDTH,
    chunk_rows: int = store_format.CHUNK_ROWS,
) -> Path:
    """Turn the FITS pixel tables of one exposure into a store.

    Parameters
    ----------
    paths : sequence of path
        One file, or one an IFU, of any stage; image or binary-table format.
    store : path
        The zarr group to make. It appears when it is whole.
    workers : int
        Threads.
    memory : int
        Working memory [bytes].
    overwrite : bool
        Replace an existing store, once the new one is whole.
    progress : callable, optional
        Called with the rows done and the rows to do (each row counts in both passes).
    band_width : float
        [Angstrom]
    chunk_rows : int

    Returns
    -------
    Path
        The store.

    Raises
    ------
    MusedeepError
        Bad input; positions or wavelengths that are not finite; the store exists; not enough disk space;
        a memory limit too small for one band.
    """
    store = Path(store)
    refuse_existing(store, overwrite)
    table = open_exposure(paths)
    layout = _source_layout(table)
    need = table.n_rows * STORE_BYTES_PER_ROW
    check_space(store, need)
    partial = partial_name(store)
    try:
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            _Ingestion(table, partial, pool, max(workers, 1), memory, band_width, chunk_rows, progress).run(layout)
        replace_directory(partial, store)
    except OSError as error:
        raise write_error(store, error, need) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return store


@dataclass
class _Group:
    """Rows of successive bands: their numbers in the source, and the order that brings them into place."""

    ranges: NDArray[np.int64]
    rows: NDArray[np.int64]
    order: NDArray[np.int64]
    keys: range


class _Appender:
    """Appends rows to a column in whole chunks."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.size = int(array.chunks[0])
        self.position = 0
        self.pending = np.empty(0, array.dtype)

    def append(self, values: NDArray[Any]) -> None:
        """Write all whole chunks, keep the rest."""
        values = np.concatenate([self.pending, values])
        whole = values.size // self.size * self.size
        step = self.size * store_format.CHUNKS_AT_ONCE
        for a in range(0, whole, step):
            self._write(values[a : min(a + step, whole)])
        self.pending = values[whole:].copy()

    def finish(self) -> None:
        """Write the rest."""
        if self.pending.size:
            self._write(self.pending)

    def _write(self, values: NDArray[Any]) -> None:
        self.array[self.position : self.position + values.size] = values
        self.position += values.size


class _Ingestion:
    """One run of `ingest`, into a directory of temporary name."""

    def __init__(
        self,
        table: PixelTable,
        target: Path,
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
        self.progress = progress or silent
        block = min(max(memory // (32 * (workers + 1)), 1 << 14), ROWS_PER_BLOCK)
        self.block = block // ROWS_PER_MARK * ROWS_PER_MARK
        marks = -(-table.n_rows // ROWS_PER_MARK)
        self.lowest = np.empty(marks, np.int32)
        self.highest = np.empty(marks, np.int32)

    def run(self, layout: dict[str, Any]) -> None:
        """Both passes."""
        counts = self._count()
        group = zarr.open_group(self.target, mode="w", zarr_format=3)
        n = self.table.n_rows
        columns = {
            name: _Appender(store_format.create_column(group, name, n, COLUMN_TYPES[name], self.chunk_rows))
            for name in self.table.names
        }
        delta = np.int32 if n < 2**31 else np.int64
        columns["order"] = _Appender(store_format.create_column(group, "order", n, delta, self.chunk_rows))
        firsts, edges, boxes = self._move(counts, columns)
        for column in columns.values():
            column.finish()
        self._save_index(group, counts, firsts, edges, boxes)
        self._save_other_hdus(group, layout)
        group.attrs.update(
            {
                "kind": store_format.KIND, "version": store_format.VERSION, "rows": n,
                "columns": list(self.table.names), "units": self.table.units,
                "band_origin": store_format.BAND_ORIGIN, "band_width": self.band_width,
                "bands": self.n_bands, "format": layout["format"], "hdus": layout["hdus"],
            }
        )  # fmt: skip

    def _keys(self, rows: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        keys = np.empty(rows["lambda"].size, np.int64)
        row_keys(rows["lambda"], rows["origin"], store_format.BAND_ORIGIN, self.band_width, self.n_bands, keys)
        return keys

    def _count(self) -> NDArray[np.int64]:
        """Rows of every key; notes lowest and highest band of each piece of the source."""
        counts = np.zeros(self.n_bands * _KEYS_PER_BAND, np.int64)
        n = self.table.n_rows

        def count(first: int) -> tuple[int, NDArray[np.int64]]:
            last = min(first + self.block, n)
            rows = self.table.read(np.array([[first, last]], np.int64), ("lambda", "origin"))
            check_finite(self.table.path, {"lambda": rows["lambda"]}, first)
            keys = self._keys(rows)
            marks = slice(first // ROWS_PER_MARK, -(-last // ROWS_PER_MARK))
            starts = np.arange(0, last - first, ROWS_PER_MARK)
            self.lowest[marks] = np.minimum.reduceat(keys, starts) // _KEYS_PER_BAND
            self.highest[marks] = np.maximum.reduceat(keys, starts) // _KEYS_PER_BAND
            least = int(keys.min())
            return least, np.bincount(keys - least)

        for k, (least, part) in enumerate(self._ahead(count, range(0, n, self.block))):
            counts[least : least + part.size] += part
            self.progress(min((k + 1) * self.block, n), 2 * n)
        return counts

    def _ahead(self, function: Callable[[int], Any], items: Sequence[int]) -> Iterator[Any]:
        """Results in order, with as many calls in flight as there are threads."""
        queue: list[Any] = []
        for item in items:
            queue.append(self.pool.submit(function, item))
            if len(queue) > self.workers:
                yield queue.pop(0).result()
        for future in queue:
            yield future.result()

    def _groups(self, counts: NDArray[np.int64]) -> list[range]:
        """Successive bands that fit into memory together."""
        per_band = counts.reshape(self.n_bands, _KEYS_PER_BAND).sum(1)
        most = self.memory // BYTES_PER_ROW
        if per_band.max(initial=0) > most:
            would_do = -(-int(per_band.max()) * BYTES_PER_ROW // 2**20)
            raise MusedeepError(
                f"{self.table.path}: {self.memory / 2**20:.0f} MiB of memory are too little for a band of "
                f"{int(per_band.max())} rows; {would_do} MiB would do"
            )
        groups = []
        start, held = 0, 0
        for band, n in enumerate(per_band.tolist()):
            if held + n > most:
                groups.append(range(start, band))
                start, held = band, 0
            held += n
        groups.append(range(start, self.n_bands))
        return [g for g in groups if per_band[g.start : g.stop].sum()]

    def _plan(self, bands: range, counts: NDArray[np.int64]) -> _Group:
        """Which rows of the source belong to these bands, and their order."""
        marks = np.flatnonzero((self.lowest < bands.stop) & (self.highest >= bands.start)).astype(np.int64)
        n = self.table.n_rows
        wide = np.stack([marks * ROWS_PER_MARK, np.minimum((marks + 1) * ROWS_PER_MARK, n)], axis=1)
        k0, k1 = bands.start * _KEYS_PER_BAND, bands.stop * _KEYS_PER_BAND
        total = int(counts[k0:k1].sum())
        numbers, keys = np.empty(total, np.int64), np.empty(total, np.int64)
        filled = 0
        for piece in split_ranges(clean_ranges(wide, n), self.block):
            rows = self.table.read(piece, ("lambda", "origin"))
            found = self._keys(rows)
            inside = np.flatnonzero((found >= k0) & (found < k1))
            length = piece[:, 1] - piece[:, 0]
            shift = np.repeat(piece[:, 0] - (np.cumsum(length) - length), length)
            keys[filled : filled + inside.size] = found[inside]
            numbers[filled : filled + inside.size] = inside + shift[inside]
            filled += inside.size
        if filled != total:
            raise MusedeepError(f"{self.table.path}: changed while it was read; start again when it is complete")
        order = np.empty(total, np.int64)
        places = np.cumsum(counts[k0:k1]) - counts[k0:k1]
        stable_order(keys, k0, places, order)
        ranges = runs_of(numbers)
        return _Group(ranges, numbers, order, range(k0, k1))

    def _move(
        self, counts: NDArray[np.int64], columns: dict[str, _Appender]
    ) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]], list[NDArray[np.float32]]]:
        """Append all rows to the columns; first rows of the runs, edges and boxes of the segments."""
        groups = self._groups(counts)
        firsts, edges, boxes = [], [], []
        done = 0
        n = self.table.n_rows
        following = self.pool.submit(self._plan, groups[0], counts) if groups else None
        for k in range(len(groups)):
            assert following is not None
            group = following.result()
            following = self.pool.submit(self._plan, groups[k + 1], counts) if k + 1 < len(groups) else None

            def move(name: str, group: _Group = group) -> NDArray[Any]:
                column = self.table.read(group.ranges, (name,))[name]
                if name in ("xpos", "ypos"):
                    self._check(name, column, group)
                values = column[group.order]
                columns[name].append(values)
                return values if name in ("xpos", "ypos", "lambda") else values[:0]

            futures = {name: self.pool.submit(move, name) for name in self.table.names}
            lengths = counts[group.keys.start : group.keys.stop]
            lengths = lengths[lengths > 0]
            starts = np.cumsum(lengths) - lengths
            source = group.rows[group.order]
            firsts.append(source[starts])
            delta = np.diff(source, prepend=source[:1])
            delta[starts] = 0
            columns["order"].append(delta.astype(columns["order"].array.dtype))
            del delta, source
            kept = {name: future.result() for name, future in futures.items()}
            inner = segment_edges(lengths)
            box = np.empty((inner.size - 1, 6), np.float32)
            native = self.table.units.get("xpos") == "rad"
            segment_boxes(kept["xpos"], kept["ypos"], kept["lambda"], inner, native, box)
            edges.append(inner[:-1] + done)
            boxes.append(box)
            done += group.rows.size
            self.progress(n + done, 2 * n)
        edges.append(np.array([n], np.int64))
        return firsts, edges, boxes

    def _check(self, name: str, column: NDArray[Any], group: _Group) -> None:
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise MusedeepError(
                f"{self.table.path}: column {name} is NaN or infinite in {bad.size} rows or more, among them row "
                f"{group.rows[bad[0]]}; reduce the exposure again"
            )

    def _save_index(
        self,
        group: Any,
        counts: NDArray[np.int64],
        firsts: list[NDArray[np.int64]],
        edges: list[NDArray[np.int64]],
        boxes: list[NDArray[np.float32]],
    ) -> None:
        keys = np.flatnonzero(counts)
        stop = np.cumsum(counts[keys])
        runs = np.stack(
            [
                keys // _KEYS_PER_BAND, keys % _KEYS_PER_BAND >> 6, keys & 63, stop - counts[keys], stop,
                np.concatenate([np.empty(0, np.int64), *firsts]),
            ],
            axis=1,
        )  # fmt: skip
        index = group.create_group("index")
        store_format.create_whole(index, "runs", runs)
        store_format.create_whole(index, "edges", np.concatenate(edges))
        store_format.create_whole(index, "boxes", np.concatenate([np.empty((0, 6), np.float32), *boxes]))

    def _save_other_hdus(self, group: Any, layout: dict[str, Any]) -> None:
        hdus = group.create_group("hdus")
        with open(layout["path"], "rb") as stream:
            for number, hdu in enumerate(layout["hdus"]):
                if "bytes" in hdu:
                    stream.seek(hdu.pop("offset"))
                    raw = np.frombuffer(stream.read(hdu.pop("bytes")), np.uint8)
                    store_format.create_whole(hdus, str(number), raw)
                    hdu["array"] = f"hdus/{number}"


def segment_edges(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges of segments of at most ROWS_PER_SEGMENT rows within runs of these lengths, from 0 to their sum."""
    pieces = -(-lengths // ROWS_PER_SEGMENT)
    starts = np.cumsum(lengths) - lengths
    step = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    edges = np.repeat(starts, pieces) + step * ROWS_PER_SEGMENT
    return np.append(edges, lengths.sum()).astype(np.int64)


def _source_layout(table: PixelTable) -> dict[str, Any]:
    """Format and HDUs of the (first) source file; for several files with the header and length of all."""
    first = table.tables[0] if isinstance(table, JoinedPixelTable) else table
    joined = isinstance(table, JoinedPixelTable)
    if not isinstance(first, ImageFormatTable | TableFormatTable):
        raise MusedeepError(f"{first.path}: is a store already; give FITS pixel tables")
    hdus: list[dict[str, Any]] = []
    for number, unit in enumerate(scan_file(first.path)):
        role = _role(first, unit) if number else "primary"
        cards = unit.cards
        if joined:
            cards = header_cards(table.header) if number == 0 else _of_length(unit, role, first.n_rows, table.n_rows)
        hdu: dict[str, Any] = {"cards": list(cards), "role": role}
        if role == "other" or (role == "primary" and unit.data_bytes):
            hdu |= {"offset": unit.data_offset, "bytes": unit.end - unit.data_offset}
        hdus.append(hdu)
    if isinstance(first, TableFormatTable):
        for name in first.record.names or ():
            if COLUMN_TYPES.get(name) != first.record[name].newbyteorder("="):
                raise MusedeepError(
                    f"{first.path}: column {name} of type {first.record[name]} cannot be kept in a store; "
                    "remove it or make the table again (manual A.3.2)"
                )
    kind = "table" if isinstance(first, TableFormatTable) else "image"
    return {"format": kind, "path": first.path, "hdus": hdus}


def _role(table: ImageFormatTable | TableFormatTable, unit: HeaderUnit) -> str:
    """Name of the column that an HDU holds, 'rows' for the table of all, 'other'."""
    if isinstance(table, TableFormatTable):
        return "rows" if unit.data_offset == table.offset else "other"
    return next((name for name, offset in table.offsets.items() if offset == unit.data_offset), "other")


def _of_length(unit: HeaderUnit, role: str, old: int, new: int) -> tuple[str, ...]:
    if role == "other":
        return unit.cards
    header = parse_cards(unit.cards)
    for key in ("CHECKSUM", "DATASUM"):
        header.remove(key, ignore_missing=True)
    axis = max(range(1, header["NAXIS"] + 1), key=lambda i: header[f"NAXIS{i}"] == old)
    header["NAXIS2" if role == "rows" else f"NAXIS{axis}"] = new
    return header_cards(header)
