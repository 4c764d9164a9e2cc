"""Velocity of the telescope: wavelengths as they would be seen from the barycentre, the Sun or the Earth's centre.

Wavelengths are multiplied by 1 + v/c, where v is the velocity to be added to one measured at the telescope, for the
middle of the exposure. It comes from astropy (Wright & Eastman 2014, PASP 126, 838), with its own ephemeris and tables
of the Earth's rotation: nothing is fetched, which costs less than 1 m/s.

- bary: to the barycentre of the Solar System (SPECSYS BARYCENT).
- helio: to the centre of the Sun (HELIOCEN).
- geo: to the centre of the Earth; only its rotation is taken out (GEOCENTR).
- none: wavelengths stay those of the telescope (TOPOCENT).

The reference (2.8.7) differs by some tenths of a km/s: its velocities are those of a telescope with the sign of the
geographic longitude changed (found by experiments on it: -13.026 km/s for RA 53.16, DEC -27.78, MJD 57001.12978, where
astropy has -12.811 km/s with the longitude of Paranal, and -13.027 with the other sign).

How it is called: `exposure.corrected(correct_velocity(observation, rvcorr))`. PIXTABLE RVCORR holds the velocity, with
a comment that says what it is; PIXTABLE RVCORR MJD the time that it is for.
"""

from typing import Final

from musedeep.reduction.correct.never_twice import RVCORR, Recorded, refuse_velocity
from musedeep.reduction.ephemeris import site, velocity
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.storage.pixel_tables.row_steps import Stretch

FASTEST: Final = 36.0
"""No velocity is above that [km/s]: the sum of all motions, and a little more."""

LIGHT: Final = 299792.458
"""Speed of light, km/s."""

FRAMES: Final = {
    "bary": ("BARYCENT", "barycentric"), "helio": ("HELIOCEN", "heliocentric"), "geo": ("GEOCENTR", "geocentric"),
    "none": ("TOPOCENT", ""),
}  # fmt: skip
"""SPECSYS of each choice of rvcorr, and its name."""


class Stretched(Stepped):
    """Wavelengths times 1 + v/c.

    Parameters
    ----------
    velocity : float [km/s]
    cards : of the primary header
    """

    margin = 10000.0 * FASTEST / LIGHT

    def __init__(self, velocity: float, cards: list[Card]) -> None:
        super().__init__(Stretch(1.0 + velocity / LIGHT))
        self.velocity, self._cards = velocity, cards

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return self._cards


def correct_velocity(observation: Observation, rvcorr: str) -> list[Correction]:
    """The correction of an exposure for the velocity of the telescope; see the module.

    Parameters
    ----------
    rvcorr : bary, helio, geo or none

    Raises
    ------
    MusedeepError
        It is corrected already; a keyword that it needs is missing or wrong.
    """
    refuse_velocity(observation)
    frame, name = FRAMES[rvcorr]
    cards: list[Card] = [("SPECSYS", frame, "Spectral reference frame")]
    if rvcorr == "none":
        return [Recorded(*cards)]
    moves = velocity_to(rvcorr, observation)
    cards += [
        (RVCORR, moves, f"[km/s] {name} correction, in the middle of the exposure"),
        (f"{RVCORR} MJD", observation.middle, "MJD-OBS + EXPTIME / 2, UTC"),
    ]
    return [Stretched(moves, cards)]


def velocity_to(rvcorr: str, observation: Observation) -> float:
    """Velocity to be added to one measured at the telescope [km/s], in the middle of an exposure.

    Parameters
    ----------
    rvcorr : bary, helio or geo: where the velocity is measured from then
    """
    where = site(observation.longitude, observation.latitude, observation.elevation)
    return float(velocity(FRAMES[rvcorr][1], observation.ra, observation.dec, observation.middle, where))
