"""One exposure as it was taken: plain data, from which frames, headers and truth are made."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from musedeep.simulate.scene import Scene


@dataclass(frozen=True)
class Observation:
    """The OB that an exposure belongs to, as headers tell of it.

    Attributes
    ----------
    number, name : of the OB
    start : of its execution, ISO 8601 to the second (UT)
    run : observing run, as in 094.A-0001(A)
    investigator : PI
    target : as the observer wrote it
    """

    number: int
    name: str
    start: str
    run: str
    investigator: str
    target: str


@dataclass(frozen=True)
class Exposure:
    """What the telescope, the instrument and the sky did.

    Attributes
    ----------
    index : number in the night, unique; with the night's seed it makes the noise
    kind : raw tag of manual table 6.1: BIAS DARK FLAT ILLUM ARC ARC_LSF MASK SKYFLAT STD SKY OBJECT ASTROMETRY,
        or ILLUMFLAT LINGAIN_LAMP_OFF LINGAIN_LAMP_ON AMPL
    date_obs : start, ISO 8601 with milliseconds (UT)
    mjd : start
    exposure_time : s
    mode : INS MODE, as in WFM-NOAO-N
    lamp : lamp of an arc: "Ne", "Xe" or "HgCd"
    mask_step : number of the pinhole mask's position in its sequence, from 0
    scene : what is looked at
    ra, dec : degrees, as the header says
    position_angle : degrees, north through east
    pointing_error : arcsec to the east and north by which the telescope looks elsewhere than the header says
    transparency : 1 is photometric
    seeing : arcsec, full width at half maximum at 5000 Angstrom at the zenith
    sky_brightness : factor of the dark night sky
    precipitable_water, temperature, humidity, pressure : mm, degrees Celsius, percent, hPa: of the site
    instrument_temperature : degrees Celsius
    satellite : a satellite crosses the field
    field_rotation : degrees by which the field turns while the shutter is open, about the middle of the field
    wavelength_shift : Angstrom by which wavelengths are off beside what the temperature does to them
    observation : the OB; None: an OB of its own, as calibrations have
    """

    index: int
    kind: str
    date_obs: str
    mjd: float
    exposure_time: float
    mode: str = "WFM-NOAO-N"
    lamp: str | None = None
    mask_step: int | None = None
    scene: Scene | None = None
    ra: float = 0.0
    dec: float = 0.0
    position_angle: float = 0.0
    pointing_error: tuple[float, float] = (0.0, 0.0)
    transparency: float = 1.0
    seeing: float = 0.7
    sky_brightness: float = 1.0
    precipitable_water: float = 2.5
    temperature: float = 11.5
    humidity: float = 14.5
    pressure: float = 743.5
    instrument_temperature: float = 12.5
    satellite: bool = False
    field_rotation: float = 0.0
    wavelength_shift: float = 0.0
    observation: Observation | None = None


@dataclass(frozen=True)
class Template:
    """The sequence that an exposure belongs to: start (ISO 8601 to the second, UT), its number in it from 1, total."""

    start: str
    number: int
    total: int


def templates(exposures: Sequence[Exposure]) -> dict[int, Template]:
    """The sequence of each exposure, by its index: exposures of one OB, or of one kind, that follow each other."""
    found: dict[int, Template] = {}
    for _, members in itertools.groupby(exposures, key=lambda one: one.observation or one.kind):
        sequence = list(members)
        for number, exposure in enumerate(sequence, 1):
            found[exposure.index] = Template(sequence[0].date_obs[:19], number, len(sequence))
    return found
