"""The cube of the twilight sky: pixels of each IFU into a coarse grid of the field, then all IFUs together."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.kernels.cube import reject, resample
from musedeep.kernels.cube.drizzle import CellRows, Voxels, Weights
from musedeep.kernels.cube.sorting import sort_by_cell
from musedeep.kernels.field.field_cells import keep_good_rows, nearest_rows
from musedeep.processors import available_processors
from musedeep.reduction.rows.image_rows import PixelRows
from musedeep.reduction.rows.slice_map import Limits
from musedeep.workspace import Workspace

LOOP_DISTANCE: Final = 1
"""Voxels around its own that a pixel can reach; this and the next two are those of the reference (its log, tests)."""

PIXFRAC: Final = 1.0
CRITICAL_RADIUS: Final = 1.25


@dataclass(frozen=True)
class HowToResample:
    """Parameters resample, crtype and crsigma."""

    method: str
    crtype: str
    crsigma: float


@dataclass(frozen=True)
class Strip:
    """The part of a cube of the field that one IFU fills.

    Attributes
    ----------
    first : its first line
    sums : float64 (planes, lines, columns, 3), sums of weight x value, weight, weight**2 x variance
    distance : float64 (planes, lines, columns), or (0, 0, 0), with resample=nearest: squared distances of the pixels
    """

    first: int
    sums: NDArray[np.float64]
    distance: NDArray[np.float64]


class FieldGrid:
    """The grid of a cube of the field.

    Parameters
    ----------
    limits : of all pixels to come
    step : of the planes [Angstrom]

    Attributes
    ----------
    start : float64 (3,), x, y [pixel] and wavelength [Angstrom] of the first voxel
    shape : planes, lines, columns
    """

    def __init__(self, limits: Limits, step: float, how: HowToResample) -> None:
        self.start, self.step, self.how = limits[0], step, how
        size = limits[1] - limits[0]
        self.shape = int(np.ceil(size[2] / step)) + 1, int(size[1] + 0.5) + 1, int(size[0] + 0.5) + 1

    def strip(self, table: PixelRows) -> Strip:
        """What the pixels of an IFU, of which there are some, give; the table is used up.

        Outliers are looked for among the pixels of this IFU.
        """
        nz, ny, nx = self.shape
        how, columns = self.how, table.rows
        places = columns["ypos"].min() - self.start[1], columns["ypos"].max() - self.start[1]
        first = max(int(np.floor(places[0])) - LOOP_DISTANCE, 0)
        last = min(int(np.ceil(places[1])) + LOOP_DISTANCE, ny - 1) + 1
        shape = nz, last - first, nx
        start = self.start + np.array([0.0, first, 0.0])
        cell = columns.pop("origin")
        kept = keep_good_rows(
            columns["xpos"], columns["ypos"], columns["lambda"], columns["data"], columns["stat"], columns.pop("dq"),
            start, self.step, shape, cell,
        )  # fmt: skip
        rows = {name: columns.pop(name)[:kept] for name in list(columns)}
        rows["cell"] = cell[:kept]
        del cell
        rows, starts = sort_by_cell(rows, [(0, kept)], int(np.prod(shape)), Workspace())
        flags = reject.empty_flags(kept)
        strip = Strip(
            first, np.zeros((*shape, 3)), np.full(shape if how.method == "nearest" else (0, 0, 0), np.inf)
        )  # fmt: skip
        with ThreadPoolExecutor(min(available_processors(), nz)) as pool:
            if how.crsigma > 0:
                kind = reject.rejection_kind(how.crtype)

                def look(z: int) -> None:
                    reject.reject(
                        rows["data"], rows["data"], rows["stat"], starts, shape, np.array([z, z + 1, 0, shape[1]]),
                        reject.ALONG_X, kind, how.crsigma, flags,
                    )  # fmt: skip

                list(pool.map(look, range(nz)))

            def fill(z: int) -> None:
                self._plane(z, rows, starts, flags, shape, start, strip)

            list(pool.map(fill, range(nz)))
        return strip

    def _plane(
        self,
        z: int,
        rows: dict[str, NDArray],
        starts: NDArray[np.int64],
        flags: NDArray[np.uint8],
        shape: tuple[int, int, int],
        start: NDArray[np.float64],
        strip: Strip,
    ) -> None:
        """Fill a plane of a strip."""
        _, ny, nx = shape
        if self.how.method == "nearest":
            nearest_rows(
                rows["xpos"], rows["ypos"], rows["lambda"], rows["data"], rows["stat"], flags, starts,
                (z * ny * nx, (z + 1) * ny * nx), shape, start, self.step, DISPERSION, 1.0, strip.distance, strip.sums,
            )  # fmt: skip
            return
        y, x = np.mgrid[0:ny, 0:nx].astype(np.float64)
        thick = self.step / DISPERSION
        cell_rows = CellRows(
            rows["xpos"], rows["ypos"], rows["lambda"], rows["data"], rows["stat"], rows["exposure"], flags, starts
        )
        voxels = Voxels(
            shape, (z, z + 1), (0, ny), start[0] + x, start[1] + y, np.ones((ny, nx)),
            start[2] + self.step * np.arange(shape[0]), np.full(shape[0], thick), np.array([1.0, 1.0 / DISPERSION]),
            np.eye(2), np.ones(2),
        )  # fmt: skip
        weights = Weights(np.ones(1), np.empty(0, np.float32))
        radius = CRITICAL_RADIUS * float(np.sqrt(2.0 + thick**2))
        kernel = resample.Kernel(resample.METHODS[self.how.method], LOOP_DISTANCE, radius, np.full(3, PIXFRAC))
        resample.accumulate(
            cell_rows, voxels, weights, kernel, strip.sums[z : z + 1], np.zeros((0, 0, 0, 0), np.uint64)
        )

    def cube(self, strips: Iterable[tuple[Strip, float]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Data and variances of strips, each times its scale, in this order.

        Returns
        -------
        float32 (planes, lines, columns) each; NaN where there are no data.
        """
        sums = np.zeros((*self.shape, 3))
        distance = np.full(self.shape, np.inf)
        for strip, scale in strips:
            lines = slice(strip.first, strip.first + strip.sums.shape[1])
            if self.how.method == "nearest":
                nearer = strip.distance < distance[:, lines]
                distance[:, lines][nearer] = strip.distance[nearer]
                sums[:, lines][nearer] = (
                    strip.sums[nearer] * np.array([scale, 1.0, scale]) * np.array([1.0, 1.0, scale])
                )
            else:
                sums[:, lines] += strip.sums * np.array([scale, 1.0, scale * scale])
        data, stat = np.empty(self.shape, np.float32), np.empty(self.shape, np.float32)
        resample.finish(
            sums, np.zeros((0, 0, 0, 0), np.uint64), np.ones(1), data, stat,
            np.zeros((0, 0, 0), np.uint16), np.zeros((0, 0, 0), np.float32),
        )  # fmt: skip
        return data, stat


def white_image(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the planes that have data, float32 (lines, columns); NaN where none has."""
    good = np.isfinite(data)
    number = good.sum(axis=0)
    total = np.where(good, data, 0.0).sum(axis=0, dtype=np.float64)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0).astype(np.float32)
