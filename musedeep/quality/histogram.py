"""Histograms of fluxes: near zero in fine bins, and over the whole range in bins of the inverse hyperbolic sine.

The mode is the flux of the fullest bin; HISTO_17 the flux below it at which the histogram has fallen by 1.7 dex. Bins
are as wide as a tenth of the standard deviation that the lower half of the histogram has, at least 0.05e-20.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.collapse import count_values

Floats = NDArray[np.float64]

LOWEST, HIGHEST = -500.0, 500.0
"""Range of the fine bins [1e-20 erg/s/cm2/Angstrom]."""
STEP: Final = 0.05
"""Width of the fine bins."""
ASINH_RANGE, ASINH_STEP = 18.0, 0.05
"""The same of the inverse hyperbolic sine of flux: to 3e7 on either side."""
FALL: Final = 10.0**-1.7
"""Height of the histogram at HISTO_17 over that of its mode."""
LEAST: Final = 100
"""Values that a histogram needs."""


@dataclass
class FluxHistogram:
    """A histogram to which values are added, in any portions.

    Attributes
    ----------
    fine, wide : int64, see the module
    """

    fine: NDArray[np.int64] = field(default_factory=lambda: np.zeros(round((HIGHEST - LOWEST) / STEP) + 1, np.int64))
    wide: NDArray[np.int64] = field(default_factory=lambda: np.zeros(round(2 * ASINH_RANGE / ASINH_STEP) + 1, np.int64))

    def add(self, values: NDArray[np.floating]) -> None:
        """Add finite values of an array of any shape."""
        given = np.asarray(values, np.float32).ravel()
        count_values(given - np.float32(LOWEST), STEP, HIGHEST - LOWEST, self.fine)
        count_values(np.arcsinh(given) + np.float32(ASINH_RANGE), ASINH_STEP, 2 * ASINH_RANGE, self.wide)

    @property
    def size(self) -> int:
        """Values near zero."""
        return int(self.fine.sum())

    def binned(self) -> tuple[Floats, NDArray[np.int64]]:
        """Centres and counts of bins of the width that suits the noise; empty if there are too few values."""
        if self.size < LEAST:
            return np.empty(0), np.empty(0, np.int64)
        cumulative = np.cumsum(self.fine) / self.size
        middle = int(np.searchsorted(cumulative, 0.5))
        low = int(np.searchsorted(cumulative, 0.158655))
        together = max(1, round((middle - low) / 10.0))
        # few values are too noisy for fine bins
        while together < 400 and self.size * together / max(1.0, 2.5 * (middle - low)) < 30:
            together *= 2
        n = self.fine.size // together
        counts = self.fine[: n * together].reshape(n, together).sum(axis=1)
        centres = LOWEST + STEP * together * (np.arange(n) + 0.5)
        return np.asarray(centres, np.float64), np.asarray(counts, np.int64)

    def mode(self) -> float | None:
        """Flux of the fullest bin; None if there are too few values."""
        centres, counts = self.binned()
        return float(centres[counts.argmax()]) if counts.size else None

    def histo_17(self) -> float | None:
        """Flux below the mode at which the histogram has fallen by 1.7 dex; None if it does not fall so far."""
        centres, counts = self.binned()
        if not counts.size:
            return None
        peak = int(counts.argmax())
        below = np.flatnonzero(counts[:peak] < FALL * counts[peak])
        if not below.size:
            return None
        low = int(below[-1])
        # between two bins the logarithm of the counts is a line
        first, second = np.log(np.maximum(counts[low : low + 2], 0.1))
        share = (np.log(FALL * counts[peak]) - first) / (second - first)
        return float(centres[low] + share * (centres[low + 1] - centres[low]))

    def width(self) -> float | None:
        """Standard deviation of the noise: half of the lower half's 68 % [1e-20]; None if there are too few values."""
        if self.size < LEAST:
            return None
        mode = self.mode()
        assert mode is not None
        cumulative = np.cumsum(self.fine).astype(np.float64)
        place = (mode - LOWEST) / STEP
        to_mode = float(np.interp(place, np.arange(1, self.fine.size + 1), cumulative))
        low = float(np.interp(0.31731 * to_mode, cumulative, np.arange(1, self.fine.size + 1)))
        return float(mode - (LOWEST + STEP * low))

    def whole(self) -> tuple[Floats, NDArray[np.int64]]:
        """Edges [1e-20] and counts of the bins over the whole range that hold anything; empty if none do."""
        filled = np.flatnonzero(self.wide)
        if not filled.size:
            return np.empty(0), np.empty(0, np.int64)
        first, last = int(filled[0]), int(filled[-1]) + 1
        edges = np.sinh(ASINH_STEP * np.arange(first, last + 1) - ASINH_RANGE)
        return np.asarray(edges, np.float64), self.wide[first:last]
