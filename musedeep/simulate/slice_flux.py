"""Errors of the flux of slices that flat-field, ILLUM and twilight leave in a science exposure.

The illumination of slices changes with temperature and rotator angle, and with it the flux of a slice, grey and with
wavelength (Bacon et al. 2017, A&A 608, A1, section 3.1). The autocalibration of deep fields has to find them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.optics import stream

Array = NDArray[np.float64]

SLICE_FLUX: Final = 8
"""Purpose of random numbers, beside those of optics.py, frame.py, schedule.py and raman.py."""

SPREAD: Final = (0.006, 0.003, 0.002)
"""Scatter of the coefficients of Chebyshev polynomials of orders 0 to 2 over the wavelengths."""

LIMITS: Final = (4650.0, 9300.0)
"""Wavelengths of -1 and +1 of the polynomials, Angstrom."""


def slice_flux(exposure: Exposure, ifu: int, seed: int) -> Array:
    """Coefficients of the relative errors of the slices of an IFU in a science exposure, float64 (48, 3)."""
    return np.array(SPREAD) * stream(seed, SLICE_FLUX, exposure.index, ifu).standard_normal((N_SLICES, len(SPREAD)))


def flux_factor(coefficients: Array, wavelength: Array) -> Array:
    """Factor of the flux of a slice, of the shape of `wavelength` [Angstrom], from its coefficients, float64 (3,)."""
    low, high = LIMITS
    place = np.clip((np.asarray(wavelength) - low) / (0.5 * (high - low)) - 1.0, -1.0, 1.0)
    return np.asarray(1.0 + np.polynomial.chebyshev.chebval(place, coefficients), np.float64)
