"""A box computed window by window, so that no row is read, placed, sorted or judged twice within it.

1. A window is some lines of the box, with all its planes. The windows follow each other, and each has the margin of any
   box. A segment of rows is read for the first window that it reaches into.
2. Its rows are placed at once. Those that lie beyond the window wait, in the order of their rows, for theirs
   (`Sweep.put_aside`, `Sweep.take`).
3. The rows of the new lines are sorted by voxel; those of the lines that two windows share come sorted from the window
   before, with the flags of those that are judged already (`Sweep.gather`, `Sweep.carry`).

In a voxel, rows are in the order of the exposures, then of the table, as if the box were computed at once: the bits
of a voxel do not depend on windows.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.reject import empty_flags
from musedeep.kernels.cube.sorting import Rows, claim_places, count_cells, scatter, scatter_constant
from musedeep.kernels.cube.window import claim_in_order, copy_runs, merged_order, pick, split_by_line
from musedeep.workspace import Workspace

NUMBER = "number"
"""Column of loaded rows: their number in the table, uint32; it is where rows are sorted to later."""

MOST_ROWS = 2**32
"""Rows of an exposure that can be numbered; of one with more, boxes are computed at once."""


class Lines(Protocol):
    """Planes [z0, z1) and lines [y0, y1): a `box.Box`."""

    @property
    def z0(self) -> int: ...
    @property
    def z1(self) -> int: ...
    @property
    def y0(self) -> int: ...
    @property
    def y1(self) -> int: ...


@dataclass
class Sweep:
    """What a window leaves for the next ones of its box.

    Attributes
    ----------
    outer : of the whole box, with its margin
    end : line after the last of the box without its margin
    width : columns of a window, with margins
    waiting : by exposure, rows beyond the lines that have been loaded, ascending; cells are those of `outer`
    carried : rows of lines that the next window shares, sorted by cell
    start : int64 (planes, cells + 1), where the carried rows of the cells of each plane begin
    flags : uint8, of the carried rows
    judged : lines below have their flags
    """

    outer: Lines
    end: int
    width: int
    waiting: dict[int, Rows] = field(default_factory=dict)
    carried: Rows = field(default_factory=dict)
    start: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 1), np.int64))
    flags: NDArray[np.uint8] = field(default_factory=lambda: empty_flags(0))
    judged: int = -1

    @property
    def held(self) -> int:
        """Rows that wait or are carried."""
        return sum(rows["cell"].size for rows in self.waiting.values()) + self.flags.size

    def _split(self, cell: NDArray[np.int32], window: Lines) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        stays, goes = np.empty(cell.size + 1, np.int32), np.empty(cell.size + 1, np.int32)
        stay, go = split_by_line(
            cell, self.outer.y1 - self.outer.y0, self.width, window.y0 - self.outer.y0, window.y1 - self.outer.y0,
            window.y1 - window.y0, stays, goes,
        )  # fmt: skip
        return stays[:stay], goes[:go]

    def take(self, exposure: int, window: Lines, out: Rows, filled: int) -> int:
        """Append the waiting rows of an exposure that lie in a window to the columns of `out`; returns their number."""
        if exposure not in self.waiting:
            return 0
        rows = self.waiting.pop(exposure)
        stays, goes = self._split(rows["cell"], window)
        for name, column in rows.items():
            pick(column, stays, out[name][filled : filled + stays.size])
        if goes.size:
            self.waiting[exposure] = {name: column[goes] for name, column in rows.items()}
        return int(stays.size)

    def put_aside(self, window: Lines, out: Rows, filled: int, kept: int) -> tuple[int, Rows]:
        """Of rows just placed, leave those of a window, and return how many, and those of later windows."""
        room = slice(filled, filled + kept)
        stays, goes = self._split(out["cell"][room], window)
        if stays.size == kept:
            return kept, {}
        later = {}
        for name, column in out.items():
            placed = column[room]
            if goes.size:
                later[name] = placed[goes]
            pick(placed, stays, placed)
        return int(stays.size), later

    def wait(self, exposure: int, parts: list[Rows]) -> None:
        """Let rows of an exposure, in the order of the table, wait with those that do."""
        parts = [part for part in parts if part]
        if not parts:
            return
        before = self.waiting.get(exposure)
        if before is None and len(parts) == 1:
            self.waiting[exposure] = parts[0]
            return
        parts = [before, *parts] if before is not None else parts
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if before is not None:
            order = np.empty(joined[NUMBER].size, np.int32)
            merged_order(joined[NUMBER], before[NUMBER].size, order)
            joined = {name: column[order] for name, column in joined.items()}
        self.waiting[exposure] = joined

    def gather(
        self, loaded: Rows, exposures: list[tuple[int, int, int]], window: Lines, workspace: Workspace
    ) -> tuple[Rows, NDArray[np.int64], NDArray[np.uint8]]:
        """The rows of a window sorted by cell, those carried from the one before among them.

        Parameters
        ----------
        loaded : columns with room for the carried rows too; used for others, and emptied
        exposures : number of each exposure, the row after the last of those that waited, and after its last row

        Returns
        -------
        rows, start : see `sorting.sort_by_cell`
        flags : uint8, of the rows that are judged already
        """
        planes, lines, width = window.z1 - window.z0, window.y1 - window.y0, self.width
        n = exposures[-1][2] if exposures else 0
        total = n + self.flags.size
        cell = loaded.pop("cell")[:n]
        numbers = loaded.pop(NUMBER)
        # in 32 bits, as places are: more of them stay in the processor's cache
        free = np.zeros(planes * lines * width + 1, np.int32)
        count_cells(cell, free)
        if self.flags.size:
            begins, ends = self.start[:, 0].copy(), self.start[:, -1].copy()
            held = np.diff(self.start, axis=1)
            free[1:].reshape(planes, -1)[:, : held.shape[1]] += held.astype(np.int32)
        start = np.cumsum(free, dtype=np.int64)
        places = start[:-1].reshape(planes, -1)[:, 0].copy()
        free[:] = start
        free = free[:-1]
        if self.flags.size:
            free.reshape(planes, -1)[:, : held.shape[1]] += held.astype(np.int32)
        first = 0
        for _, middle, last in exposures:
            if first < middle < last and numbers[middle - 1] > numbers[middle]:
                order = workspace.array("order", last - first, np.int32)
                merged_order(numbers[first:last], middle - first, order)
                claim_in_order(cell[first:last], order, free)
            else:
                claim_places(cell[first:last], free)
            first = last
        if not loaded["bad"][:n].any() and not ("bad" in self.carried and self.carried["bad"].any()):
            del loaded["bad"]
        rows: Rows = {}
        spare = workspace.array("spare", total, np.float32)
        for name in list(loaded):
            column = loaded.pop(name)
            same = column.dtype == np.float32
            rows[name] = spare if same else workspace.array(f"{name} in order", total, column.dtype)
            scatter(column[:n], cell, rows[name])
            if same:
                spare = column[:total]
        rows["exposure"] = workspace.array("exposure", total, np.uint16)
        first = 0
        for number, _, last in exposures:
            scatter_constant(number, cell[first:last], rows["exposure"])
            first = last
        flags = empty_flags(total)
        if self.flags.size:
            for name, column in rows.items():
                before = self.carried.pop(name, None)
                if before is None:  # of rows all of which are good
                    before = np.zeros(self.flags.size, column.dtype)
                copy_runs(before, begins, ends, places, column)
            copy_runs(self.flags, begins, ends, places, flags)
        self.carried, self.flags = {}, empty_flags(0)
        return rows, start, flags

    def carry(
        self, rows: Rows, start: NDArray[np.int64], flags: NDArray[np.uint8], window: Lines, first: int, judged: int
    ) -> None:
        """Keep the rows of the lines of a window from `first` on for the next one; lines below `judged` have flags."""
        planes, lines, width = window.z1 - window.z0, window.y1 - window.y0, self.width
        inside = start[:-1].reshape(planes, lines * width)[:, (first - window.y0) * width :]
        begins, ends = inside[:, 0].copy(), start[lines * width :: lines * width].copy()
        at = np.append(inside, ends[:, None], axis=1)
        sizes = ends - begins
        places = np.cumsum(sizes) - sizes
        total = int(sizes.sum())
        self.start = at - (begins - places)[:, None]
        self.carried = {name: np.empty(total, column.dtype) for name, column in rows.items()}
        for name, column in rows.items():
            copy_runs(column, begins, ends, places, self.carried[name])
        self.flags = empty_flags(total)
        copy_runs(flags, begins, ends, places, self.flags)
        self.judged = judged
