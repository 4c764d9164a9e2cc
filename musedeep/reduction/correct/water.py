"""The power to which the telluric transmission of a standard star is raised for an exposure.

STD_TELLURIC holds the transmission T for airmass 1, as the star saw it: observed at its airmass X0 through the water
of its time, to the power of 1/X0. The reference takes T**X for an exposure at airmass X. That is right for an absorber
that does not change, and whose lines are weak. Water changes, by a factor of two in a night, and the transmission
around 9000 Angstrom by several percent with it.

1. The headers say how much water there was: TEL AMBI IWV, the precipitable water at the zenith that the radiometer
   measures, of the star (in STD_TELLURIC) and of the exposure.
2. The optical depth of the exposure is that of the star times the ratio of the two that the model has
   (`statics.absorption`). Only the ratio of the model counts: for water about that of the amounts, less where lines are
   saturated.
3. Where the model has no absorption, or a header no water, the power is X as in the reference.
"""

import numpy as np
from numpy.typing import NDArray

from musedeep.reduction.observation import Observation
from musedeep.statics.absorption import optical_depth
from musedeep.storage.calibrations.response import Telluric

Floats = NDArray[np.float64]


def absorption_powers(telluric: Telluric, observation: Observation, scale_water: bool) -> Floats:
    """Powers of `telluric.transmission` that give the transmission of an exposure, float64 (n,).

    Parameters
    ----------
    scale_water : False: the airmass, as the reference
    """
    airmass, water = observation.airmass, observation.water
    powers = np.full(telluric.wavelength.size, airmass)
    if not scale_water or water is None or telluric.water is None or telluric.airmass is None:
        return powers
    star = optical_depth(telluric.wavelength, telluric.airmass, telluric.water)
    known = star > 0.0
    ratio = optical_depth(telluric.wavelength[known], airmass, water) / star[known]
    powers[known] = telluric.airmass * ratio
    return powers
