"""A curve in magnitudes over wavelength: what the steps from a star's spectrum to the response hand on."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAGNITUDE: Final = 2.5 / np.log(10.0)
"""Magnitudes per unit of the natural logarithm."""


@dataclass(frozen=True)
class Curve:
    """Sensitivity [mag] and its error over wavelength, float64 (n,) each."""

    wavelength: Floats
    values: Floats
    errors: Floats

    def of(self, chosen: NDArray[np.bool_]) -> "Curve":
        """Some of the points."""
        return Curve(self.wavelength[chosen], self.values[chosen], self.errors[chosen])
