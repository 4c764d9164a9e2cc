"""Wavelengths that the adaptive optics' notch filter blocks: pixels there get a flag (seen in the reference's log)."""

from typing import Final

import numpy as np

from musedeep.recipes.pixel_creation import PixelRows

NOTCH: Final = {"WFM-AO-N": (5805.0, 5966.0), "WFM-AO-E": (5755.0, 6008.0), "NFM-AO-N": (5780.0, 6050.0)}
"""Limits by instrument mode (ESO INS MODE), Angstrom."""

BLOCKED: Final = np.int32(1 << 27)
"""The flag."""


def flag_blocked(table: PixelRows, mode: str) -> int:
    """Flag the pixels of a table that the notch filter blocks; returns their number.

    The flag takes the place of others, as in the reference: in the dark the master flat has flags of its own.
    """
    if mode not in NOTCH:
        return 0
    low, high = (np.float32(limit) for limit in NOTCH[mode])
    wavelength = table.rows["lambda"]
    blocked = (wavelength >= low) & (wavelength <= high)
    table.rows["dq"][blocked] = BLOCKED
    return int(np.count_nonzero(blocked))
