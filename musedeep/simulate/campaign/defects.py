"""Defects that an OB of a simulated campaign may have: what logs say, what pixels show, and what is right."""

from dataclasses import replace
from typing import Final

from musedeep.simulate.campaign.ob import SimulatedExposure, SimulatedOb
from musedeep.simulate.optics import CALIBRATION_TEMPERATURE, DRIFT

TRUE_DECISIONS: Final = {
    "bad seeing": ("reject", "seeing"),
    "derotator": ("reject", "comment"),
    "rising background": ("reject", "comment"),
    "violated constraint": ("hold", "grade"),
    "grade D": ("hold", "grade"),
    "guiding": ("hold", "comment"),
    "aborted": ("hold", "comment"),
}
"""What a careful person does with an OB, and by which rule; OBs with other defects, or none, are kept."""
COMMENTS: Final = {
    "derotator": "OB aborted because of derotator issue.",
    "rising background": "Aborted due to increasing background.",
    "guiding": "Guiding problems during the second exposure.",
    "clouds": "Thick clouds at the end.",
    "mild seeing": "Seeing slightly out of constraints.",
    "aborted": "OB aborted for a target of opportunity.",
}
GRADES: Final = {
    "bad seeing": "C", "mild seeing": "C", "violated constraint": "C", "grade D": "D", "derotator": "C",
    "rising background": "C", "guiding": "B", "clouds": "A", "aborted": "C",
}  # fmt: skip
SEEING: Final = {"bad seeing": 2.3, "mild seeing": 1.3}
"""Measured over requested."""
DRAWN: Final = (
    "bad seeing", "derotator", "rising background", "violated constraint", "grade D", "guiding", "mild seeing",
    "clouds",
)  # fmt: skip
"""Defects of targets that are drawn: those that headers and logs show."""

TURN: Final = 4.0
"""Degrees by which the field turns with the defect derotator: 2 arcsec at its edges."""
SHIFT: Final = (0.6, 0.3)
"""Offset to the east and north of a shifted pointing [arcsec]."""
CLOUDS: Final = 0.6
"""Transparency of clouds, and of the blank sky that does not match."""
BACKGROUND: Final = 1.6
"""Factor of a rising background from one exposure to the next."""
ABORTED: Final = 0.2
"""Part of its time after which an exposure is aborted."""
DRIFTED: Final = 0.3
"""Drift of wavelengths [Angstrom]."""
JUMP: Final = 6.0
"""Shift of wavelengths with which the fit of sky lines does not converge: more than two widths of a line [Angstrom]."""


def temperature_of_drift(drift: float) -> float:
    """Temperature of the instrument at which wavelengths have drifted by so many Angstrom, degrees Celsius."""
    linear, square = DRIFT
    return float(CALIBRATION_TEMPERATURE + ((linear**2 + 4.0 * square * drift) ** 0.5 - linear) / (2.0 * square))


def spoil(ob: SimulatedOb) -> None:
    """Give the exposures of an OB what pixels show of its defect: where it concerns a single one, that is the second.

    An aborted OB loses what was to follow.
    """
    science = [one for one in ob.exposures if one.kind == "OBJECT"]
    second = science[min(1, len(science) - 1)]
    if ob.defect == "aborted":
        short = replace(second, exposure_time=round(ABORTED * second.exposure_time, 3))
        ob.exposures = [*[one for one in science if one.number < second.number], short]
        return
    ob.exposures = [_spoilt(one, ob.defect or "", one is second, one.number >= second.number) for one in ob.exposures]


def _spoilt(one: SimulatedExposure, defect: str, second: bool, later: bool) -> SimulatedExposure:
    if defect == "satellite" and second:
        return replace(one, satellite=True)
    if defect == "derotator" and second:
        return replace(one, field_rotation=TURN)
    if defect == "shifted pointing" and second:
        east, north = one.pointing_error
        return replace(one, pointing_error=(east + SHIFT[0], north + SHIFT[1]))
    if (defect == "unmatched sky" and one.kind == "SKY") or (defect == "clouds" and later):
        return replace(one, transparency=one.transparency * CLOUDS)
    if defect == "rising background":
        return replace(one, sky_brightness=one.sky_brightness * BACKGROUND**one.number)
    if defect == "wavelength drift":
        return replace(one, instrument_temperature=round(temperature_of_drift(DRIFTED), 3))
    if defect == "sky fit":
        return replace(one, wavelength_shift=JUMP)
    return one
