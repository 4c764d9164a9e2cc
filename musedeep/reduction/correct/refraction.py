"""Differential atmospheric refraction: positions in the field of view as they would be at a reference wavelength.

1. The refractive index n of the air follows from the wavelength, and from temperature, pressure and humidity at the
   telescope (Filippenko 1982, PASP 94, 715, after Edlen 1953 and Barrell 1951). The pressure of the water vapour is the
   humidity times that of saturation (Owens 1967, Appl. Opt. 6, 51, polynomial in the temperature; found in the figures
   of the reference's log).
2. Light of wavelength w appears nearer to the zenith than that of the reference wavelength by
   (n(w) - n(reference)) tan z, where tan z = sqrt(X**2 - 1) and X is the airmass (`Observation.airmass`).
3. The direction of the zenith in the field of view is the parallactic angle minus the position angle. The shift over
   the nominal spaxel of 0.2 arcsec is subtracted.

The narrow-field mode has a corrector of its own: nothing is done.

How it is called: `exposure.corrected(correct_refraction(observation, lambdaref))` with positions in pixel. A
`lambdaref` below 0 leaves them as they are, and says so in the header.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import SPAXEL_WFM
from musedeep.reduction.correct.never_twice import (
    DAR_CORRECT,
    PIXTABLE,
    Recorded,
    is_refraction_corrected,
    refuse,
    refuse_placed,
)
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.storage.fits.headers import number_of
from musedeep.storage.pixel_tables.row_steps import Shift

GRID: Final = 4000.0, 10000.0, 5.0
"""First and last node, and step, of the table of shifts [Angstrom]; between nodes it is right within 3e-6 arcsec."""

HPA_IN_MMHG: Final = 760.0 / 1013.25
KELVIN: Final = 273.15
ARCSEC: Final = 180.0 * 3600.0 / np.pi

Floats = NDArray[np.float64]


def saturation_pressure(temperature: float) -> float:
    """Saturation pressure of water vapour [hPa] at a temperature [deg C] (Owens 1967)."""
    t = temperature + KELVIN
    return -10474.0 + t * (116.43 + t * (-0.43284 + t * 0.00053840))


def refractive_index(wavelength: Floats, observation: Observation) -> Floats:
    """Refractive index of the air minus 1 at wavelengths [Angstrom], float64 of their shape (Filippenko 1982)."""
    inverse = (1e4 / np.asarray(wavelength, np.float64)) ** 2
    temperature, pressure = observation.temperature, observation.pressure * HPA_IN_MMHG
    water = observation.humidity / 100.0 * saturation_pressure(temperature) * HPA_IN_MMHG
    expansion = 1.0 + 0.003661 * temperature
    standard = 64.328 + 29498.1 / (146.0 - inverse) + 255.4 / (41.0 - inverse)
    density = pressure * (1.0 + (1.049 - 0.0157 * temperature) * 1e-6 * pressure) / (720.883 * expansion)
    return np.asarray(1e-6 * (standard * density - (0.0624 - 0.000680 * inverse) / expansion * water))


def refraction(wavelength: Floats, observation: Observation, reference: float) -> Floats:
    """How much nearer to the zenith light appears than that of the reference wavelength [arcsec].

    Parameters
    ----------
    wavelength : float64, any shape [Angstrom]
    reference : float [Angstrom]
    """
    difference = refractive_index(wavelength, observation) - refractive_index(np.array(reference), observation)
    return np.asarray(ARCSEC * difference * np.sqrt(max(observation.airmass**2 - 1.0, 0.0)))


class Unrefracted(Stepped):
    """Positions minus a shift that depends on the wavelength; with what the header says of it.

    Parameters
    ----------
    shifts : float64 (nodes, 2), to be added in x and y [pixel] at the nodes of `GRID`
    cards : of the primary header
    """

    def __init__(self, shifts: Floats, cards: list[Card]) -> None:
        super().__init__(Shift(shifts, GRID[0], GRID[2]))
        self._cards = cards

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return self._cards


def grid_wavelengths() -> Floats:
    """The nodes of `GRID`, float64 (nodes,) [Angstrom]."""
    return np.arange(GRID[0], GRID[1] + GRID[2], GRID[2])


def zenith_direction(observation: Observation) -> Floats:
    """Unit vector to the zenith in the field of view, float64 (2,): x, y."""
    angle = np.radians(observation.parallactic_angle - observation.position_angle)
    return np.array([-np.sin(angle), np.cos(angle)])


def correct_refraction(observation: Observation, lambdaref: float) -> list[Correction]:
    """The correction of an exposure for refraction; see the module.

    Parameters
    ----------
    lambdaref : float, reference wavelength [Angstrom]

    Raises
    ------
    MusedeepError
        It is corrected already; positions are not in the field of view; a keyword that it needs is missing or wrong.
    """
    refuse(is_refraction_corrected(observation), observation, "its refraction is corrected", DAR_CORRECT)
    refuse_placed(observation, "the correction of the refraction")
    if observation.narrow_field:
        return []
    if lambdaref < 0.0:
        return [Recorded((DAR_CORRECT, lambdaref, "skipped DAR correction!"))]
    shifts = -refraction(grid_wavelengths(), observation, lambdaref)[:, None] * zenith_direction(observation)
    cards: list[Card] = [
        (DAR_CORRECT, lambdaref, "[Angstrom] ref. lambda for DAR correction"),
        *_former_limits(observation),
    ]
    return [Unrefracted(shifts / SPAXEL_WFM, cards)]


def _former_limits(observation: Observation) -> list[Card]:
    """The limits of the field before the correction, by which its centre is found later."""
    cards: list[Card] = []
    for axis in "XY":
        for end in ("LOW", "HIGH"):
            value = number_of(observation.header, f"{PIXTABLE}LIMITS {axis} {end}", observation.name)
            cards.append((f"{PIXTABLE}PREDAR LIMITS {axis}{end[:2]}", np.float32(value), ""))
    return cards
