"""Columns of pixel tables whose numbers are scaled, shifted or declared to be none in the file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.headers import integer_of, number_of
from musedeep.storage.pixel_tables.table import COLUMN_TYPES


@dataclass(frozen=True)
class StoredColumn:
    """How the numbers of a column are meant that stand otherwise in the file (TSCALn, TZEROn, TNULLn; BZERO, BLANK).

    Attributes
    ----------
    scale, zero : float, value = scale * stored + zero; whole numbers for `dq` and `origin`
    null : int or None, what stands for no value
    """

    scale: float = 1.0
    zero: float = 0.0
    null: int | None = None

    @property
    def scaled(self) -> bool:
        """Whether the values are others than those stored."""
        return self.scale != 1.0 or self.zero != 0.0

    def values(self, stored: NDArray[Any], path: Path, name: str) -> NDArray[Any]:
        """The values of a column, float64, or for `dq` and `origin` the 32 bits as int32.

        Raises
        ------
        MusedeepError
            A row has no value, or a whole number of more than 32 bits.
        """
        if self.null is not None and (empty := np.count_nonzero(stored == self.null)):
            raise MusedeepError(
                f"{path}: column {name} has no value in {empty} of {stored.size} rows (its header says that "
                f"{self.null} is none); reduce the exposure again"
            )
        values = stored.astype(np.float64) * self.scale + self.zero
        if COLUMN_TYPES[name].kind == "f":
            return values
        if values.size and not -(2.0**31) <= values.min() <= values.max() < 2.0**32:
            raise MusedeepError(
                f"{path}: column {name} has values from {values.min():.0f} to {values.max():.0f}, expected numbers of "
                "32 bits; reduce the exposure again"
            )
        whole = stored.astype(np.int64) * int(self.scale) + int(self.zero)
        return (whole & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def stored_column(
    path: Path, header: fits.Header, name: str, keys: tuple[str, str, str], bits: int
) -> StoredColumn | None:
    """The scaling of a column; None if its numbers are what stands in the file.

    Parameters
    ----------
    path : Path, for messages
    header : fits.Header, of the extension
    keys : (str, str, str), keywords of scale, zero and null
    bits : int, of a number in the file, negative for floats (as BITPIX has it)

    Raises
    ------
    MusedeepError
        A keyword that is no number; whole numbers that a scale makes fractions of.
    """
    scale, zero = number_of(header, keys[0], path, 1.0), number_of(header, keys[1], path, 0.0)
    null = integer_of(header, keys[2], path, low=-(2**63)) if bits > 0 and keys[2] in header else None
    whole = COLUMN_TYPES[name].kind == "i"
    if whole and not (scale.is_integer() and zero.is_integer() and abs(scale) < 2**31 and abs(zero) <= 2**31):
        raise MusedeepError(
            f"{path}: column {name} has {keys[0]} {scale:g} and {keys[1]} {zero:g}, expected whole numbers of 32 bits "
            "(manual A.3.2); make it again"
        )
    column = StoredColumn(scale, zero, null)
    return column if column.scaled or null is not None or (whole and bits == 64) else None
