"""How many electrons a photon at the telescope's entrance makes: mirrors, instrument, filters and CCD together."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from musedeep.errors import MusedeepError

Array = NDArray[np.float64]

WAVELENGTH: Final = np.array(
    [4300, 4500, 4650, 4800, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 9300, 9600, 9850.0]
)
EFFICIENCY: Final = np.array(
    [0.03, 0.08, 0.14, 0.185, 0.221, 0.268, 0.302, 0.322, 0.328, 0.295, 0.246, 0.205, 0.157, 0.125, 0.085, 0.05]
)
"""Total efficiency: at 5000, 7000, 8000 and 9000 Angstrom from Feige 110 in the musered database, others between."""

BLOCKING: Final = {"N": 4700.0, "E": 4590.0}
"""Where the blue blocking filter of the nominal and of the extended range passes half of the light, Angstrom."""
BLOCKING_SOFTNESS: Final = 18.0
BLOCKING_FLOOR: Final = 0.08
NOTCH: Final = {"WFM-AO-N": (5820.0, 5970.0), "WFM-AO-E": (5755.0, 6008.0), "NFM-AO-N": (5780.0, 6050.0)}
"""Limits of the sodium notch by mode, Angstrom (MUSE user manual of ESO)."""
NOTCH_SOFTNESS: Final = 3.0
NOTCH_FLOOR: Final = 1e-4


def efficiency(wavelength: Array, mode: str) -> Array:
    """Electrons per photon at wavelengths (Angstrom in air), of their shape; MusedeepError for an unknown mode."""
    if mode[-1:] not in BLOCKING or len(mode.split("-")) != 3:
        raise MusedeepError(f"mode '{mode}' is unknown; give one like WFM-NOAO-N")
    out = np.interp(wavelength, WAVELENGTH, EFFICIENCY)
    passed = 1.0 / (1.0 + np.exp(-(wavelength - BLOCKING[mode[-1]]) / BLOCKING_SOFTNESS))
    out = out * (BLOCKING_FLOOR + (1.0 - BLOCKING_FLOOR) * passed)
    if mode in NOTCH:
        low, high = NOTCH[mode]
        blocked = expit((wavelength - low) / NOTCH_SOFTNESS) * expit((high - wavelength) / NOTCH_SOFTNESS)
        out = out * (NOTCH_FLOOR + (1.0 - NOTCH_FLOOR) * (1.0 - blocked))
    return np.asarray(out)
