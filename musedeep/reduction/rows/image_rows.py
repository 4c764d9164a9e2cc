"""Making a pixel table of a calibrated CCD image: its rows, and the cards that describe them (manual 6.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.slices.slice_pixels import pixels_of_origin, row_wavelengths
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.rows.slice_map import EVERYWHERE, Image, SliceMap, _bounds
from musedeep.reduction.rows.source import all_rows
from musedeep.storage.pixel_tables.table import REQUIRED, Rows, clean_ranges, empty_rows

UNITS: Final = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2"}
"""Units of a pixel table with positions in the field of view, before flux calibration."""


_PIXTABLE: Final = "ESO DRS MUSE PIXTABLE "


@dataclass
class PixelRows:
    """Rows of one IFU of one exposure, in memory.

    Attributes
    ----------
    path : Path, of the table to be, for messages
    rows : columns by name
    starts : int64 (49,), rows starts[i] to starts[i + 1] are those of slice i + 1 on the CCD
    """

    path: Path
    rows: Rows
    starts: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Rows of all slices."""
        return int(self.starts[-1])

    def slice_rows(self, index: int) -> slice:
        """Rows of a slice, counted from 0 on the CCD."""
        return slice(int(self.starts[index]), int(self.starts[index + 1]))


class ImageRows:
    """Rows of one IFU of one exposure, made of its image wherever they are read: a `RowSource`.

    A whole table takes twice the memory of the image, and the time to get it from the system.

    Attributes
    ----------
    path : Path, of the table to be, for messages
    image : (data, dq, stat)
    row_starts : int64 (slices * rows of the CCD + 1,), rows of the table before each row of the CCD, slice by slice
    n_rows : int
    names, units : columns, and their units
    """

    names: tuple[str, ...] = REQUIRED

    def __init__(
        self, path: Path, where: SliceMap, image: Image, shift: float = 0.0, limits: tuple[float, float] = EVERYWHERE
    ) -> None:
        """The rows of an image.

        Parameters
        ----------
        path, where, image : see the attributes
        shift : float, added to the wavelengths [Angstrom]
        limits : (low, high), wavelengths that are kept, both limits inside [Angstrom]

        Raises
        ------
        MusedeepError
            The image has another number of rows than the traces.
        """
        if image[0].shape[0] != where.edges.shape[2]:
            raise MusedeepError(
                f"{path}: image of {image[0].shape[0]} rows, the traces are for {where.edges.shape[2]}; give "
                "calibrations and frames of one read-out"
            )
        self.path, self.where, self.image, self.units = path, where, image, dict(UNITS)
        self._kept = shift, limits, image[0].shape[1]
        self._offsets = where.offsets
        self.row_starts = np.concatenate([[0], np.cumsum(where.counts(*self._kept))])
        self.n_rows = int(self.row_starts[-1])

    @property
    def starts(self) -> NDArray[np.int64]:
        """Rows starts[i] to starts[i + 1] are those of slice i + 1 on the CCD, int64 (49,)."""
        return self.row_starts[:: self.where.edges.shape[2]]

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `RowSource.read`."""
        found = clean_ranges(ranges, self.n_rows)
        length = found[:, 1] - found[:, 0]
        rows = empty_rows(("lambda", "origin"), int(length.sum()))
        where, bounds = self.where, _bounds(*self._kept)
        at = 0
        for first, n in zip(found[:, 0].tolist(), length.tolist(), strict=True):
            values, origin = rows["lambda"][at : at + n], rows["origin"][at : at + n]
            row_wavelengths(
                where.ifu, where.edges, where.wavelength, self._offsets, *bounds, self.row_starts, first, values,
                origin,
            )  # fmt: skip
            at += n
        if not set(names) <= rows.keys():
            rows = self.complete(rows)
        return {name: rows[name] for name in names}

    def complete(self, known: Rows) -> Rows:
        """See `RowsByOrigin.complete`."""
        made = empty_rows(("xpos", "ypos", "data", "dq", "stat"), known["origin"].size)
        where = self.where
        pixels_of_origin(known["origin"], where.edges, where.geometry, self._offsets, self.image, *made.values())
        return known | made

    def limits(self) -> NDArray[np.float32]:
        """Smallest and largest xpos, ypos [pixel] and wavelength [Angstrom]: float32 (3, 2), zeros without rows."""
        if not self.n_rows:
            return np.zeros((3, 2), np.float32)
        return np.stack(self.where.limits(*self._kept), axis=1).astype(np.float32)

    def cards(self) -> list[Card]:
        """What the primary header says of a pixel table: its type, the offsets of slices, limits (manual A.3.2)."""
        cards: list[Card] = [(_PIXTABLE + "TYPE", "GEOFULL", "pixel table with full geometry information")]
        ifu = self.where.ifu
        for number, offset in enumerate(self._offsets, 1):
            key = f"{_PIXTABLE}EXP0 IFU{ifu:02d} SLICE{number:02d} XOFFSET"
            cards.append((key, int(offset), "x-offset of given slice"))
        filled = np.flatnonzero(np.diff(self.starts)) + 1
        ends = (int(filled[0]), int(filled[-1])) if filled.size else (1, N_SLICES)
        limits = [*zip(("X", "Y", "LAMBDA"), self.limits(), strict=True), ("IFU", (ifu, ifu)), ("SLICE", ends)]
        for axis, (low, high) in limits:
            cards += [(f"{_PIXTABLE}LIMITS {axis} LOW", low, ""), (f"{_PIXTABLE}LIMITS {axis} HIGH", high, "")]
        return cards


def create_pixels(
    path: Path, where: SliceMap, image: Image, shift: float = 0.0, limits: tuple[float, float] = EVERYWHERE
) -> PixelRows:
    """All rows of an image, in memory; see `ImageRows`."""
    made = ImageRows(path, where, image, shift, limits)
    return PixelRows(path, all_rows(made), made.starts)
