"""OBs of a simulated campaign, and their exposures: plain data."""

from dataclasses import dataclass, field
from functools import cached_property

from astropy.time import Time


def iso(mjd: float, digits: int) -> str:
    """A time as ISO 8601, with digits of a second."""
    return str(Time(mjd, format="mjd", precision=digits).isot)


@dataclass(frozen=True)
class SimulatedExposure:
    """An exposure: what its header says, and its truth.

    Attributes
    ----------
    kind : OBJECT or SKY
    mjd, exposure_time : start, and length [s]
    ra, dec, position_angle : deg
    name : target as the observer wrote it
    seeing : measured [arcsec]
    ob : its OB
    number : within the OB, from 1
    truth : name of the true target
    decision, rule : keep, reject or hold, and why
    transparency, sky_brightness, pointing_error, satellite, field_rotation, wavelength_shift : as in `Exposure`
    instrument_temperature : degrees Celsius; None: as usual
    """

    kind: str
    mjd: float
    exposure_time: float
    ra: float
    dec: float
    position_angle: float
    name: str
    seeing: float
    ob: "SimulatedOb"
    number: int
    truth: str
    decision: str
    rule: str
    transparency: float = 1.0
    sky_brightness: float = 1.0
    pointing_error: tuple[float, float] = (0.0, 0.0)
    satellite: bool = False
    field_rotation: float = 0.0
    wavelength_shift: float = 0.0
    instrument_temperature: float | None = None

    @cached_property
    def date_obs(self) -> str:
        """DATE-OBS."""
        return iso(self.mjd, 3)


@dataclass
class SimulatedOb:
    """An OB and its execution.

    Attributes
    ----------
    number, name, run, mode : of the OB
    start : MJD; an ILLUM is taken then
    requested : seeing [arcsec]; NaN in visitor mode
    grade : A to D, or X
    defect : see `request.Defect`; None for none
    exposures : in the order of time
    """

    number: int
    name: str
    run: str
    mode: str
    start: float
    requested: float
    grade: str
    defect: str | None
    target: str
    exposures: list[SimulatedExposure] = field(default_factory=list)
