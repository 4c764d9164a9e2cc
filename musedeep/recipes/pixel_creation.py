"""Making a pixel table of a calibrated CCD image: its rows in memory, and the cards that describe them (manual 6.4)."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.slice_pixels import count_pixels, slice_pixels, trace_edges, x_offsets
from musedeep.recipes.product_headers import Card
from musedeep.storage.pixel_table import COLUMN_TYPES, REQUIRED, Rows, clean_ranges, empty_rows
from musedeep.storage.pixel_table_zarr import copy_pieces

UNITS: Final = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2"}
"""Units of a pixel table with positions in the field of view, before flux calibration."""

EVERYWHERE: Final = (-np.inf, np.inf)

_PIXTABLE: Final = "ESO DRS MUSE PIXTABLE "

Image = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]
"""data, dq, stat of a trimmed image, (rows, columns) each."""


def useful_range(mode: str) -> tuple[float, float]:
    """Useful wavelengths of an instrument mode (ESO INS MODE), Angstrom (muse_scibasic, parameter crop)."""
    if mode.endswith("-E"):
        return 4600.0, 9350.0
    return (4700.0 if mode.startswith("WFM-AO") else 4750.0), 9350.0


@dataclass(frozen=True)
class SliceMap:
    """Where the pixels of one IFU lie in the field of view and in wavelength.

    Attributes
    ----------
    ifu : int
    edges : float64 (48, 2, rows)
        Left and right edge of each slice in each row [pixel, from 1]; NaN where there is no trace.
    wavelength : float64 (48, x order + 1, y order + 1)
        Polynomials of column and row, from 1 [Angstrom].
    geometry : float64 (48, 4)
        x, y [pixel], angle [rad], width [pixel] in the field of view.
    """

    ifu: int
    edges: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    geometry: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        ifu: int,
        trace: NDArray[np.float64],
        wavelength: NDArray[np.float64],
        geometry: NDArray[np.float64],
        n_rows: int,
    ) -> "SliceMap":
        """From the coefficients of the edges, float64 (48, 2, order + 1), and what else a `SliceMap` has."""
        return cls(ifu, trace_edges(np.asarray(trace, np.float64), n_rows), wavelength, geometry)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """XOFFSET of each slice, int64 (48,)."""
        return x_offsets(np.nan_to_num(self.edges))


@dataclass
class PixelRows:
    """The rows of one IFU of one exposure, in memory: a `storage.store_writer.RowSource`.

    Attributes
    ----------
    path : Path
        Of the table to be, for messages.
    rows : columns by name
    starts : int64 (49,)
        Rows starts[i] to starts[i + 1] are those of slice i + 1 on the CCD.
    ifu : int
    offsets : int64 (48,)
        XOFFSET of each slice.
    """

    path: Path
    rows: Rows
    starts: NDArray[np.int64]
    ifu: int
    offsets: NDArray[np.int64]
    names: tuple[str, ...] = REQUIRED
    units: dict[str, str] = field(default_factory=lambda: dict(UNITS))
    n_rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.n_rows = int(self.starts[-1])

    def slice_rows(self, index: int) -> slice:
        """Rows of a slice, counted from 0 on the CCD."""
        return slice(int(self.starts[index]), int(self.starts[index + 1]))

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        found = clean_ranges(ranges, self.n_rows)
        if len(found) == 1:
            a, b = found[0]
            return {name: self.rows[name][a:b] for name in names}
        length = found[:, 1] - found[:, 0]
        place = np.cumsum(length) - length
        rows = empty_rows(names, int(length.sum()))
        for name, column in rows.items():
            copy_pieces(self.rows[name], found[:, 0], length, place, column)
        return rows

    def take(self, numbers: NDArray[np.int64], name: str) -> NDArray[Any]:
        """See `storage.store_writer.RowsInMemory`."""
        return self.rows[name][numbers]


def create_pixels(
    path: Path,
    where: SliceMap,
    image: Image,
    shift: float = 0.0,
    limits: tuple[float, float] = EVERYWHERE,
) -> PixelRows:
    """Make the rows of a pixel table, slices in parallel threads.

    Parameters
    ----------
    path : Path
        Of the table to be, for messages.
    where : SliceMap
    image : (data, dq, stat)
    shift : float
        Added to the wavelengths [Angstrom].
    limits : (low, high)
        Wavelengths that are kept, both limits inside [Angstrom].

    Returns
    -------
    PixelRows

    Raises
    ------
    MusedeepError
        The image has another number of rows than the traces.
    """
    if image[0].shape[0] != where.edges.shape[2]:
        raise MusedeepError(
            f"{path}: image of {image[0].shape[0]} rows, the traces are for {where.edges.shape[2]}; give calibrations "
            "and frames of one read-out"
        )
    move, low, high = np.float32(shift), np.float32(limits[0]), np.float32(limits[1])
    offsets = where.offsets
    n_slices = where.edges.shape[0]
    n_columns = image[0].shape[1]

    def count(k: int) -> int:
        return int(count_pixels(where.edges[k], where.wavelength[k], move, low, high, n_columns))

    with ThreadPoolExecutor(min(os.cpu_count() or 1, n_slices)) as pool:
        starts = np.concatenate([[0], np.cumsum(list(pool.map(count, range(n_slices))))]).astype(np.int64)
        rows = {name: np.empty(starts[-1], COLUMN_TYPES[name]) for name in REQUIRED}

        def fill(k: int) -> None:
            here = slice(starts[k], starts[k + 1])
            slice_pixels(
                where.ifu, k + 1, where.edges[k], where.wavelength[k], where.geometry[k], offsets[k], move, low, high,
                image, tuple(rows[name][here] for name in REQUIRED),
            )  # fmt: skip

        list(pool.map(fill, range(n_slices)))
    return PixelRows(path, rows, starts, where.ifu, offsets)


def pixel_table_cards(table: PixelRows) -> list[Card]:
    """What the primary header says of a pixel table: its type, the offsets of slices, and limits (manual A.3.2)."""
    cards: list[Card] = [(_PIXTABLE + "TYPE", "GEOFULL", "pixel table with full geometry information")]
    for number, offset in enumerate(table.offsets, 1):
        key = f"{_PIXTABLE}EXP0 IFU{table.ifu:02d} SLICE{number:02d} XOFFSET"
        cards.append((key, int(offset), "x-offset of given slice"))
    for axis, name in (("X", "xpos"), ("Y", "ypos"), ("LAMBDA", "lambda")):
        values = table.rows[name]
        low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
        cards += [(f"{_PIXTABLE}LIMITS {axis} LOW", np.float32(low), "")]
        cards += [(f"{_PIXTABLE}LIMITS {axis} HIGH", np.float32(high), "")]
    filled = np.flatnonzero(np.diff(table.starts)) + 1
    ends = (int(filled[0]), int(filled[-1])) if filled.size else (1, N_SLICES)
    for axis, (first, last) in (("IFU", (table.ifu, table.ifu)), ("SLICE", ends)):
        cards += [(f"{_PIXTABLE}LIMITS {axis} LOW", first, ""), (f"{_PIXTABLE}LIMITS {axis} HIGH", last, "")]
    return cards
