"""Wavelengths that the adaptive optics' notch filter blocks: pixels there get a flag (seen in the reference's log)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import DQ
from musedeep.reduction.rows.source import Correction
from musedeep.storage.pixel_tables.table import Rows

NOTCH: Final = {"WFM-AO-N": (5805.0, 5966.0), "WFM-AO-E": (5755.0, 6008.0), "NFM-AO-N": (5780.0, 6050.0)}
"""Limits by instrument mode (ESO INS MODE), Angstrom."""


def flag_blocked(wavelength: NDArray[np.float32], dq: NDArray[np.int32], mode: str) -> int:
    """Flag the rows of a pixel table that the notch filter blocks; returns their number.

    The flag takes the place of others, as in the reference: in the dark the master flat has flags of its own.

    Parameters
    ----------
    wavelength : float32 (rows,) [Angstrom]
    dq : int32 (rows,), changed
    mode : str, ESO INS MODE
    """
    if mode not in NOTCH:
        return 0
    low, high = (np.float32(limit) for limit in NOTCH[mode])
    blocked = (wavelength >= low) & (wavelength <= high)
    dq[blocked] = DQ.BLOCKED
    return int(np.count_nonzero(blocked))


@dataclass(frozen=True)
class NotchFlags(Correction):
    """Flags of the rows that the notch filter blocks in an instrument mode; see `flag_blocked`."""

    mode: str
    reads = ("lambda", "dq")
    changes = ("dq",)

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        flag_blocked(rows["lambda"], rows["dq"], self.mode)
