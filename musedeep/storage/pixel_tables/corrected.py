"""Stores of corrections: an exposure as its pixel tables before the reduction, and what is to be done to their rows.

Such a store is a pixel table like any other, of some megabytes. It is a zarr group (format 3):

==================  ========================================================================================
`tables/N/kept`     int64 (ranges, 2): rows that pixel table N keeps, where it does not keep all
`steps/N/NAME`      an array of step N (`row_steps`); of tables of slices one for each IFU (`ifu-07`),
                    float32 (bins, 48)
`index/...`         of the corrected rows, as in a store of rows (`zarr`)
`hdus/N`            the same
`checksums`         of everything else (`checked_store`)
attributes          header cards and units as in a store of rows; `tables`: of each pixel table its path, its
                    rows, its identity, and its steps; `steps`: of each step its kind and numbers
==================  ========================================================================================

1. When it is opened, so are the pixel tables. They are looked for where they were; if they are not there, beside the
   store, and beside the directory that it is in.
2. Rows are read from the pixel tables, and corrected. Their order is that of the pixel tables, one after the other.
3. A pixel table with another identity than it had is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.pixel_tables.row_steps import KINDS, OfSlices, RowStep, Table, kind_of, needed, step_of
from musedeep.storage.pixel_tables.store_layout import save_other_hdus, save_whole
from musedeep.storage.pixel_tables.table import (
    PixelTable,
    Rows,
    clean_ranges,
    cut_ranges,
    empty_rows,
    row_count,
)
from musedeep.storage.pixel_tables.zarr import OF_ROWS, StoreOfRows, create_table
from musedeep.storage.stores.checked_store import CheckedStore
from musedeep.storage.stores.column_reader import ColumnReader
from musedeep.storage.stores.column_writer import ColumnWriter
from musedeep.storage.stores.location import Location, absolute, location
from musedeep.storage.stores.new_store import new_store

KIND: Final = "corrections of pixel tables"
VERSION: Final = 1

NEED: Final = 16 << 20
"""Bytes of a store, about; for the check of free space before the work."""

Opener = Callable[[Location], PixelTable]


@dataclass(frozen=True)
class CorrectedRows:
    """Rows of a pixel table, and what is to be done to them.

    Attributes
    ----------
    table : PixelTable
    kept : int64 (n, 2), ranges of its rows; None: all
    steps : in their order
    """

    table: PixelTable
    kept: NDArray[np.int64] | None = None
    steps: Sequence[RowStep] = field(default=())

    @property
    def n_rows(self) -> int:
        """Rows that are kept."""
        return self.table.n_rows if self.kept is None else row_count(self.kept)

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """Read and correct rows, whose numbers are those of the rows that are kept; see `PixelTable.read_into`."""
        if self.kept is not None:
            seams = np.append(0, np.cumsum(self.kept[:, 1] - self.kept[:, 0]))
            which, parts = cut_ranges(ranges, seams)
            ranges = parts + (self.kept[which, 0] - seams[which])[:, None]
        steps, names = needed(self.steps, list(rows))
        more = empty_rows([name for name in names if name not in rows], row_count(ranges))
        all_of_them = rows | more
        self.table.read_into(ranges, {name: all_of_them[name] for name in names})
        for step in steps:
            step.apply(all_of_them)


class CorrectedTable(StoreOfRows):
    """A store of corrections; see `table.PixelTable`.

    Parameters
    ----------
    path : of the store
    store : the same, if it is open already
    opener : opens a pixel table

    Raises
    ------
    MusedeepError
        The store is damaged; a pixel table is not there any more, or is another one.
    """

    format = "corrections in a zarr store"
    light = False
    kind = KIND
    version = VERSION
    checks = MappingProxyType(
        {
            **OF_ROWS,
            "tables": lambda v: isinstance(v, list) and len(v) > 0 and all(_is_table(one) for one in v),
            "steps": lambda v: isinstance(v, list) and all(_is_step(one) for one in v),
        }
    )

    def __init__(self, path: Location, store: CheckedStore, opener: Opener) -> None:
        super().__init__(path, store)
        attributes = self.attributes()
        steps = [self._step(number, dict(one)) for number, one in enumerate(attributes["steps"])]
        self.tables = []
        for number, one in enumerate(attributes["tables"]):
            kept = self.whole(f"tables/{number}/kept") if one.get("kept") else None
            table = self._opened(one, opener)
            self.tables.append(CorrectedRows(table, kept, [steps[k] for k in one["steps"]]))
        self._seams = np.cumsum([0, *(one.n_rows for one in self.tables)], dtype=np.int64)
        if self._seams[-1] != self.n_rows:
            raise MusedeepError(f"{path}: its pixel tables have other rows than it says; reduce the exposure again")

    def _step(self, number: int, numbers: dict[str, Any]) -> RowStep:
        def table(ifu: int) -> Table:
            return self._table(f"steps/{number}/ifu-{ifu:02d}")

        try:
            return step_of(numbers.pop("kind"), numbers, lambda name: self.whole(f"steps/{number}/{name}"), table)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise MusedeepError(f"{self.path}: correction {number} is damaged; reduce the exposure again") from error

    def _table(self, name: str) -> Table:
        """Parts of a table of slices; it is opened when it is needed first."""
        opened: list[ColumnReader] = []

        def part(first: int, last: int) -> NDArray[np.float32]:
            if not opened:
                opened.append(ColumnReader(self._store.array(name), self._store))
            column = opened[0]
            size = column.chunk_rows
            begin = first // size
            values = column.values(begin, -(-min(last, column.shape[0]) // size))
            return np.ascontiguousarray(values[first - begin * size : last - begin * size].T)

        return part

    def _opened(self, one: Mapping[str, Any], opener: Opener) -> PixelTable:
        where = location(one["path"])
        gone = f"{self.path}: the pixel table {one['path']}, which it corrects, is"
        if isinstance(where, Path):
            near = self.path.resolve().parents[:2] if isinstance(self.path, Path) else ()
            found = next((path for path in (where, *(place / where.name for place in near)) if path.exists()), None)
            if found is None:
                raise MusedeepError(f"{gone} gone; put it there or beside the store, or reduce the exposure again")
            where = found
        table = opener(where)
        if table.identity != one["identity"]:
            raise MusedeepError(f"{gone} another than it was; reduce the exposure again")
        return table

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`."""
        ranges = clean_ranges(ranges, self.n_rows)
        if not ranges.shape[0]:
            return
        which, parts = cut_ranges(ranges, self._seams)
        filled = 0
        for a, b in pairwise(np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])):
            here = parts[a:b] - self._seams[which[a]]
            n = row_count(here)
            if n:
                some = {name: values[filled : filled + n] for name, values in rows.items()}
                self.tables[which[a]].read_into(here, some)
            filled += n

    def close(self) -> None:
        """See `PixelTable.close`."""
        for one in self.tables:
            one.table.close()


