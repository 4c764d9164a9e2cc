"""All that muse_standard finds in an exposure, for headers, tables and pictures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.recipes.standard.curves import Curve
from musedeep.recipes.standard.star_fluxes import StarFluxes
from musedeep.recipes.standard.stars import Stars
from musedeep.storage.calibrations.response import Response, Telluric
from musedeep.storage.calibrations.std_flux_table import Standard


@dataclass(frozen=True)
class Reduced:
    """Stars, fluxes and results of an exposure.

    Attributes
    ----------
    standard : the tabulated star
    stars, fluxes : those in the field
    chosen : number of the standard star among them, from 0
    wavelength : float64 (planes,) [Angstrom]
    curve : sensitivity with the telluric bands
    response, telluric : the results
    image : float32 (lines, columns), white image
    """

    standard: Standard
    stars: Stars
    fluxes: tuple[StarFluxes, ...]
    chosen: int
    wavelength: NDArray[np.float64]
    curve: Curve
    response: Response
    telluric: Telluric
    image: NDArray[np.float32]
