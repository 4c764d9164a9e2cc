"""Where a row of a pixel table comes from: exposure, IFU, slice and pixel of the CCD (manual A.3.2).

The column `origin` holds the slice in bits 0 to 5, the IFU in bits 6 to 10, y in bits 11 to 23 and x relative to the
slice in bits 24 to 30; the offset of x of every slice is in the primary header, and in a table of several exposures
so are the rows of each.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import BORDER, N_COLUMNS, N_IFUS, N_ROWS, N_SLICES
from musedeep.storage.fits.headers import integer_of, number_or_none

UNKNOWN: Final = np.iinfo(np.int32).min
"""Offset of a slice that the header does not give."""

_OFFSET = re.compile(r"ESO DRS MUSE PIXTABLE EXP(\d+) IFU(\d+) SLICE(\d+) XOFFSET$")
_PIXTABLE = "ESO DRS MUSE PIXTABLE "

Integers = NDArray[np.int64]


def slice_numbers(origin: NDArray[Any]) -> NDArray[np.int32]:
    """Slice on the CCD, from 1, of each value of the column `origin`."""
    return origin & 63


def ifu_numbers(origin: NDArray[Any]) -> NDArray[np.int32]:
    """IFU, from 1, of each value of the column `origin`."""
    return origin >> 6 & 31


def exposure_rows(header: fits.Header, path: object) -> list[tuple[int, int]]:
    """First and last row of each exposure of a combined pixel table; empty for a single exposure.

    Parameters
    ----------
    header : primary header
    path : the table, for messages

    Raises
    ------
    MusedeepError
        A row number is none.
    """
    found: list[tuple[int, int]] = []
    while all(f"{_PIXTABLE}EXP{len(found) + 1} {end}" in header for end in ("FIRST", "LAST")):
        key = f"{_PIXTABLE}EXP{len(found) + 1} "
        found.append((integer_of(header, key + "FIRST", path), integer_of(header, key + "LAST", path, low=-1)))
    return found


@dataclass(frozen=True)
class Places:
    """Exposure, IFU, slice and CCD pixel of rows.

    Attributes
    ----------
    exposure : int64 (rows,), from 1; 0 if the table has only one
    ifu, slice : int64 (rows,), from 1; the slice as it is numbered on the CCD
    x, y : int64 (rows,)
        Pixel of the trimmed image, from 1; x is UNKNOWN where the header lacks the offset of the slice.
    """

    exposure: Integers
    ifu: Integers
    slice: Integers
    x: Integers
    y: Integers

    @property
    def x_raw(self) -> Integers:
        """Column of the raw image, from 1, or UNKNOWN."""
        return np.where(self.x == UNKNOWN, UNKNOWN, untrimmed(self.x, N_COLUMNS))

    @property
    def y_raw(self) -> Integers:
        """Row of the raw image, from 1."""
        return untrimmed(self.y, N_ROWS)


class OriginDecoder:
    """Decodes the column `origin` of one pixel table with the help of its primary header; see `exposure_rows`."""

    def __init__(self, header: fits.Header, path: object) -> None:
        self.exposures = exposure_rows(header, path)
        self._last = np.array([last for _, last in self.exposures], np.int64)
        found = {}
        for keyword in header:
            if keyword.endswith(" XOFFSET") and (match := _OFFSET.match(keyword)):
                exposure, ifu, number = map(int, match.groups())
                offset = number_or_none(header, keyword)
                known = exposure <= max(len(self.exposures), 1) and ifu <= N_IFUS and number <= N_SLICES
                if known and offset is not None:
                    found[exposure, ifu, number] = int(offset)
        size = max([len(self.exposures), *(key[0] for key in found)]) + 1
        # fields of 5 and 6 bits, so that a damaged value finds no offset rather than none at all
        self._offsets = np.full((size, 32, 64), UNKNOWN, np.int64)
        for key, value in found.items():
            self._offsets[key] = value

    def decode(self, origin: NDArray[np.int32], rows: Integers) -> Places:
        """Places of rows.

        Parameters
        ----------
        origin : int32 (n,)
        rows : int64 (n,), row numbers in the (FITS) table, from 0
        """
        value = origin.astype(np.int64)
        number, ifu, y, x = value & 63, value >> 6 & 31, value >> 11 & 8191, value >> 24 & 127
        exposure = np.zeros(value.size, np.int64)
        if len(self.exposures) > 1:
            exposure = np.searchsorted(self._last, rows, side="left") + 1
        offset = self._offsets[np.minimum(exposure, self._offsets.shape[0] - 1), ifu, number]
        # a table of one exposure calls it 0, or 1 if it is what a combination of one made
        for other in (0, 1):
            if other < self._offsets.shape[0]:
                offset = np.where(offset == UNKNOWN, self._offsets[other, ifu, number], offset)
        return Places(exposure, ifu, number, np.where(offset == UNKNOWN, UNKNOWN, x + offset), y)


def untrimmed(position: NDArray[Any], size: int) -> Integers:
    """Positions on the raw image of pixels of the trimmed image, both from 1.

    Parameters
    ----------
    position : int (n,)
    size : int
        Length of the trimmed image in this direction. Each half has its prescan outside and its overscan in the
        middle, each `instrument.BORDER` wide.
    """
    position = np.asarray(position, np.int64)
    return position + BORDER + np.where(position > size // 2, 2 * BORDER, 0)