def _is_step(value: Any) -> bool:
    return isinstance(value, dict) and value.get("kind") in KINDS


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("path", "identity"))
        and isinstance(value.get("steps"), list)
    )


def write_corrections(
    path: Location,
    tables: Sequence[CorrectedRows],
    index: tuple[NDArray[np.int64], NDArray[np.float32]],
    columns: tuple[Sequence[str], Mapping[str, str]],
    layout: dict[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write a store of corrections.

    Parameters
    ----------
    path : Path or StoreUrl, the zarr group to make; it appears when it is whole
    tables : the pixel tables, in the order of their IFUs
    index : edges (int64 (segments + 1,)) and boxes (float32 (segments, 6)) of the segments of all corrected rows
    columns : names of the columns, and units of those that have one
    layout : see `store_writer.write_store`

    Raises
    ------
    MusedeepError
        The store exists; not enough disk space.
    """
    with new_store(path, overwrite, NEED) as target:
        group = target.group
        steps: list[RowStep] = []
        described = []
        for number, one in enumerate(tables):
            numbers = []
            for step in one.steps:
                found = next((k for k, other in enumerate(steps) if other is step), len(steps))
                if found == len(steps):
                    steps.append(step)
                numbers.append(found)
            if one.kept is not None:
                save_whole(target, group.require_group(f"tables/{number}"), "kept", one.kept)
            described.append(
                {
                    "path": absolute(one.table.path), "identity": one.table.identity, "rows": one.table.n_rows,
                    "kept": one.kept is not None, "steps": numbers,
                }
            )  # fmt: skip
        for number, step in enumerate(steps):
            place = group.require_group(f"steps/{number}")
            for name, values in step.arrays().items():
                save_whole(target, place, name, values)
            if isinstance(step, OfSlices):
                for ifu, table in step.tables.items():
                    spectra = np.ascontiguousarray(table(0, step.bins + 2).T)
                    column = ColumnWriter(create_table(place, f"ifu-{ifu:02d}", spectra.shape), target)
                    column.append(spectra)
                    column.finish()
        place = group.create_group("index")
        save_whole(target, place, "edges", index[0])
        save_whole(target, place, "boxes", index[1])
        save_other_hdus(target, layout)
        group.attrs.update(
            {
                "kind": KIND, "version": VERSION, "rows": sum(one.n_rows for one in tables),
                "columns": list(columns[0]), "units": dict(columns[1]), "tables": described,
                "steps": [{"kind": kind_of(step), **step.numbers()} for step in steps],
                "format": layout["format"], "hdus": layout["hdus"],
            }
            | ({"unsigned": True} if layout.get("unsigned") else {})
        )  # fmt: skip
