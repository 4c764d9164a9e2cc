"""The place of an exposure: from the field of view to native spherical coordinates, and to the sky.

Pixel tables have three kinds of positions (manual A.3.2):

1. In the field of view [pixel], as the first stage makes them, and after the correction of the refraction.
2. `place`: native spherical coordinates of the gnomonic projection about the pointing [rad], phi and theta - pi/2, with
   the solution in the header (PIXTABLE_REDUCED, WCS projected (intermediate)). The matrix of ASTROMETRY_WCS is
   turned by the position angle; its reference pixel counts from the middle of the field, which is the middle of the
   limits of the positions before the correction of the refraction (PREDAR LIMITS, or LIMITS without it). Without an
   ASTROMETRY_WCS the nominal scale is taken: 0.2 arcsec, 0.02519 and 0.02542 arcsec in the narrow-field mode.
3. `position`: right ascension and declination relative to the pointing [deg] (PIXTABLE_POSITIONED, WCS positioned
   (final)), with the offset of the exposure, if there is one.

The reference's muse_scipost_apply_astrometry writes the header of the ASTROMETRY_WCS, with RA and DEC of the
astrometric field, into the pixel table; here the table keeps its own, as in muse_scipost of both.

How they are called: `exposure.corrected(place(observation, wcs))` and then
`exposure.corrected(position(observation, offset))`; nothing at all with `astrometry=false`.
"""

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import SPAXEL_NFM, SPAXEL_WFM
from musedeep.kernels.rows.projection import relative_positions
from musedeep.reduction.correct.never_twice import PIXTABLE, WCS, placed_as, refuse
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.sky_angles import ra_on_circle
from musedeep.storage.calibrations.astrometry_wcs import AstrometryWcs
from musedeep.storage.fits.headers import number_of, number_or_none
from musedeep.storage.pixel_tables.row_steps import Project
from musedeep.storage.pixel_tables.table import Rows

PROJECTED: Final = "projected (intermediate)"
POSITIONED: Final = "positioned (final)"

Floats = NDArray[np.float64]


def nominal_wcs(observation: Observation) -> AstrometryWcs:
    """The solution with the nominal scale of an instrument mode, centred on the field."""
    across, along = SPAXEL_NFM if observation.narrow_field else (SPAXEL_WFM, SPAXEL_WFM)
    matrix = np.array([[-across, 0.0], [0.0, along]]) / 3600.0
    nothing = np.zeros(2)
    return AstrometryWcs(matrix, nothing, np.full(2, np.nan), nothing, observation.mode, {})


def field_middle(observation: Observation) -> Floats:
    """Middle of the field of view, float64 (2,) [pixel]: that of the limits before the correction of the refraction.

    Raises
    ------
    MusedeepError
        The header has no limits.
    """
    before = number_or_none(observation.header, f"{PIXTABLE}PREDAR LIMITS XLO") is not None
    keys = [
        [f"{PIXTABLE}PREDAR LIMITS {axis}{end}" if before else f"{PIXTABLE}LIMITS {axis} {word}"
         for end, word in (("LO", "LOW"), ("HI", "HIGH"))]
        for axis in "XY"
    ]  # fmt: skip
    return np.array([[number_of(observation.header, key, observation.name) for key in axis] for axis in keys]).mean(1)


def turned(matrix: Floats, position_angle: float) -> Floats:
    """A matrix of position angle 0, float64 (2, 2), for another [deg]."""
    sine, cosine = np.sin(np.radians(position_angle)), np.cos(np.radians(position_angle))
    return np.array([[cosine, sine], [-sine, cosine]]) @ matrix


class Projected(Stepped):
    """Positions become native spherical coordinates.

    Parameters
    ----------
    matrix : float64 (2, 2), of the exposure [deg/pixel]
    centre : float64 (2,), reference pixel
    errors : float64 (2,), CSYER1 and CSYER2 [deg]
    """

    units = MappingProxyType({"xpos": "rad", "ypos": "rad"})

    def __init__(self, matrix: Floats, centre: Floats, errors: Floats) -> None:
        super().__init__(Project(centre, np.ascontiguousarray(np.radians(matrix))))
        self.matrix, self.centre, self.errors = matrix, centre, errors

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        cards: list[Card] = []
        for axis, value in enumerate(self.centre, 1):
            cards.append((f"CRPIX{axis}", float(value), "Pixel coordinate of reference point"))
        for i, j in np.ndindex(2, 2):
            text = "Coordinate transformation matrix element"
            cards.append((f"CD{i + 1}_{j + 1}", float(self.matrix[i, j]), text))
        for axis in (1, 2):
            cards.append((f"CUNIT{axis}", "deg", "Units of coordinate increment and value"))
        cards.append(("CTYPE1", "RA---TAN", "Right ascension, gnomonic projection"))
        cards.append(("CTYPE2", "DEC--TAN", "Declination, gnomonic projection"))
        if self.errors.any():
            for axis, value in enumerate(self.errors, 1):
                cards.append((f"CSYER{axis}", float(value), "[deg] Systematic error in coordinate"))
        return [*cards, (WCS, PROJECTED, "Gnomonic projection of this pixel table")]


def place(observation: Observation, wcs: AstrometryWcs | None) -> list[Correction]:
    """From pixels of the field of view to native spherical coordinates; see the module.

    Parameters
    ----------
    wcs : None: the nominal one

    Raises
    ------
    MusedeepError
        It is placed already; the solution is for another field (wide, narrow); a keyword is missing or wrong.
    """
    refuse(bool(placed_as(observation)), observation, "it is placed", WCS)
    used = nominal_wcs(observation) if wcs is None else wcs
    if used.mode and used.mode[:3] != observation.mode[:3]:
        raise MusedeepError(
            f"{observation.name}: INS MODE is {observation.mode}, the ASTROMETRY_WCS is for {used.mode}; give one of "
            "the same field of view"
        )
    matrix = turned(used.matrix, observation.position_angle)
    return [Projected(matrix, used.centre + field_middle(observation), used.errors)]


class Positioned(Correction):
    """Native spherical coordinates become right ascension and declination relative to the pointing [deg].

    Parameters
    ----------
    place : (ra, dec), of the pointing [deg]
    """

    reads = changes = ("xpos", "ypos")
    units = MappingProxyType({"xpos": "deg", "ypos": "deg"})

    def __init__(self, place: tuple[float, float]) -> None:
        self.place = place

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        ra, dec = np.empty((2, rows["xpos"].size), np.float32)
        relative_positions(rows["xpos"], rows["ypos"], np.radians(self.place[1]), 0.0, 0.0, ra, dec)
        rows["xpos"], rows["ypos"] = ra, dec

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        cards: list[Card] = [
            (f"CRVAL{axis}", value, "[deg] Coordinate value at reference point")
            for axis, value in enumerate(self.place, 1)
        ]
        return [*cards, (WCS, POSITIONED, "Positioned this pixel table")]


def position(observation: Observation, offset: tuple[float, float] = (0.0, 0.0)) -> list[Correction]:
    """From native spherical coordinates to the sky, relative to the pointing, which is CRVAL in the header.

    Parameters
    ----------
    offset : (ra, dec), as an OFFSET_LIST has it, header minus truth: it is subtracted from RA and DEC [deg]

    Raises
    ------
    MusedeepError
        It is positioned already; RA or DEC is missing.
    """
    refuse(placed_as(observation) == POSITIONED, observation, "it is positioned", WCS)
    return [Positioned((ra_on_circle(observation.ra - offset[0]), observation.dec - offset[1]))]
