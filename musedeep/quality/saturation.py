"""Saturated pixels of raw frames: the histogram of their brightest counts, IFU by IFU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.storage.raw.frames import open_raw_frame, raw_ifus

LOWEST, HIGHEST = 50_000, 65_000
"""Range of the histogram [adu], as the release shows it."""
STEP: Final = 100
"""Of its bins [adu]."""
SATURATED: Final = 65_000
"""Counts of a saturated pixel [adu]."""
ROWS: Final = 512
"""That are read at a time."""


@dataclass(frozen=True)
class BrightCounts:
    """Bright pixels of a raw frame.

    Attributes
    ----------
    counts : int64 (150,), pixels per bin of 100 adu from 50,000 to 65,000
    saturated : int, pixels of 65,000 adu or more, in all IFUs
    """

    counts: NDArray[np.int64]
    saturated: int


def bright_counts(path: Path) -> BrightCounts:
    """Count the bright pixels of a raw frame, packed or not, a few rows at a time.

    Raises MusedeepError for a file that is no raw frame, or is cut off.
    """
    counts, saturated = np.zeros((HIGHEST - LOWEST) // STEP, np.int64), 0
    for ifu in raw_ifus(path):
        frame = open_raw_frame(path, ifu)
        for start in range(0, frame.shape[0], ROWS):
            pixels = frame.read(start, min(start + ROWS, frame.shape[0]))
            bright = pixels[pixels >= LOWEST].astype(np.int64)
            saturated += int((bright >= SATURATED).sum())
            bins = (bright[bright < HIGHEST] - LOWEST) // STEP
            counts += np.bincount(bins, minlength=counts.size)
        frame.forget()
    return BrightCounts(counts, saturated)
