"""What the boxes of a plan ask of the file system: files opened, reads, writes, and the bytes of them.

Which rows a box reads follows from the segments of the exposures, as in a real run; how many requests that takes
follows from how the rows lie in their files (`storage.pixel_tables.requests`). A plan has too many boxes and exposures
to look at each of them: some of either stand for all, in proportion to the rows that they read.

Not counted is what a worker reads once and keeps: job, headers, and the places of segments (32 bytes for 256 rows).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.graph.combine.plan import Plan
from musedeep.reduction.cube.box import Box, Resampling
from musedeep.reduction.cube.scan import select_ranges
from musedeep.storage.pixel_tables.requests import Layout, Requests, requests_of
from musedeep.storage.pixel_tables.table import row_count

EXPOSURES, BOXES = 4, 64
"""Exposures whose segments are kept, and boxes of a plan that are looked at, at most."""


@dataclass(frozen=True)
class SampledExposure:
    """An exposure that stands for others: its segments in the cube (`scan.VOXEL_SEGMENT`), and how its rows lie."""

    segments: NDArray[Any]
    layout: Layout


@dataclass(frozen=True)
class Traffic:
    """What all boxes of a run ask of the file system.

    Attributes
    ----------
    opens : files opened, to read or to write
    reads, bytes_in : ranges or chunks of pixel tables that are read, and their bytes as stored
    writes, bytes_out : pieces of the cube, and of the exposure map, that are written, and their bytes
    """

    opens: int
    reads: int
    bytes_in: int
    writes: int
    bytes_out: int

    @property
    def requests(self) -> int:
        """All of them."""
        return self.opens + self.reads + self.writes


def sampled(number: int, most: int) -> list[int]:
    """At most so many of a number of things, spread evenly, the first and the last among them."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int)).tolist() if number else []


def traffic(
    plan: Plan,
    exposures: Sequence[SampledExposure],
    how: Resampling,
    shape: tuple[int, int, int],
    names: Sequence[str],
) -> Traffic:
    """What the boxes of a plan ask of the file system.

    Parameters
    ----------
    plan : with its `rows_read`
    exposures : those that stand for all; exact if they are all there are, and the boxes no more than BOXES
    shape : of the cube
    names : columns that are read
    """
    total, rows = Requests(), 0
    for k in sampled(len(plan.tasks), BOXES):
        outer = plan.tasks[k].box.grown(how.margin, shape)
        for one in exposures:
            ranges = select_ranges(one.segments, outer.z0, outer.z1, outer.y0, outer.y1)
            if ranges.size:
                rows += row_count(ranges)
                total += requests_of(one.layout, ranges, names)
    factor = plan.rows_read / rows if rows else 0.0
    opens, reads, nbytes = (round(factor * n) for n in (total.opens, total.reads, total.nbytes))
    writes = [_writes(task.box, how, shape) for task in plan.tasks]
    return Traffic(
        opens + sum(one.opens for one in writes), reads, nbytes,
        sum(one.reads for one in writes), sum(one.nbytes for one in writes),
    )  # fmt: skip


def _writes(box: Box, how: Resampling, shape: tuple[int, int, int]) -> Requests:
    """Of a box of all columns: a piece for each plane, or one if it has all lines (`ArrayInFile.write_box`)."""
    _, ny, nx = shape
    planes, lines = box.z1 - box.z0, box.y1 - box.y0
    arrays, voxel = (4, 14) if how.exposure_map else (2, 8)
    return Requests(arrays, arrays * (1 if lines == ny else planes), voxel * planes * lines * nx)
