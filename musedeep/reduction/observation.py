"""What the header of an exposure says of its circumstances: where it pointed, when, through what air.

A value is looked for, and checked, when it is asked for: a recipe that needs no airmass takes a header without LST.

The airmass is computed, not read, as the reference does (found by experiments on it): the polynomial of Hardie (1962,
Astronomical Techniques, 180) in sec z at the beginning, in the middle and at the end of the exposure, averaged with the
weights 1, 4, 1 (Stetson 1987, PASP 99, 191). z follows from RA, DEC, LST and GEOLAT without refraction.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE
from musedeep.storage.fits.headers import WATER, mean_of_ends, number_of, number_or_none, text_of, value_of

LST_TOLERANCE: Final = 120.0
"""Largest difference of LST from the sidereal time at MJD-OBS [s]; it moves a field at airmass 1.8 by half a degree."""

SECONDS_PER_DAY: Final = 86400.0

_SECONDS_PER_DEGREE: Final = 240.0
_LOWEST: Final = 5.0
"""Lowest altitude at which the formula of the airmass holds [deg]."""


@dataclass(frozen=True)
class Observation:
    """The circumstances of one exposure; each property raises MusedeepError if the header lacks it, or it is wrong.

    Attributes
    ----------
    header : primary header of its pixel table
    name : the file, for messages
    """

    header: fits.Header = field(repr=False, compare=False)
    name: str

    def _number(self, key: str, default: float | None = None, low: float = -math.inf, high: float = math.inf) -> float:
        return number_of(self.header, key, self.name, default, low=low, high=high)

    @cached_property
    def mode(self) -> str:
        """Instrument mode, as in WFM-NOAO-N (ESO INS MODE)."""
        return text_of(self.header, "ESO INS MODE", self.name)

    @property
    def narrow_field(self) -> bool:
        """Whether it is in the narrow-field mode, which has a corrector of the refraction."""
        return self.mode.startswith("NFM")

    @property
    def ra(self) -> float:
        """Right ascension of the pointing [deg]."""
        return self._number("RA", low=-360.0, high=360.0)

    @property
    def dec(self) -> float:
        """Declination of the pointing [deg]."""
        return self._number("DEC", low=-90.0, high=90.0)

    @property
    def mjd(self) -> float:
        """Beginning of the exposure, UTC."""
        return self._number("MJD-OBS")

    @property
    def middle(self) -> float:
        """MJD of the middle of the exposure, UTC."""
        return self.mjd + 0.5 * self.exptime / SECONDS_PER_DAY

    @property
    def date_obs(self) -> str:
        """DATE-OBS, by which exposures are told apart."""
        return text_of(self.header, "DATE-OBS", self.name)

    @property
    def exptime(self) -> float:
        """Exposure time [s]."""
        return self._number("EXPTIME", low=0.0)

    @property
    def latitude(self) -> float:
        """Geographic latitude [deg]; that of UT4 where the header has none."""
        return self._number("ESO TEL GEOLAT", LATITUDE, -90.0, 90.0)

    @property
    def longitude(self) -> float:
        """Geographic longitude, east positive [deg]; that of UT4 where the header has none."""
        return self._number("ESO TEL GEOLON", LONGITUDE, -360.0, 360.0)

    @property
    def elevation(self) -> float:
        """Height above the sea [m]; that of UT4 where the header has none."""
        return self._number("ESO TEL GEOELEV", ELEVATION)

    @cached_property
    def lst(self) -> float:
        """Local sidereal time at the beginning [s].

        Raises
        ------
        MusedeepError
            LST is missing, or differs from the sidereal time at MJD-OBS and GEOLON by more than LST_TOLERANCE.
        """
        given = self._number("LST", low=0.0, high=SECONDS_PER_DAY)
        if number_or_none(self.header, "MJD-OBS") is not None:
            right = sidereal_time(self.mjd, self.longitude) * _SECONDS_PER_DEGREE
            off = math.remainder(given - right, SECONDS_PER_DAY)
            if abs(off) > LST_TOLERANCE:
                raise MusedeepError(
                    f"{self.name}: keyword LST is {given:.1f}, but it is {right:.1f} s at MJD-OBS and ESO TEL GEOLON; "
                    "airmass and refraction depend on it: correct it"
                )
        return given

    @cached_property
    def airmass(self) -> float:
        """Effective airmass of the exposure; see the module.

        Raises
        ------
        MusedeepError
            A keyword that it needs is missing or wrong; the field is below the horizon.
        """
        times = [self.lst + part * self.exptime for part in (0.0, 0.5, 1.0)]
        first, middle, last = (self._airmass_at(time) for time in times)
        return (first + 4.0 * middle + last) / 6.0

    def _airmass_at(self, lst: float) -> float:
        hour_angle, latitude, dec = map(math.radians, (lst / _SECONDS_PER_DEGREE - self.ra, self.latitude, self.dec))
        cosine = math.sin(latitude) * math.sin(dec) + math.cos(latitude) * math.cos(dec) * math.cos(hour_angle)
        if cosine < math.sin(math.radians(_LOWEST)):
            raise MusedeepError(
                f"{self.name}: at RA {self.ra:g}, DEC {self.dec:g} and LST {lst:.0f} s the field is "
                f"{math.degrees(math.asin(cosine)):.0f} degrees above the horizon; correct RA, DEC or LST"
            )
        above = 1.0 / cosine - 1.0
        return 1.0 + above - above * (0.0018167 + above * (0.002875 + above * 0.0008083))

    @cached_property
    def parallactic_angle(self) -> float:
        """Mean of the parallactic angle at the beginning and the end, the shorter way round, -180 to 180 [deg]."""
        first, last = (self._number(f"ESO TEL PARANG {end}", low=-360.0, high=360.0) for end in ("START", "END"))
        return math.remainder(first + 0.5 * math.remainder(last - first, 360.0), 360.0)

    @cached_property
    def position_angle(self) -> float:
        """Position angle of the field's y axis, north through east [deg]: ESO INS DROT POSANG in DROT MODE SKY.

        In mode STAT it is minus POSANG (so does the reference, found by experiments on it).

        Raises
        ------
        MusedeepError
            A keyword is missing; the derotator was in another mode.
        """
        mode = text_of(self.header, "ESO INS DROT MODE", self.name)
        if mode not in ("SKY", "STAT"):
            raise MusedeepError(
                f"{self.name}: keyword ESO INS DROT MODE is {mode}, expected SKY or STAT; the position angle follows "
                "from no other: correct it, or leave the exposure out"
            )
        angle = self._number("ESO INS DROT POSANG", low=-720.0, high=720.0)
        return angle if mode == "SKY" else -angle

    @property
    def temperature(self) -> float:
        """Of the air [deg C]."""
        return self._number("ESO TEL AMBI TEMP", low=-50.0, high=60.0)

    @property
    def humidity(self) -> float:
        """Relative humidity [%]."""
        return self._number("ESO TEL AMBI RHUM", low=0.0, high=100.0)

    @cached_property
    def pressure(self) -> float:
        """Of the air [hPa]: mean of beginning and end, as far as they are given."""
        keys = [f"ESO TEL AMBI PRES {end}" for end in ("START", "END")]
        found = [self._number(key, low=300.0, high=1100.0) for key in keys if value_of(self.header, key) is not None]
        return sum(found) / len(found) if found else self._number(keys[0])

    @property
    def water(self) -> float | None:
        """Precipitable water at the zenith [mm], if the header has it."""
        return mean_of_ends(self.header, WATER)


def observation_of(header: fits.Header, name: object) -> Observation:
    """The circumstances of the exposure with this primary header; `name` is its file, for messages."""
    return Observation(header, str(name))


def sidereal_time(mjd: float, longitude: float) -> float:
    """Mean sidereal time [deg], 0 to 360 (IAU 1982; UT1 = UTC, which is right within 15 arcsec).

    Parameters
    ----------
    mjd : float, UTC
    longitude : float, east positive [deg]
    """
    days = mjd - 51544.5
    return (280.46061837 + 360.98564736629 * days + 0.000387933 * (days / 36525.0) ** 2 + longitude) % 360.0
