"""How many rows a box reads: those of all segments that reach into it, its own rows and many beside them.

Counting the segments for each box would take long: there are a million in a full exposure. Four integral images, of
where the corners of segments lie, give the same numbers at once: segments that do not reach into a box end before it
begins, or begin after it ends, along either axis or both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.reduction.cube.box import Box

PAD = 16
"""Planes and lines kept beyond the edges of the cube, into which segments may reach."""


@dataclass(frozen=True)
class ReadRows:
    """Rows of the segments, by where their corners lie.

    Attributes
    ----------
    corners : float64 (4, planes + 2 * PAD + 1, lines + 2 * PAD + 1)
        Rows whose segment has its corner at a plane and line: (first, first), (first, last), (last, first),
        (last, last); both ends beyond the edges count to the outermost.
    """

    corners: NDArray[np.float64]

    @staticmethod
    def of_segments(parts: Iterable[NDArray], shape: tuple[int, int, int]) -> "ReadRows":
        """From the segments of all exposures (`scan.VOXEL_SEGMENT`) in a cube of this shape."""
        nz, ny = shape[0] + 2 * PAD + 1, shape[1] + 2 * PAD + 1
        corners = np.zeros((4, nz, ny))
        for part in parts:
            rows = (part["stop"] - part["start"]).astype(np.float64)
            z = [np.clip(part[name].astype(np.int64) + PAD, 0, nz - 1) for name in ("z0", "z1")]
            y = [np.clip(part[name].astype(np.int64) + PAD, 0, ny - 1) for name in ("y0", "y1")]
            for k in range(4):
                corners[k] += np.bincount(z[k // 2] * ny + y[k % 2], rows, nz * ny).reshape(nz, ny)
        return ReadRows(corners)

    def scaled(self, factor: float) -> "ReadRows":
        """As of so many times the exposures."""
        return ReadRows(self.corners * factor)

    def repeated(self, planes: int, period: int) -> "ReadRows":
        """As of data that go on for so many planes, the same every `period` planes."""
        nz = planes + 2 * PAD + 1
        corners = np.zeros((4, nz, self.corners.shape[2]))
        for z in range(0, planes, period):
            n = min(self.corners.shape[1], nz - z)
            corners[:, z : z + n] += self.corners[:, :n]
        return ReadRows(corners)

    def counter(self) -> "ReadCounter":
        """For counting the rows of boxes."""
        return ReadCounter(self.corners)


class ReadCounter:
    """Integral images of the corners."""

    def __init__(self, corners: NDArray[np.float64]) -> None:
        # rows of segments whose corner lies below a plane and line
        self.below = np.zeros((4, corners.shape[1] + 1, corners.shape[2] + 1))
        self.below[:, 1:, 1:] = corners.cumsum(1).cumsum(2)
        self.total = float(self.below[0, -1, -1])

    def rows(self, box: Box) -> float:
        """Rows that a box (margin included) reads."""
        first_z, last_z, first_y, last_y = (v + PAD for v in (box.z0, box.z1, box.y0, box.y1))
        first_first, first_last, last_first, last_last = self.below
        # ends at or before the box begins: the last plane or line is at most its first
        before_z, before_y = last_first[first_z + 1, -1], first_last[-1, first_y + 1]
        # begins when the box has ended
        after_z, after_y = self.total - first_first[last_z, -1], self.total - first_first[-1, last_y]
        both = last_last[first_z + 1, first_y + 1]
        both += before_z - last_first[first_z + 1, last_y]
        both += before_y - first_last[last_z, first_y + 1]
        both += self.total - first_first[last_z, -1] - first_first[-1, last_y] + first_first[last_z, last_y]
        return float(self.total - before_z - before_y - after_z - after_y + both)
